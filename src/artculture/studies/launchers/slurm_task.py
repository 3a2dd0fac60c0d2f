"""What a SLURM job does: runs a row, has it save when the job is to end, and asks for the next turn."""

import os
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field

import submitit
from submitit.helpers import DelayedSubmission

from artculture.studies.launchers.jobs import JobNotes
from artculture.studies.launchers.process import RunCommand
from artculture.utils.signals import STOP_SIGNALS

POLL_SECONDS = 0.3
# A row that was told to stop, and not by this task: SLURM is about to end the job, to queue it again or for good.
STOPPED = {75, *(-number for number in STOP_SIGNALS)}
PATIENCE_SECONDS = 600.0


@dataclass
class SlurmTask:
    """A row as submitit runs it: called in the job, `checkpoint` called when the job is about to end.

    Attributes:
        command: the row's.
        notes: take its exit code.
        requeue: ask for another turn after a time limit or a preemption.
        save_seconds: how long a row may take to save.
    """

    command: RunCommand
    notes: JobNotes
    requeue: bool
    save_seconds: float
    _child: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def __call__(self) -> int:
        self._child = self.command.start()
        try:
            code = _waited(self._child)
            if code in STOPPED:
                # Ending now would make the job a finished one, which SLURM does not queue again.
                time.sleep(PATIENCE_SECONDS)
        finally:  # submitit ends the task by an exception, and so does Ctrl-C
            if self._child.poll() is None:
                self._child.terminate()
        self.notes.end(submitit.JobEnvironment().job_id, code)
        return code

    def checkpoint(self) -> DelayedSubmission | None:
        """Let the row save. Called by submitit's signal handler, amid `__call__`."""
        if self._child is not None:
            self._child.terminate()
            _wait_without_reaping(self._child.pid, self.save_seconds)
        if not self.requeue:
            return None
        return DelayedSubmission(SlurmTask(self.command, self.notes, self.requeue, self.save_seconds))


def _waited(child: subprocess.Popen[bytes]) -> int:
    # Not `wait`: it holds a lock that the signal handler would wait for.
    while (code := child.poll()) is None:
        time.sleep(POLL_SECONDS)
    return code


def _wait_without_reaping(pid: int, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    with suppress(ChildProcessError):  # reaped already
        while time.monotonic() < deadline:
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None:
                return
            time.sleep(POLL_SECONDS)
