"""A large file that is read again rarely, if ever: written past the system's page cache."""

import errno
import mmap
import os
from pathlib import Path
from types import TracebackType
from typing import Any, Self

# Bytes of a write; direct ones begin and end at multiples of a disk's block, which is 4 KiB at most.
CHUNK, BLOCK = 8 << 20, 4096
# What systems say that have no direct writes.
NO_DIRECT = (errno.EINVAL, errno.EOPNOTSUPP)


class UncachedFile:
    """A new file whose bytes go to the disk without a copy in the page cache; whole once its block has ended.

    The copy would cost as much time as the disk itself, and push the pictures' memory map out of memory. Where the
    platform or the file system has no such writes, the file is written in the usual way.

    Args:
        path: the file; what was there before is lost.

    Raises:
        OSError: it can't be made or written, at any time until the block has ended.
    """

    def __init__(self, path: Path) -> None:
        self._chunk = memoryview(mmap.mmap(-1, CHUNK))  # begins at a page, as direct writes must
        self._filled = 0
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0)
        self._direct = getattr(os, "O_DIRECT", 0)
        try:
            self._file = os.open(path, flags | self._direct, 0o666)
        except OSError as error:
            if not self._direct or error.errno not in NO_DIRECT:
                raise
            self._direct = 0
            self._file = os.open(path, flags, 0o666)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._buffered()
                self._put(self._chunk[: self._filled])
        finally:
            os.close(self._file)

    def write(self, data: Any) -> int:
        """Write bytes of any kind; returns how many."""
        given = memoryview(data).cast("B")
        taken = 0
        while taken < len(given):
            step = min(CHUNK - self._filled, len(given) - taken)
            self._chunk[self._filled : self._filled + step] = given[taken : taken + step]
            taken, self._filled = taken + step, self._filled + step
            if self._filled == CHUNK:
                self._put(self._chunk)
                self._filled = 0
        return len(given)

    def flush(self) -> None:
        """Do nothing: the rest is written when the block ends."""

    def _put(self, chunk: memoryview) -> None:
        while len(chunk):
            try:
                done = os.write(self._file, chunk)
            except OSError as error:
                if not self._direct or error.errno not in NO_DIRECT:
                    raise
                self._buffered()  # a file system that takes the flag and then refuses
                continue
            if done % BLOCK and done < len(chunk):
                self._buffered()
            chunk = chunk[done:]

    def _buffered(self) -> None:
        if self._direct:
            import fcntl  # there wherever O_DIRECT is; Windows has neither

            fcntl.fcntl(self._file, fcntl.F_SETFL, fcntl.fcntl(self._file, fcntl.F_GETFL) & ~self._direct)
            self._direct = 0
