"""The function of a Ray task: executes a run as a child process of the worker."""

import signal
import subprocess
import time
from contextlib import suppress

from artculture.studies.launchers.process import RunCommand

POLL_SECONDS = 0.3


def execute_run(command: RunCommand) -> int:
    """Execute a run in a Ray worker and return its exit code."""
    # Ray cancels with SIGINT, which is ignored if the launch was started by `nohup` or in the background.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    child = command.start()
    try:
        return _wait(child)
    finally:
        _end(child)


def _wait(child: subprocess.Popen[bytes]) -> int:
    # Ray cancels with an exception, which a blocking wait would not receive.
    while (code := child.poll()) is None:
        time.sleep(POLL_SECONDS)
    return code


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.terminate()
    while child.poll() is None:
        # A repeated cancellation must not disturb the run while it saves.
        with suppress(KeyboardInterrupt):
            _wait(child)
