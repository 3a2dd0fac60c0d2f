"""Cache of decoded pixels: every image is decoded and resized once, then read through a memory map."""

import hashlib
import logging
import os
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from artculture.data.cache.builder import CACHE_VERSION, Decoded, PartialCache
from artculture.data.cache.folder import make_private
from artculture.data.cache.keys import cache_key, manifest_stamp
from artculture.data.decoding import BadImageError, Decoding, check_file, read_pixels
from artculture.data.manifest import Manifest
from artculture.utils.errors import InputError
from artculture.utils.io import file_sha256, read_json, write_json
from artculture.utils.progress import Progress

log = logging.getLogger(__name__)


class Pixels(Protocol):
    """Protocol of decoded images, stored in one file or in shards.

    Attributes:
        bad: reason per row of an unreadable image.
        key: identifies images, size and format; equal keys have equal pixels.
    """

    @property
    def bad(self) -> dict[int, str]: ...

    @property
    def key(self) -> str: ...

    def shapes_of(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return height and width of some images, int64 N x 2."""
        ...

    def image(self, row: int) -> NDArray[np.uint8]:
        """Return image `row` as uint8, height x width x 3, read-only."""
        ...


@dataclass(frozen=True)
class PixelCache:
    """Images of different sizes as uint8 in one memory map.

    Attributes:
        pixels: all images, flat, one after the other (memory-mapped).
        shapes: height and width of each, int64, n x 2; 0 x 0 for an unreadable image.
        starts: offset of each in `pixels`, int64, n + 1.
        bad: reason per row of an unreadable image.
        key: identifies images, size and format; equal keys have equal pixels.
        sha256: hash of each image file, n; "" for an unreadable image.
    """

    pixels: NDArray[np.uint8]
    shapes: NDArray[np.int64]
    starts: NDArray[np.int64]
    bad: dict[int, str]
    key: str
    sha256: tuple[str, ...]

    def shapes_of(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return height and width of some images, int64 N x 2."""
        return self.shapes[rows]

    def image(self, row: int) -> NDArray[np.uint8]:
        """Return image `row` as uint8, height x width x 3 (a read-only view of the map)."""
        height, width = self.shapes[row]
        return self.pixels[self.starts[row] : self.starts[row + 1]].reshape(height, width, 3)


def open_cache(
    manifest: Manifest,
    folder: Path,
    shorter_side: int,
    interpolation: str,
    on_progress: Progress | None = None,
    fit: Decoding = "crop",
) -> PixelCache:
    """Return the pixel cache of a manifest, built first if it does not exist or is damaged.

    A file lock makes concurrent processes wait for the one that builds it.

    Args:
        manifest: manifest of the images; the cache has its order.
        folder: root folder of caches.
        shorter_side: pixels.
        interpolation: `bilinear` or `bicubic`.
        on_progress: called with (done, all) while building.
        fit: as of `read_pixels`.

    Raises:
        InputError: image files that do not exist.
    """
    target = folder / "pixels" / cache_key(manifest, shorter_side, interpolation, fit)
    found = read_cache(target, len(manifest))
    if found is None:
        make_private(target)
        if target.is_symlink():
            raise InputError(f"{target} is a link, which another user may have placed there: delete it")
        with FileLock(target / ".lock"):
            found = read_cache(target, len(manifest))
            if found is None:
                build_cache(manifest.pictures, len(manifest), target, shorter_side, interpolation, on_progress, fit)
                found = read_cache(target, len(manifest))
    if found is None:
        raise InputError(f"the pixel cache {target} can't be completed: delete it and start again")
    return found


def file_hashes(manifest: Manifest, folder: Path) -> list[str]:
    """Return the SHA-256 of each image file; "" for an unreadable one.

    Files whose hash is cached, with unchanged size and modification time, are not read again.

    Args:
        manifest: manifest of the images; the cache has its order.
        folder: root folder of caches.

    Raises:
        InputError: image files that do not exist.
    """
    known = manifest.table["sha256"]
    if not manifest.has_files and (known != "").all():
        return [str(sha256) for sha256 in known]
    stamp = manifest_stamp(manifest)
    if (found := _largest(stamp, len(manifest), folder)) is not None:
        return list(found.sha256)
    kept = folder / "contents" / f"{stamp}.json"
    if kept.is_file() and len(known := read_json(kept).get("sha256", [])) == len(manifest):
        return [str(sha256) for sha256 in known]
    if manifest.has_files:
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            contents = list(pool.map(_content_hash, manifest.paths()))
    else:
        contents = [_content_hash(picture) for picture in manifest.pictures()]
    write_json(kept, {"sha256": contents})
    return contents


def largest_cache(manifest: Manifest, folder: Path) -> PixelCache | None:
    """Return the pixel cache of a manifest with the largest pictures; None if there is none.

    Args:
        manifest: manifest of the images.
        folder: root folder of caches.
    """
    return _largest(manifest_stamp(manifest), len(manifest), folder)


def _largest(stamp: str, pictures: int, folder: Path) -> PixelCache | None:
    built = (folder / "pixels").glob(f"{stamp}-*-v{CACHE_VERSION}/index.json")
    for index in sorted(built, key=lambda file: int(file.parent.name.split("-")[1]), reverse=True):
        if (found := read_cache(index.parent, pictures)) is not None:
            return found
    return None


def _content_hash(picture: Path | bytes) -> str:
    if isinstance(picture, bytes):
        return hashlib.sha256(picture).hexdigest()
    try:
        check_file(picture)
        return file_sha256(picture)
    except (BadImageError, OSError):
        return ""


def build_cache(
    pictures: Callable[[int], Iterable[Path | bytes]],
    count: int,
    target: Path,
    shorter_side: int,
    interpolation: str,
    on_progress: Progress | None = None,
    fit: Decoding = "crop",
) -> None:
    """Decode images into a cache's folder, continuing an interrupted build.

    Args:
        pictures: returns the images (paths or contents) from a number on.
        count: number of all images.
        target: the cache's folder.
        shorter_side: pixels.
        interpolation: `bilinear` or `bicubic`.
        on_progress: called with (done, all).
        fit: as of `read_pixels`.
    """

    def decode(picture: Path | bytes) -> tuple[Decoded, str]:
        try:
            pixels = read_pixels(picture, shorter_side, interpolation, fit)
        except BadImageError as error:
            return error, ""
        # Right after decoding, the file is still in the page cache, so hashing it does not read the disk again, and
        # SHA-256 is many times faster than decoding.
        return pixels, _content_hash(picture)

    report = on_progress or (lambda *_: None)
    with PartialCache(target) as partial:
        begun = len(partial)
        if begun:
            report(begun, count)
        for row, (decoded, sha256) in enumerate(_decode_in_parallel(decode, pictures(begun)), begun):
            partial.append(decoded, sha256)
            report(row + 1, count)
        partial.finish()


def _decode_in_parallel(
    decode: Callable[[Path | bytes], tuple[Decoded, str]], pictures: Iterable[Path | bytes]
) -> Iterator[tuple[Decoded, str]]:
    """Decode in order in threads on all cores, with a bounded number of images in memory.

    Threads suffice because Pillow releases the GIL while decoding and resizing.
    """
    workers = os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        waiting = iter(pictures)
        running = deque(pool.submit(decode, picture) for picture in islice(waiting, 4 * workers))
        while running:
            yield running.popleft().result()
            running.extend(pool.submit(decode, picture) for picture in islice(waiting, 1))


def read_cache(target: Path, pictures: int) -> PixelCache | None:
    """Return the cache of so many images; None if it is not built yet or damaged."""
    file = target / "index.json"
    if not file.is_file():
        return None
    try:
        index = read_json(file)
        shapes = np.array(index["shapes"], dtype=np.int64).reshape(pictures, 2)
        bad = {int(row): str(why) for row, why in index["bad"].items()}
        contents = tuple(str(sha256) for sha256 in index["sha256"])
        starts = np.concatenate([[0], np.cumsum(shapes.prod(axis=1) * 3)]).astype(np.int64)
        agrees = bad.keys() == set(np.flatnonzero((shapes <= 0).any(axis=1)).tolist()) and (shapes >= 0).all()
        hashed = len(contents) == pictures and zlib.crc32("".join(contents).encode()) == index["crc32"]
        whole = agrees and hashed and (target / "pixels.bin").stat().st_size == starts[-1]
    except (InputError, LookupError, AttributeError, TypeError, ValueError, OverflowError, OSError):
        whole = False
    if not whole:
        log.warning("the pixel cache %s is damaged and will be rebuilt", target)
        return None
    empty = starts[-1] == 0
    # A plain view of the map: slices of `np.memmap` itself cost several times as much.
    mapped = np.zeros(0, dtype=np.uint8) if empty else np.memmap(target / "pixels.bin", dtype=np.uint8, mode="r")
    pixels = mapped.view(np.ndarray)
    return PixelCache(pixels, shapes, starts, bad, target.name, contents)
