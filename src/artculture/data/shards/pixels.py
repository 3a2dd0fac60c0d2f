"""Decoded pixels of shards, fetched and decoded on demand into a cache folder of bounded size."""

import logging
import os
import shutil
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from artculture.data.arrow_limits import check_uncompressed
from artculture.data.cache.folder import cache_errors, make_private
from artculture.data.cache.keys import format_of
from artculture.data.cache.pixel_cache import PixelCache, build_cache, read_cache
from artculture.data.decoding import Decoding, resized_shapes
from artculture.data.manifest import SIZE_COLUMNS, Manifest
from artculture.data.shards.index import ShardedManifest
from artculture.data.shards.storage import ShardError
from artculture.utils.errors import InputError, WorkError, reason_of
from artculture.utils.io import remove_leftovers

log = logging.getLogger(__name__)

READ_BATCH = 8  # pictures
RESERVED = "reserved"


class ShardPixels:
    """Pixels of all paintings of a folder of shards (see `artculture.data.cache.pixel_cache.Pixels`).

    Processes of one machine share the folder: each shard is fetched and decoded by one of them. A shard that another
    process evicts stays readable while it is open.

    Args:
        manifest: manifest of all shards.
        folder: folder of decoded shards.
        limit: largest size of the folder, bytes.
        shorter_side: pixels.
        interpolation: `bilinear` or `bicubic`.
        window: number of shards that are read together; twice as many must fit within the limit.
        fit: as of `read_pixels`.

    Raises:
        InputError: the limit is too low.
    """

    bad: dict[int, str]

    def __init__(
        self,
        manifest: ShardedManifest,
        folder: Path,
        limit: int,
        shorter_side: int,
        interpolation: str,
        window: int,
        fit: Decoding = "crop",
    ) -> None:
        self.shards, self.folder, self.limit = manifest.shards, folder, limit
        self.shorter_side, self.interpolation, self.fit, self.window = shorter_side, interpolation, fit, window
        # Unreadable images were left out when the shards were written.
        self.bad = {}
        self.key = f"{manifest.shards.listing.index_sha256[:16]}-{self._suffix}"
        self.sizes = _decoded_sizes(manifest, shorter_side, fit)
        self._check_limit()
        self._open: OrderedDict[int, PixelCache] = OrderedDict()
        self._prefetcher: tuple[int, ThreadPoolExecutor] | None = None
        self._requested: tuple[int, ...] = ()

    def __getstate__(self) -> dict[str, Any]:
        # Spawned loader processes open their own memory maps and threads.
        return {**self.__dict__, "_open": OrderedDict(), "_prefetcher": None, "_requested": ()}

    @property
    def _suffix(self) -> str:
        return format_of(self.shorter_side, self.interpolation, self.fit)

    def _check_limit(self) -> None:
        # The shards of this window and of the next one, which is prefetched.
        largest = np.sort(self.sizes)[-2 * self.window :]
        needed = int(largest.sum())
        if needed > self.limit:
            raise InputError(
                f"data.cache_gb={self.limit / 1e9:g} is too little: {len(largest)} decoded shards must fit, "
                f"and they take {needed / 1e9:.3g}; raise it, lower data.shuffle_shards (now {self.window}), or write "
                "shards of fewer pictures"
            )

    def shapes_of(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        numbers = self.shards.shard_of(rows)
        shapes = np.empty((len(rows), 2), dtype=np.int64)
        for number in np.unique(numbers).tolist():
            here = numbers == number
            shapes[here] = self.shard(number).shapes[rows[here] - self.shards.starts[number]]
        return shapes

    def image(self, row: int) -> NDArray[np.uint8]:
        number = int(np.searchsorted(self.shards.starts, row, side="right")) - 1
        return self.shard(number).image(row - int(self.shards.starts[number]))

    def shard(self, number: int) -> PixelCache:
        """Return a shard's pixels, fetched and decoded first if they are not cached.

        Raises:
            ShardError: the shard cannot be fetched, or has changed.
        """
        if number not in self._open:
            self._open[number] = self._open_shard(number)
            # A batch may span two windows.
            while len(self._open) > 2 * self.window:
                self._open.popitem(last=False)
        self._open.move_to_end(number)
        return self._open[number]

    def _open_shard(self, number: int) -> PixelCache:
        target = self._target(number)
        for _ in range(3):
            self._build(number)
            pixels = read_cache(target, self.shards.shard(number).rows)
            if pixels is None:
                # Another process has just evicted it, or it is damaged.
                self._evict(target)
                continue
            with suppress(FileNotFoundError):
                os.utime(target)
            if pixels.bad:
                row, why = next(iter(pixels.bad.items()))
                raise ShardError(
                    f"picture {row} of {self.shards.shard(number).name} of {self.shards.storage} can't be read "
                    f"({why}), though it could when the shard was written: write it again with this version's Pillow"
                )
            return pixels
        raise WorkError(
            f"decoded shards vanish from {self.folder} faster than they are read: is another program clearing it, or "
            "do several trainings share it? Raise data.cache_gb, or give each its own data.cache"
        )

    def _target(self, number: int) -> Path:
        return self.folder / f"{self.shards.shard(number).sha256[:24]}-{self._suffix}"

    def _build(self, number: int, wait: float = -1) -> None:
        target = self._target(number)
        if (target / "index.json").is_file():
            return
        locks = self.folder / ".locks"
        with cache_errors(self.folder):
            make_private(locks)
        with cache_errors(self.folder), FileLock(locks / target.name, timeout=wait):
            if (target / "index.json").is_file():
                return
            self._make_room(int(self.sizes[number]), target)
            shard = self.shards.shard(number)
            with self.shards.storage.fetched(shard.name, shard.sha256, self.folder, shard.size) as file:
                build_cache(
                    lambda start: islice(read_images(file), start, None),
                    shard.rows,
                    target,
                    self.shorter_side,
                    self.interpolation,
                    fit=self.fit,
                )
            (target / RESERVED).unlink(missing_ok=True)

    def _make_room(self, needed: int, target: Path) -> None:
        """Evict the least recently opened shards until `needed` more bytes fit within the limit."""
        with FileLock(self.folder / ".locks" / "room"):
            remove_leftovers(self.folder)
            found = []
            for folder in self.folder.glob("[!.]*-*-*-v*"):
                with suppress(FileNotFoundError, ValueError):
                    if folder != target:
                        found.append((folder.stat().st_mtime_ns, _disk_usage(folder), folder))
            held = sum(size for _, size, _ in found)
            for _, size, folder in sorted(found):
                if held + needed <= self.limit:
                    break
                if self._evict(folder):
                    held -= size
            # Other processes must count the size of this shard before it is decoded.
            target.mkdir(exist_ok=True)
            (target / RESERVED).write_text(str(needed))

    def _evict(self, folder: Path) -> bool:
        try:
            with FileLock(self.folder / ".locks" / folder.name, timeout=0):
                # The index first, because a folder without it does not count as a complete shard.
                (folder / "index.json").unlink(missing_ok=True)
                shutil.rmtree(folder, ignore_errors=True)
                return True
        except Timeout:
            return False  # it is being decoded

    def prefetch(self, numbers: list[int]) -> None:
        """Fetch and decode shards in the background; errors are raised when the shards are read."""
        asked = tuple(numbers)
        if not asked or asked == self._requested:
            return
        self._requested = asked
        if self._prefetcher is None or self._prefetcher[0] != os.getpid():
            # Threads do not survive a fork.
            self._prefetcher = os.getpid(), ThreadPoolExecutor(1, thread_name_prefix="shards")
        for number in asked:
            self._prefetcher[1].submit(self._prefetch_one, number)

    def _prefetch_one(self, number: int) -> None:
        try:
            self._build(number, wait=0)
        except Timeout:
            pass  # another process is decoding it
        except Exception as error:
            log.debug("prefetch failed: %s", reason_of(error))


def _disk_usage(folder: Path) -> int:
    """Return the bytes that a decoded shard takes, or will take once it is complete."""
    reserved = folder / RESERVED
    present = sum(file.stat().st_size for file in folder.iterdir())
    return max(present, int(reserved.read_text())) if reserved.is_file() else present


def open_shards(
    manifest: Manifest,
    cache: Path,
    limit: int,
    shorter_side: int,
    interpolation: str,
    window: int,
    fit: Decoding = "crop",
) -> ShardPixels:
    """Return the pixels of a manifest whose images are in shards, cached under `cache` (see `ShardPixels`)."""
    assert isinstance(manifest, ShardedManifest)
    folder = cache / "shards" / "pixels"
    return ShardPixels(manifest, folder, limit, shorter_side, interpolation, window, fit)


def read_images(shard: Path) -> Iterator[bytes]:
    """Yield the contents of a shard's image files, in order."""
    with pq.ParquetFile(shard) as file:
        check_uncompressed(file, shard.name)
        for batch in file.iter_batches(READ_BATCH, columns=["image.bytes"]):
            for value in batch.column("image").field("bytes"):
                yield value.as_py()


def _decoded_sizes(manifest: ShardedManifest, shorter_side: int, fit: Decoding) -> NDArray[np.int64]:
    """Return the approximate bytes of each shard's decoded pixels, int64."""
    starts = manifest.shards.starts
    sizes = np.zeros(len(starts) - 1, dtype=np.int64)
    width, height = (manifest.table[name].to_numpy() for name in SIZE_COLUMNS)
    for number, (start, end) in enumerate(pairwise(starts.tolist())):
        shapes = np.column_stack([height[start:end], width[start:end]])
        sizes[number] = 3 * resized_shapes(shapes, shorter_side, fit).prod(axis=1).sum()
    return sizes
