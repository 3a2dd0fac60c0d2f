"""Execution of a study: hands runs to a launcher as capacity allows, and monitors them until they end."""

import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter
from pathlib import Path

from artculture.studies.grid import PlannedRun
from artculture.studies.launchers.process import RUN_LOCKED_EXIT_CODE, launches
from artculture.studies.launchers.protocol import ExitStatus, Launcher, StartedRun
from artculture.training.job import write_job
from artculture.training.numeric_choice import decided_by_study
from artculture.training.run_lock import RunLockedError, is_locked
from artculture.training.signals import SignalListener
from artculture.utils.errors import Interrupted

POLL_SECONDS = 0.3
PATIENCE_SECONDS = 20.0
CHECK_ELSEWHERE_SECONDS = 2.0
# States of runs that have not ended.
OPEN = ("waiting", "queued", "running", "elsewhere")


@dataclass
class RunProcess:
    """A run of a study and the state of its process.

    Attributes:
        run: the run.
        state: `waiting`, `queued` (submitted, not started yet), `running`, `elsewhere` (trained by another launch),
            `finished`, `interrupted`, `failed`, `left` (continues without this launch) or `skipped` (not started).
        error: why it failed or was not started.
        started: the launcher's handle of the process.
        stop_requested: whether it was asked to stop.
        work: operations of its training per training picture, about; 0 where the order of the study stays. The run with
            the most work starts first, so that the last ones end together.
    """

    run: PlannedRun
    state: str = "waiting"
    error: str = ""
    started: StartedRun | None = field(default=None, repr=False)
    stop_requested: bool = field(default=False, repr=False)
    work: float = field(default=0.0, repr=False)
    launches: int = field(default=0, repr=False)
    check_at: float = field(default=0.0, repr=False)

    @property
    def shown(self) -> str:
        """The state as displayed."""
        return "stopping" if self.stop_requested and self.state == "running" else self.state

    @property
    def location(self) -> str:
        """Where the run is executed, as displayed."""
        return self.started.location if self.started is not None else ""


def execute_runs(
    processes: Sequence[RunProcess],
    *,
    launcher: Launcher,
    on_change: Callable[[], None],
    stop_at_failure: bool,
    listener: SignalListener | None = None,
) -> None:
    """Execute the waiting runs, as many at a time as the launcher has capacity for, and update their states.

    A run that another launch of the same study is training is left to it, and checked again until it has finished or
    its lock is released.

    Args:
        processes: the runs, in the order of the study.
        launcher: an entered launcher.
        on_change: called several times per second.
        stop_at_failure: whether to start no further run after one has failed.
        listener: records stop signals: then running processes are stopped and waited for, or left running if the
            launcher is detached.
    """
    began = time.time()
    signal_name: str | None = None
    try:
        while any(process.state in OPEN for process in processes):
            if listener is not None and listener.received and not signal_name:
                signal_name = listener.received
                _stop(processes, launcher, signal_name)
            for process in processes:
                if process.state in ("waiting", "elsewhere"):
                    _check_elsewhere(process, began)
            started = _start(processes, launcher, began)
            for process in processes:
                if process.state in ("queued", "running"):
                    _follow(process, queues=launcher.queues)
                    if (
                        signal_name and process.state == "interrupted"
                    ):  # the forwarded signal may differ from the one received here
                        process.error = f"{signal_name}, saved"
                if process.state == "failed" and stop_at_failure:
                    _skip_waiting(processes, "not started: another run failed (on_error=stop)")
            on_change()
            if not started:
                time.sleep(POLL_SECONDS)
    finally:
        if not launcher.detached:
            _end_all(processes)


def _check_elsewhere(process: RunProcess, began: float) -> None:
    """Check whether another launch is training this run, or has ended it since this launch began."""
    now = time.monotonic()
    if now < process.check_at:
        return
    process.check_at = now + CHECK_ELSEWHERE_SECONDS
    directory = process.run.directory
    if not directory.path.is_dir():
        return
    if is_locked(directory.path):
        process.state = "elsewhere"
        return
    status = directory.status()
    since = float(status.get("updated", 0)) >= began
    if status["state"] == "finished" and since and directory.result.is_file():
        process.state = "finished"
    elif status["state"] == "failed" and since:
        process.state, process.error = "failed", str(status.get("error"))
    else:  # never started, or its owner was killed or interrupted: train it here
        process.state = "waiting"


