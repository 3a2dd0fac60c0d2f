"""What the world does to a training, told so that the reader knows what to do."""

import errno
import re

from artculture.utils.errors import Interrupted, WorkError

ADVICE = {
    errno.ENOSPC: "make room",
    errno.EDQUOT: "make room within your quota",
    errno.EFBIG: "lift the limit on file sizes (ulimit -f)",
    errno.EROFS: "make the file system writable, or take another study.root=…",
    errno.EACCES: "mend the permissions, or take another study.root=…",
    errno.EIO: "the disk failed: take another study.root=…",
}


def map_error(error: BaseException, asked: str | None) -> BaseException:
    """The error as the user should read it; itself where it says enough.

    Args:
        error: what ended the training.
        asked: the signal that had asked to stop, if any.
    """
    if asked and isinstance(error, SystemExit):  # Lightning heard the same signal and left by its own way
        return Interrupted(asked)
    worker = re.search(r"DataLoader worker \(pid\(?s?\)? ?([\d, ]+)\)", str(error))
    if asked and worker:  # the signal went to all processes of the group: loader processes go first
        return Interrupted(asked)
    if worker:
        return WorkError(
            f"a data-loading process ({worker[1]}) was killed from outside, often for lack of memory or of space in "
            "/dev/shm: launch again to go on from the last checkpoint, with a smaller data.num_workers (0 for none)"
        )
    if isinstance(error, OSError) and error.errno in ADVICE:
        where = f" at {error.filename}" if error.filename else ""
        return WorkError(
            f"{error.strerror}{where}: {ADVICE[error.errno]}, then launch again to go on from the last checkpoint"
        )
    return error
