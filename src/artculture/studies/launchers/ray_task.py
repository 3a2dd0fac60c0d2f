"""What a Ray worker does: runs a row as its child."""

import signal
import subprocess
import time
from contextlib import suppress

from artculture.studies.launchers.process import RunCommand

POLL_SECONDS = 0.3


def execute_run(command: RunCommand) -> int:
    """In a Ray worker: run a row to its end, return its exit code."""
    # Ray cancels by SIGINT, which is ignored here where the launch came from `nohup` or a shell's background.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    child = command.start()
    try:
        return _wait(child)
    finally:
        _end(child)


def _wait(child: subprocess.Popen[bytes]) -> int:
    # Ray cancels by an exception that a blocking wait would not hear.
    while (code := child.poll()) is None:
        time.sleep(POLL_SECONDS)
    return code


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.terminate()
    while child.poll() is None:
        # A cancel may come twice, and the row is to save in peace.
        with suppress(KeyboardInterrupt):
            _wait(child)
