"""Decoded pixels on disk: every picture is decoded and resized once, then read through a memory map."""

import errno
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
from artculture.data.decoding import BadImageError, check_file, read_pixels
from artculture.data.manifest import Manifest
from artculture.utils.errors import InputError
from artculture.utils.io import file_sha256, read_json, write_json
from artculture.utils.tables import FileLines

log = logging.getLogger(__name__)


class Pixels(Protocol):
    """Decoded pictures, wherever they lie: all in one file, or in shards.

    Attributes:
        bad: row to reason, for pictures that could not be read.
        key: names the pictures, their size and the format; another key, other pixels.
    """

    @property
    def bad(self) -> dict[int, str]: ...

    @property
    def key(self) -> str: ...

    def shapes_of(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Height and width of some pictures, int64 N x 2."""
        ...

    def image(self, row: int) -> NDArray[np.uint8]:
        """Picture `row` as uint8, height x width x 3, read-only."""
        ...


@dataclass(frozen=True)
class PixelCache:
    """Pictures as uint8, each with its own size.

    Attributes:
        pixels: all pictures, flat, one after the other (memory-mapped).
        shapes: height and width of each, int64, n x 2; 0 x 0 where the picture could not be read.
        starts: where each begins in `pixels`, int64, n + 1.
        bad: row to reason, for pictures that could not be read.
        key: names the pictures, their size and the format; another key, other pixels.
        sha256: of each picture's file, n; "" where it could not be read.
    """

    pixels: NDArray[np.uint8]
    shapes: NDArray[np.int64]
    starts: NDArray[np.int64]
    bad: dict[int, str]
    key: str
    sha256: tuple[str, ...]

    def shapes_of(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Height and width of some pictures, int64 N x 2."""
        return self.shapes[rows]

    def image(self, row: int) -> NDArray[np.uint8]:
        """Picture `row` as uint8, height x width x 3 (a read-only view of the map)."""
        height, width = self.shapes[row]
        return self.pixels[self.starts[row] : self.starts[row + 1]].reshape(height, width, 3)


def open_cache(
    manifest: Manifest,
    folder: Path,
    shorter_side: int,
    interpolation: str,
    on_progress: Callable[[int, int], None] | None = None,
) -> PixelCache:
    """The cache of a manifest's pictures, built first where it is not there yet.

    Two processes that ask at once build it once: the second waits for the first. A damaged one is built anew.

    Args:
        manifest: whose pictures, in its order.
        folder: where caches live.
        shorter_side: pixels.
        interpolation: `bilinear` or `bicubic`.
        on_progress: called with (done, all) while building.

    Raises:
        InputError: picture files that are not there.
    """
    target = folder / "pixels" / _key(manifest, shorter_side, interpolation)
    found = read_cache(target, len(manifest))
    if found is None:
        target.mkdir(parents=True, exist_ok=True)
        with FileLock(target / ".lock"):
            found = read_cache(target, len(manifest))
            if found is None:
                build_cache(manifest.paths(), len(manifest), target, shorter_side, interpolation, on_progress)
                found = read_cache(target, len(manifest))
    if found is None:
        raise InputError(f"the pixel cache {target} can't be made whole: delete it and start again")
    return found


def file_hashes(manifest: Manifest, folder: Path) -> list[str]:
    """SHA-256 of the file of each picture; "" for one that can't be read.

    Files that were decoded or hashed before and have the same size and time since are not read again.

    Args:
        manifest: whose pictures, in its order.
        folder: where caches live.

    Raises:
        InputError: picture files that are not there.
    """
    stamp = _stamp(manifest)
    for index in sorted((folder / "pixels").glob(f"{stamp}-*-v{CACHE_VERSION}/index.json")):
        if (found := read_cache(index.parent, len(manifest))) is not None:
            return list(found.sha256)
    kept = folder / "contents" / f"{stamp}.json"
    if kept.is_file() and len(known := read_json(kept).get("sha256", [])) == len(manifest):
        return [str(sha256) for sha256 in known]
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        contents = list(pool.map(_file_hash, manifest.paths()))
    write_json(kept, {"sha256": contents})
    return contents


def _file_hash(path: Path) -> str:
    try:
        check_file(path)
        return file_sha256(path)
    except (BadImageError, OSError):
        return ""


def _key(manifest: Manifest, shorter_side: int, interpolation: str) -> str:
    return f"{_stamp(manifest)}-{shorter_side}-{interpolation}-v{CACHE_VERSION}"


def _stamp(manifest: Manifest) -> str:
    """Names a manifest with its files as they are now; no file is read for it."""
    # Size and time of each file: a picture replaced under the same name is decoded anew.
    facts = [manifest.fingerprint(), str(manifest.root.resolve())]
    missing = []
    for row, path in enumerate(manifest.paths()):
        try:
            stat = path.stat()
            # What may not be read is another picture once it may.
            facts.append(f"{stat.st_size} {stat.st_mtime_ns}{'' if os.access(path, os.R_OK) else ' closed'}")
        except (OSError, ValueError) as error:
            leads_nowhere = isinstance(error, OSError) and error.errno in (errno.ENOENT, errno.ELOOP)
            if leads_nowhere and path.is_symlink():  # there, and bad
                facts.append("link")
            else:
                missing.append((row, path))
    if missing:
        row, path = missing[0]
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        lines = FileLines(manifest.root / "manifest.csv")
        raise InputError(
            f"{lines(row)} of the manifest in {manifest.root} lists {path}{more}, but there is no such file: "
            "put it back or take its row out of the manifest"
        )
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]


