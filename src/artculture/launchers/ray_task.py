"""What a Ray worker does: runs a row as its child."""

import subprocess
import time

from artculture.launchers.process import RowCommand

POLL_SECONDS = 0.3


def run_row(command: RowCommand) -> int:
    """In a Ray worker: run a row to its end, return its exit code."""
    child = command.start()
    try:
        # Ray cancels by an exception that a blocking wait would not hear.
        while (code := child.poll()) is None:
            time.sleep(POLL_SECONDS)
        return code
    finally:
        _end(child)


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.terminate()
        child.wait()
