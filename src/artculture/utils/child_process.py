"""Child processes that end with their parent."""

import ctypes
import os
import signal
import sys

# Set for the process of a study's run: the process id of the process that started it.
RUN_OF_STUDY = "ARTCULTURE_RUN_OF_STUDY"


def end_with_study() -> None:
    """Have this process receive SIGTERM when the study that started it ends (Linux only)."""
    study = os.environ.get(RUN_OF_STUDY)
    if study:
        end_with(int(study), signal.SIGTERM)


def end_with(parent: int, number: signal.Signals) -> None:
    """Have this process receive a signal when its parent process ends (Linux only)."""
    if not sys.platform.startswith("linux"):
        return
    pr_set_pdeathsig = 1
    ctypes.CDLL(None, use_errno=True).prctl(pr_set_pdeathsig, number)
    if os.getppid() != parent:  # the parent ended before the call
        os.kill(os.getpid(), number)
