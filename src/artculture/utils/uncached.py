"""Writing of large files that are rarely read, without filling the page cache (O_DIRECT)."""

import errno
import mmap
import os
from pathlib import Path
from types import TracebackType
from typing import Any, Self

# Bytes per write; direct writes are aligned to blocks of the disk, which are 4 KiB at most.
CHUNK, BLOCK = 8 << 20, 4096
# Errors of file systems without direct writes.
NO_DIRECT = (errno.EINVAL, errno.EOPNOTSUPP)


class UncachedFile:
    """File written directly to the disk, complete when the `with` block ends.

    A copy in the page cache would take as long as the write itself, and evict the memory-mapped pixel cache. Without
    support of the platform or file system, the file is written as usual.

    Args:
        path: the file, which is overwritten.

    Raises:
        OSError: it can't be created or written, at any time until the block ends.
    """

    def __init__(self, path: Path) -> None:
        self._chunk = memoryview(mmap.mmap(-1, CHUNK))  # page-aligned, as direct writes require
        self._filled = 0
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
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
        """Write a bytes-like object; return its length in bytes."""
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
        """Do nothing; the remaining bytes are written when the block ends."""

    def _put(self, chunk: memoryview) -> None:
        while len(chunk):
            try:
                done = os.write(self._file, chunk)
            except OSError as error:
                if not self._direct or error.errno not in NO_DIRECT:
                    raise
                self._buffered()  # some file systems accept the flag but reject the write
                continue
            if done % BLOCK and done < len(chunk):
                self._buffered()
            chunk = chunk[done:]

    def _buffered(self) -> None:
        if self._direct:
            import fcntl  # exists wherever O_DIRECT does; Windows has neither

            fcntl.fcntl(self._file, fcntl.F_SETFL, fcntl.fcntl(self._file, fcntl.F_GETFL) & ~self._direct)
            self._direct = 0
