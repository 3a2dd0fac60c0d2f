"""Rows as SLURM jobs, by submitit's own API."""

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from artculture.config.schema.train import Slurm
from artculture.studies.grid import Row
from artculture.studies.launchers.jobs import JobNotes, Submitted
from artculture.studies.launchers.process import RowCommand, gpus_of, row_command
from artculture.studies.launchers.protocol import AlwaysOpen, Ending, StartedRow
from artculture.utils.errors import InputError, reason_of

try:
    import submitit
    from submitit.core.utils import FailedJobError, FailedSubmissionError
    from submitit.slurm.slurm import SlurmJob

    from artculture.studies.launchers.slurm_task import SlurmTask
except ModuleNotFoundError as missing:
    if missing.name != "submitit":
        raise
    raise InputError("launcher=slurm needs submitit: pip install 'artculture[slurm]'") from missing

LOOK_SECONDS = 2.0
# Asking SLURM itself costs it something: only about jobs that were told to end.
ASK_SECONDS = 5.0
# SLURM's accounting may not know a job that it was given a moment ago.
KNOWN_AFTER_SECONDS = 300.0
# A preempted job goes back into the queue, or, as the site has it, does not: then it stays in this state.
PREEMPTED_SECONDS = 300.0


@dataclass
class SlurmRow:
    """A row's job.

    Attributes:
        job: submitit's.
        notes: where the row's exit code will be.
    """

    job: Any
    notes: JobNotes
    _stopped: bool = False
    _look_at: float = 0.0
    _preempted: float | None = None
    _done: bool = field(default=False, repr=False)

    @property
    def place(self) -> str:
        return f"job {self.job.job_id}"

    def ending(self) -> Ending | None:
        code = self.notes.ended(self.job.job_id)
        if code is not None:
            return Ending(code)
        now = time.monotonic()
        if not self._done and now >= self._look_at:
            self._look_at = now + (ASK_SECONDS if self._stopped else LOOK_SECONDS)
            self._done = self.job.done(force_check=self._stopped) or self._given_up(now)
        if not self._done:
            return None
        code = self.notes.ended(self.job.job_id)  # written a moment before
        return Ending(code) if code is not None else self._lost()

    def _given_up(self, now: float) -> bool:
        if self.job.state != "PREEMPTED":
            self._preempted = None
            return False
        self._preempted = now if self._preempted is None else self._preempted
        long = now - self._preempted > PREEMPTED_SECONDS
        return long and self.job.get_info(mode="force").get("State") == "PREEMPTED"

    def _lost(self) -> Ending:
        log = self.job.paths.stderr
        return Ending(None, f"{self.place} ended: {self.job.state}" + (f" (see {log})" if log.is_file() else ""))

    def stop(self) -> None:
        self._stopped, self._look_at = True, 0.0
        self.job.cancel(check=False)

    def kill(self) -> None:
        self.stop()  # SLURM kills what does not end in its time


class SlurmLauncher(AlwaysOpen):
    """Submits all rows that are to start as one job array.

    Args:
        config: of `launcher`.

    Raises:
        InputError: no SLURM on this machine.
    """

    queues = True

    def __init__(self, config: Slurm) -> None:
        self.config = config
        on_slurm = config.cluster == "slurm"
        missing = [program for program in ("sbatch", "srun") if shutil.which(program) is None]
        if on_slurm and missing:
            raise InputError(
                f"launcher=slurm, but there is no {missing[0]} on this machine: start the command on a login node, or "
                "try it here with launcher.cluster=local"
            )
        # Without a cluster there is no queue to hold back rows: it is done here.
        one_at_a_time = 1 if config.parallel == "auto" else config.parallel
        self.places: int | None = None if on_slurm else one_at_a_time
        self.outlives = on_slurm and config.on_interrupt == "leave"

    def start(self, rows: Sequence[Row]) -> list[StartedRow]:
        found = {row.name: self._attached(row) for row in rows}
        new = [row for row in rows if found[row.name] is None]
        # An array's jobs ask for the same and have one folder.
        for _, alike in groupby(new, key=lambda row: (row.directory.path.parent, asked_of_slurm(row))):
            members = list(alike)
            found |= dict(zip([row.name for row in members], self._submit(members), strict=True))
        return [started for row in rows if (started := found[row.name]) is not None]

    def _submit(self, rows: Sequence[Row]) -> list[SlurmRow]:
        folder = job_folder(rows[0])
        requeue, seconds = self.config.requeue, self.config.signal_seconds
        tasks = [SlurmTask(self._command(row), notes_of(row), requeue, seconds * 0.8) for row in rows]
        try:
            executor = submitit.AutoExecutor(
                folder, cluster=self.config.cluster, slurm_max_num_timeout=self.config.max_timeouts
            )
            executor.update_parameters(**asked_of_slurm(rows[0]), **self._array())
            jobs = executor.submit_array(tasks)
        except (FailedJobError, FailedSubmissionError) as error:
            raise InputError(f"SLURM refused the jobs: {reason_of(error)}") from error
        now = time.time()
        for row, job in zip(rows, jobs, strict=True):
            notes_of(row).submit(Submitted(job.job_id, now))
        return [SlurmRow(job, notes_of(row)) for row, job in zip(rows, jobs, strict=True)]

    def _array(self) -> dict[str, Any]:
        return {} if self.config.parallel == "auto" else {"slurm_array_parallelism": self.config.parallel}

    def _command(self, row: Row) -> RowCommand:
        return row_command(row, threads=self.config.cpus)

    def _attached(self, row: Row) -> SlurmRow | None:
        """The job of an earlier launch that is still in the queue or running."""
        note = notes_of(row).submitted()
        if note is None or self.config.cluster != "slurm" or notes_of(row).ended(note.job) is not None:
            return None
        job: Any = SlurmJob(job_folder(row), note.job)
        unknown = job.get_info(mode="force").get("State") is None and time.time() - note.at > KNOWN_AFTER_SECONDS
        return None if unknown or job.done() else SlurmRow(job, notes_of(row))


def job_folder(row: Row) -> Path:
    """submitit's files of a study: scripts, tasks, logs."""
    return (row.directory.path.parent / "slurm").absolute()


def notes_of(row: Row) -> JobNotes:
    return JobNotes(job_folder(row), row.name)


def asked_of_slurm(row: Row) -> dict[str, Any]:
    """submitit's parameters of a row's job."""
    config = row.config.launcher
    assert isinstance(config, Slurm)
    given = {key: value for key, value in config.options.items() if value is not False}
    options = {("requeue" if config.requeue else "no-requeue"): True, **given}
    setup = {f"{config.cluster}_setup": list(config.setup)} if config.setup else {}
    asked = {
        "name": f"artculture-{row.config.study.name.replace('/', '-')}",
        "timeout_min": config.minutes,
        "cpus_per_task": config.cpus,
        "mem_gb": config.memory_gb,
        "gpus_per_node": gpus_of(row.config) or None,
        "nodes": 1,
        "tasks_per_node": 1,
        "slurm_partition": config.partition,
        "slurm_account": config.account,
        "slurm_qos": config.qos,
        "slurm_constraint": config.constraint,
        "slurm_signal_delay_s": config.signal_seconds,
        "slurm_additional_parameters": options,
        **setup,
    }
    return {key: value for key, value in asked.items() if value is not None}