def build_cache(
    pictures: Iterable[Path | bytes],
    count: int,
    target: Path,
    shorter_side: int,
    interpolation: str,
    on_progress: Callable[[int, int], None] | None = None,
) -> None:
    """Decode pictures, files or what is in them, into a cache's folder, going on where a killed build stopped."""

    def decode(picture: Path | bytes) -> tuple[Decoded, str]:
        try:
            pixels = read_pixels(picture, shorter_side, interpolation)
        except BadImageError as error:
            return error, ""
        # Right after decoding, the file is still in the operating system's page cache: hashing it costs arithmetic
        # (SHA-256 is many times faster than decoding), not a second read. What is in shards was hashed when written.
        return pixels, file_sha256(picture) if isinstance(picture, Path) else ""

    tell = on_progress or (lambda *_: None)
    with PartialCache(target) as partial:
        begun = len(partial)
        if begun:
            tell(begun, count)
        for row, (decoded, sha256) in enumerate(_decode_in_parallel(decode, islice(pictures, begun, None)), begun):
            partial.append(decoded, sha256)
            tell(row + 1, count)
        partial.finish()


def _decode_in_parallel(
    decode: Callable[[Path | bytes], tuple[Decoded, str]], pictures: Iterable[Path | bytes]
) -> Iterator[tuple[Decoded, str]]:
    """Decode in order on all cores, with no more than a few pictures in memory (Pillow frees the GIL)."""
    workers = os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        waiting = iter(pictures)
        running = deque(pool.submit(decode, picture) for picture in islice(waiting, 4 * workers))
        while running:
            yield running.popleft().result()
            running.extend(pool.submit(decode, picture) for picture in islice(waiting, 1))


def read_cache(target: Path, pictures: int) -> PixelCache | None:
    """The cache of so many pictures; None where it is not built yet, or damaged."""
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
        log.warning("the pixel cache %s is damaged: it is built anew", target)
        return None
    empty = starts[-1] == 0
    pixels = np.zeros(0, dtype=np.uint8) if empty else np.memmap(target / "pixels.bin", dtype=np.uint8, mode="r")
    return PixelCache(pixels, shapes, starts, bad, target.name, contents)
