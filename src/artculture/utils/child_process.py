"""Processes that end with the process that started them."""

import ctypes
import os
import signal
import sys

# Set for the process of a study's run: the process id of the process that started it.
RUN_OF_STUDY = "ARTCULTURE_RUN_OF_STUDY"


def end_with_study() -> None:
    """In the process of a study's run: get SIGTERM when the process that started it ends (Linux only)."""
    study = os.environ.get(RUN_OF_STUDY)
    if study:
        end_with(int(study), signal.SIGTERM)


def end_with(parent: int, number: signal.Signals) -> None:
    """Get a signal when the process that started this one ends, however it ends (Linux only)."""
    if not sys.platform.startswith("linux"):
        return
    pr_set_pdeathsig = 1
    ctypes.CDLL(None, use_errno=True).prctl(pr_set_pdeathsig, number)
    if os.getppid() != parent:  # it ended before the call
        os.kill(os.getpid(), number)