def _start(processes: Sequence[RunProcess], launcher: Launcher, began: float) -> bool:
    """Start waiting runs, and return whether there were any: all for a queue, else one.

    The steps of the next one may have to be measured, which takes seconds; signals and ended runs come before it.
    """
    waiting = [process for process in processes if process.state == "waiting"]
    waiting.sort(key=attrgetter("work"), reverse=True)  # stable: equal ones in the order of the study
    if launcher.capacity is not None:
        waiting = waiting[: launcher.capacity - sum(process.state in ("queued", "running") for process in processes)]
    waiting = waiting if launcher.queues else waiting[:1]
    ready = [process for process in waiting if _write_job(process, began)]
    handles = launcher.start([process.run for process in ready]) if ready else []
    for process, started in zip(ready, handles, strict=True):
        process.started = started
        process.state = "queued" if launcher.queues else "running"
    return bool(waiting)


def _write_job(process: RunProcess, began: float) -> bool:
    """Write the job of a run that is to start; return whether it still is, because another launch may be faster."""
    directory = process.run.directory
    directory.make()
    try:
        with directory.lock(0.0):
            status = directory.status()
            if status["state"] == "finished" and float(status.get("updated", 0)) >= began:
                process.state = "finished"
                return False
            # A second start within one launch continues the first, if that got as far as restarting the run.
            first = process.started is None
            restart = process.run.plan.action == "restart" and (first or status.get("restart") is True)
            job = process.run.job
            stored = {} if restart else directory.read_config() or {}
            write_job(directory, replace(job, config=decided_by_study(job.config, stored)), restart=restart)
    except RunLockedError:
        process.state = "elsewhere"
        return False
    process.check_at = 0.0
    process.launches = launches(directory.path)
    return True


def _follow(process: RunProcess, *, queues: bool) -> None:
    assert process.started is not None
    exit_status = process.started.exit_status()
    if exit_status is not None:
        _end(process, exit_status)
    elif queues:
        # A cluster may preempt a run and queue it again.
        status = process.run.directory.status()
        begun = int(status.get("launches", 0)) > process.launches and status["state"] not in ("pending", "interrupted")
        process.state = "running" if begun else "queued"


def _end(process: RunProcess, exit_status: ExitStatus) -> None:
    directory = process.run.directory
    if exit_status.code is None and is_locked(directory.path):
        return  # it is still saving, or the heartbeat of its host is not stale yet
    status = directory.status()
    ended_well = status["state"] == "finished" and launches(process.run.directory.path) > process.launches
    if exit_status.code == 0 or (exit_status.code is None and ended_well):
        process.state = "finished"
    elif exit_status.code == RUN_LOCKED_EXIT_CODE:
        process.state = "elsewhere"
    elif status["state"] == "interrupted" and (exit_status.code is None or exit_status.code > 0):
        process.state, process.error = "interrupted", exit_status.reason or str(status.get("error") or "")
    elif exit_status.code == Interrupted("SIGTERM").code:  # stopped before the training had installed its handlers
        process.state, process.error = "interrupted", "by SIGTERM"
        directory.set_status("interrupted", error=process.error)
    elif exit_status.code is None or exit_status.code < 0:
        # The process could not write its own status.
        why = exit_status.reason if exit_status.code is None else f"killed by {signal.Signals(-exit_status.code).name}"
        process.state, process.error = "failed", why
        directory.set_status("failed", error=why)
    else:
        process.state = "failed"
        process.error = str(status.get("error") or last_line(directory.log))


def last_line(log: Path) -> str:
    """Return the last line of a log that is not blank."""
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1].removeprefix("artculture: ") if lines else "no output"


def _skip_waiting(processes: Sequence[RunProcess], why: str) -> None:
    for process in processes:
        if process.state == "queued" and process.started is not None:
            process.started.stop()
        if process.state in ("waiting", "queued", "elsewhere"):
            process.state, process.error = "skipped", why


def _stop(processes: Sequence[RunProcess], launcher: Launcher, signal_name: str) -> None:
    if launcher.detached:
        for process in processes:
            if process.state in ("queued", "running"):
                process.state, process.error = (
                    "left",
                    f"continues as {process.location}; run the same command to monitor it",
                )
    _skip_waiting(processes, f"not started: {signal_name}")
    for process in processes:
        if process.state == "running" and process.started is not None:
            process.stop_requested = True
            process.started.stop()


def _end_all(processes: Sequence[RunProcess]) -> None:
    alive = [
        process.started
        for process in processes
        if process.started is not None and process.started.exit_status() is None
    ]
    for started in alive:
        started.stop()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while alive and time.monotonic() < deadline:
        time.sleep(0.05)
        alive = [started for started in alive if started.exit_status() is None]
    for started in alive:
        started.kill()
