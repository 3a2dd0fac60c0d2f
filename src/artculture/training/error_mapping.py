"""Mapping of operating-system and data-loading errors to messages that say what to do."""

import errno
import re

from artculture.utils.errors import Interrupted, WorkError

ADVICE = {
    errno.ENOSPC: "free disk space",
    errno.EDQUOT: "free disk space within your quota",
    errno.EFBIG: "raise the limit on file sizes (ulimit -f)",
    errno.EROFS: "make the file system writable, or use another study.root=…",
    errno.EACCES: "fix the permissions, or use another study.root=…",
    errno.EIO: "the disk failed: use another study.root=…",
}


def map_error(error: BaseException, signal_name: str | None) -> BaseException:
    """Map an OS or data-loading error to a `WorkError` or `Interrupted`; return other errors unchanged.

    Args:
        error: what ended the training.
        signal_name: the stop signal received before, if any.
    """
    if signal_name and isinstance(error, SystemExit):  # Lightning handled the same signal and exited
        return Interrupted(signal_name)
    worker = re.search(r"DataLoader worker \(pid\(?s?\)? ?([\d, ]+)\)", str(error))
    if signal_name and worker:  # the signal was sent to the process group, and a data-loading process ended first
        return Interrupted(signal_name)
    if re.search(r"unable to \w+ .*shared memory", str(error)):
        return WorkError(
            "shared memory (/dev/shm), through which loader processes hand over their batches, is full: enlarge it "
            "(docker run --shm-size=2g), or set a smaller data.num_workers (0 for none), then run the same command "
            "again to continue from the last checkpoint"
        )
    if worker:
        return WorkError(
            f"a data-loading process ({worker[1]}) was killed, often because memory or /dev/shm was full: "
            "run the same command again to continue from the last checkpoint, with a smaller data.num_workers "
            "(0 for none) or a larger /dev/shm (docker run --shm-size=2g)"
        )
    if isinstance(error, OSError) and error.errno in ADVICE:
        where = f" at {error.filename}" if error.filename else ""
        return WorkError(
            f"{error.strerror}{where}: {ADVICE[error.errno]}, then run the same command again to continue "
            "from the last checkpoint"
        )
    return error
