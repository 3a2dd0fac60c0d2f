"""Launcher of runs as SLURM jobs, with submitit."""

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from artculture.config.schema.launchers import Slurm
from artculture.studies.grid import PlannedRun
from artculture.studies.launchers.jobs import JobNotes, Submitted
from artculture.studies.launchers.process import RunCommand, gpus_of, run_command
from artculture.studies.launchers.protocol import ExitStatus, NoSetup, StartedRun
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

CHECK_SECONDS = 2.0
# Forced queries load the SLURM controller: only for jobs that were cancelled.
FORCED_CHECK_SECONDS = 5.0
# SLURM's accounting may not list a job immediately after its submission.
KNOWN_AFTER_SECONDS = 300.0
# Depending on the site a preempted job is queued again, or stays in this state.
PREEMPTED_SECONDS = 300.0


@dataclass
class SlurmRun:
    """A run executed as a SLURM job.

    Attributes:
        job: submitit's job.
        notes: record of the run's exit code.
    """

    job: Any
    notes: JobNotes
    _stopped: bool = False
    _check_at: float = 0.0
    _preempted: float | None = None
    _done: bool = field(default=False, repr=False)

    @property
    def location(self) -> str:
        return f"job {self.job.job_id}"

    def exit_status(self) -> ExitStatus | None:
        code = self.notes.ended(self.job.job_id)
        if code is not None:
            return ExitStatus(code)
        now = time.monotonic()
        if not self._done and now >= self._check_at:
            self._check_at = now + (FORCED_CHECK_SECONDS if self._stopped else CHECK_SECONDS)
            self._done = self.job.done(force_check=self._stopped) or self._preempted_for_good(now)
        if not self._done:
            return None
        code = self.notes.ended(self.job.job_id)  # may have been written since
        return ExitStatus(code) if code is not None else self._lost()

    def _preempted_for_good(self, now: float) -> bool:
        if self.job.state != "PREEMPTED":
            self._preempted = None
            return False
        self._preempted = now if self._preempted is None else self._preempted
        long = now - self._preempted > PREEMPTED_SECONDS
        return long and self.job.get_info(mode="force").get("State") == "PREEMPTED"

    def _lost(self) -> ExitStatus:
        log = self.job.paths.stderr
        return ExitStatus(None, f"{self.location} ended: {self.job.state}" + (f" (see {log})" if log.is_file() else ""))

    def stop(self) -> None:
        self._stopped, self._check_at = True, 0.0
        self.job.cancel(check=False)

    def kill(self) -> None:
        self.stop()  # SLURM kills jobs that do not end within its KillWait


class SlurmLauncher(NoSetup):
    """Launcher that submits all runs as one job array.

    Args:
        config: the `launcher` section of the config.

    Raises:
        InputError: SLURM is not installed on this machine.
    """

    queues = True

    def __init__(self, config: Slurm) -> None:
        self.config = config
        on_slurm = config.cluster == "slurm"
        missing = [program for program in ("sbatch", "srun") if shutil.which(program) is None]
        if on_slurm and missing:
            raise InputError(
                f"launcher=slurm, but there is no {missing[0]} on this machine: run the command on a login node, or "
                "test it here with launcher.cluster=local"
            )
        # Without a cluster there is no queue, so the number of parallel runs is limited here.
        one_at_a_time = 1 if config.parallel == "auto" else config.parallel
        self.capacity: int | None = None if on_slurm else one_at_a_time
        self.detached = on_slurm and config.on_interrupt == "leave"

    def start(self, runs: Sequence[PlannedRun]) -> list[StartedRun]:
        found = {run.name: self._attached(run) for run in runs}
        new = [run for run in runs if found[run.name] is None]
        # The jobs of an array share their parameters and folder.
        for _, group in groupby(new, key=lambda run: (run.directory.path.parent, slurm_parameters(run))):
            members = list(group)
            found |= dict(zip([run.name for run in members], self._submit(members), strict=True))
        return [started for run in runs if (started := found[run.name]) is not None]

    def _submit(self, runs: Sequence[PlannedRun]) -> list[SlurmRun]:
        folder = job_folder(runs[0])
        requeue, seconds = self.config.requeue, self.config.signal_seconds
        tasks = [SlurmTask(self._command(run), notes_of(run), requeue, seconds * 0.8) for run in runs]
        try:
            executor = submitit.AutoExecutor(
                folder, cluster=self.config.cluster, slurm_max_num_timeout=self.config.max_timeouts
            )
            executor.update_parameters(**slurm_parameters(runs[0]), **self._array())
            jobs = executor.submit_array(tasks)
        except (FailedJobError, FailedSubmissionError) as error:
            raise InputError(f"SLURM refused the jobs: {reason_of(error)}") from error
        now = time.time()
        for run, job in zip(runs, jobs, strict=True):
            notes_of(run).submit(Submitted(job.job_id, now))
        return [SlurmRun(job, notes_of(run)) for run, job in zip(runs, jobs, strict=True)]

    def _array(self) -> dict[str, Any]:
        return {} if self.config.parallel == "auto" else {"slurm_array_parallelism": self.config.parallel}

    def _command(self, run: PlannedRun) -> RunCommand:
        return run_command(run, threads=self.config.cpus)

    def _attached(self, run: PlannedRun) -> SlurmRun | None:
        """Return the job of an earlier launch that is still queued or running."""
        note = notes_of(run).submitted()
        if note is None or self.config.cluster != "slurm" or notes_of(run).ended(note.job) is not None:
            return None
        job: Any = SlurmJob(job_folder(run), note.job)
        unknown = job.get_info(mode="force").get("State") is None and time.time() - note.at > KNOWN_AFTER_SECONDS
        return None if unknown or job.done() else SlurmRun(job, notes_of(run))


def job_folder(run: PlannedRun) -> Path:
    """Return the folder of submitit's files of a study: scripts, pickled tasks, logs."""
    return (run.directory.path.parent / "slurm").absolute()


def notes_of(run: PlannedRun) -> JobNotes:
    """Return the job records of a run."""
    return JobNotes(job_folder(run), run.name)


def slurm_parameters(run: PlannedRun) -> dict[str, Any]:
    """Return submitit's parameters for the job of a run."""
    config = run.config.launcher
    assert isinstance(config, Slurm)
    given = {key: value for key, value in config.options.items() if value is not False}
    options = {("requeue" if config.requeue else "no-requeue"): True, **given}
    setup = {f"{config.cluster}_setup": list(config.setup)} if config.setup else {}
    parameters = {
        "name": f"artculture-{run.config.study.name.replace('/', '-')}",
        "timeout_min": config.minutes,
        "cpus_per_task": config.cpus,
        "mem_gb": config.memory_gb,
        "gpus_per_node": gpus_of(run.config) or None,
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
    return {key: value for key, value in parameters.items() if value is not None}
