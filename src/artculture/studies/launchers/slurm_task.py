"""The task of a SLURM job: executes a run, lets it save before the job ends, and requeues the job."""

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
# Exit codes of a run stopped by SLURM itself, which is about to end or requeue the job.
STOPPED = {75, *(-number for number in STOP_SIGNALS)}
PATIENCE_SECONDS = 600.0


@dataclass
class SlurmTask:
    """A run as a submitit task: called in the job; `checkpoint` is called when the job is about to end.

    Attributes:
        command: command of the run.
        notes: record for its exit code.
        requeue: whether to queue the job again after a time limit or preemption.
        save_seconds: how long the run may take to save.
    """

    command: RunCommand
    notes: JobNotes
    requeue: bool
    save_seconds: float
    _child: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def __call__(self) -> int:
        self._child = self.command.start()
        try:
            code = _wait(self._child)
            if code in STOPPED:
                # If the job ended now, SLURM would consider it completed and not queue it again.
                time.sleep(PATIENCE_SECONDS)
        finally:  # submitit and Ctrl-C end the task with an exception
            if self._child.poll() is None:
                self._child.terminate()
        self.notes.end(submitit.JobEnvironment().job_id, code)
        return code

    def checkpoint(self) -> DelayedSubmission | None:
        """Stop the run so that it saves; called by submitit's signal handler during `__call__`."""
        if self._child is not None:
            self._child.terminate()
            _wait_without_reaping(self._child.pid, self.save_seconds)
        if not self.requeue:
            return None
        return DelayedSubmission(SlurmTask(self.command, self.notes, self.requeue, self.save_seconds))


def _wait(child: subprocess.Popen[bytes]) -> int:
    # Not `Popen.wait`: it holds a lock, on which the signal handler would deadlock.
    while (code := child.poll()) is None:
        time.sleep(POLL_SECONDS)
    return code


def _wait_without_reaping(pid: int, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    with suppress(ChildProcessError):  # already reaped
        while time.monotonic() < deadline:
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None:
                return
            time.sleep(POLL_SECONDS)
