"""Resumable builder of a pixel cache: images are appended one by one."""

import json
import os
import zlib
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from artculture.data.decoding import BadImageError
from artculture.utils.io import json_text, open_without_links, write_json

CACHE_VERSION = 3
# Pieces of this size go to the disk while the next images are decoded, so that the flush at the end,
# which waits for the disk, has little left.
FLUSHED_BYTES = 16 << 20

Decoded = NDArray[np.uint8] | BadImageError


class PartialCache:
    """Writer of `pixels.part` and its journal, which has one line per image: shape and checksums, or why it is bad.

    Files of an interrupted build are checked line by line; from the first line that does not match the pixels on, they
    are truncated and written again.

    Args:
        target: the cache's folder; the caller must hold its lock.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self.pixels, self.journal = target / "pixels.part", target / "journal.jsonl"

    def __enter__(self) -> "PartialCache":
        for file in (self.pixels, self.journal):
            open_without_links(file, "ab").close()
        self.entries, whole = self._read_whole_entries()
        self._pixels = open_without_links(self.pixels, "r+b")
        self._pixels.truncate(whole)
        self._pixels.seek(whole)
        self._unflushed, self._flusher = 0, ThreadPoolExecutor(1, "flush")
        self._flushing: Future[None] | None = None
        self._journal = open_without_links(self.journal, "w", encoding="utf-8")
        self._journal.writelines(json_text(entry, ensure_ascii=True) + "\n" for entry in self.entries)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._flusher.shutdown()
        self._pixels.close()
        self._journal.close()

    def __len__(self) -> int:
        return len(self.entries)

    def _read_whole_entries(self) -> tuple[list[dict[str, object]], int]:
        """Return the entries whose pixels are complete and match their checksum, and the bytes of these pixels."""
        entries: list[dict[str, object]] = []
        whole = 0
        with self.pixels.open("rb") as pixels:
            for line in self.journal.read_bytes().splitlines():
                try:
                    entry = json.loads(line)
                    bad, (height, width) = entry["bad"], entry["shape"]
                    size, checksum, content = 3 * int(height) * int(width), entry["crc32"], entry["sha256"]
                except (ValueError, LookupError, TypeError, OverflowError, RecursionError):
                    break  # the line that was being written when the build was interrupted
                picture = pixels.read(max(0, size))
                fits = size > 0 and len(picture) == size and zlib.crc32(picture) == checksum
                if not isinstance(content, str) or not (fits if bad is None else isinstance(bad, str) and size == 0):
                    break
                entries.append(entry)
                whole += size
        return entries, whole

    def append(self, decoded: Decoded, sha256: str = "") -> None:
        """Append the next image, with the SHA-256 of its file where that is known."""
        if isinstance(decoded, BadImageError):
            entry: dict[str, object] = {"shape": [0, 0], "crc32": 0, "sha256": sha256, "bad": str(decoded)}
        else:
            picture = np.ascontiguousarray(decoded).data
            self._pixels.write(picture)
            self._flush_in_background(picture.nbytes)
            shape, checksum = list(decoded.shape[:2]), zlib.crc32(picture)
            entry = {"shape": shape, "crc32": checksum, "sha256": sha256, "bad": None}
        self.entries.append(entry)
        self._journal.write(json_text(entry, ensure_ascii=True) + "\n")

    def _flush_in_background(self, written: int) -> None:
        self._unflushed += written
        if self._unflushed >= FLUSHED_BYTES and (self._flushing is None or self._flushing.done()):
            self._await_flush()
            self._pixels.flush()
            self._unflushed = 0
            self._flushing = self._flusher.submit(os.fsync, self._pixels.fileno())

    def _await_flush(self) -> None:
        """Wait for the flush that was started last; the system reports an error of the disk to it alone."""
        if self._flushing is not None:
            self._flushing.result()
            self._flushing = None

    def finish(self) -> None:
        """Complete the cache; the index is written last, and a folder without it counts as not built."""
        self._await_flush()
        self._pixels.flush()
        os.fsync(self._pixels.fileno())
        self._pixels.close()
        self._journal.close()
        self.pixels.replace(self.target / "pixels.bin")
        bad = {str(row): entry["bad"] for row, entry in enumerate(self.entries) if entry["bad"] is not None}
        shapes = [entry["shape"] for entry in self.entries]
        contents = [str(entry["sha256"]) for entry in self.entries]
        # A damaged hash would silently turn a painting into another one: no other value in the index reveals it.
        hashes = {"sha256": contents, "crc32": zlib.crc32("".join(contents).encode())}
        index = {"version": CACHE_VERSION, "shapes": shapes, **hashes, "bad": bad}
        write_json(self.target / "index.json", index)
        self.journal.unlink()
