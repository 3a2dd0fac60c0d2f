"""Standard streams that never end the work: readers that leave, closed streams, hang-ups, ASCII terminals."""

import errno
import io
import os
import sys
from typing import Any, TextIO

# Of a pipe whose reader has exited, and of a terminal that was closed.
GONE = (errno.EPIPE, errno.EIO)


class _LastingFile(io.FileIO):
    """Open file descriptor that leads to the null device once nobody reads it any more."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in GONE:
                raise
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self.fileno())
            os.close(null)
            return memoryview(data).nbytes


def keep_streams(*, stdout: bool = True) -> None:
    """Replace stdout and stderr by streams whose loss or encoding raises no error in the work.

    Characters that the encoding of a terminal lacks are written as escapes.

    Args:
        stdout: whether stdout may lose its reader as well; False where its reader decides how much is computed.
    """
    if sys.platform == "win32":  # its console is no file of bytes
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        return
    # Otherwise the next files that are opened would get the numbers of closed streams, and their output.
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    sys.stdout = _stream(1, sys.stdout, lasting=stdout)
    sys.stderr = _stream(2, sys.stderr, lasting=True)


def _stream(number: int, before: TextIO | None, *, lasting: bool) -> TextIO:
    file = _LastingFile(number, "wb", closefd=False) if lasting else io.FileIO(number, "wb", closefd=False)
    encoding = "utf-8" if before is None else before.encoding
    by_line = number == 2 or file.isatty()
    return io.TextIOWrapper(
        io.BufferedWriter(file), encoding=encoding, errors="backslashreplace", line_buffering=by_line
    )
