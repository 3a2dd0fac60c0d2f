"""A study's rows on their way: handed to a launcher as there are places, followed to their end."""

import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from artculture.studies.grid import Row
from artculture.studies.launchers.process import HELD_ELSEWHERE, launches
from artculture.studies.launchers.protocol import Ending, Launcher, StartedRow
from artculture.training.job import write_job
from artculture.training.run_lock import is_held
from artculture.training.signals import Interruption
from artculture.utils.errors import Interrupted

POLL_SECONDS = 0.3
PATIENCE_SECONDS = 20.0
LOOK_ELSEWHERE_SECONDS = 2.0
# States of a row that something is still to become of.
OPEN = ("waiting", "queued", "running", "elsewhere")


@dataclass
class RowProcess:
    """A row on its way.

    Attributes:
        state: `waiting`, `queued` (handed to an engine that has no room for it yet), `running`, `elsewhere` (another
            launch trains it), `finished`, `interrupted`, `failed`, `left` (goes on without this launch) or `skipped`
            (not started).
        started: what the launcher gave for it.
        told: whether it was told to stop.
    """

    row: Row
    state: str = "waiting"
    error: str = ""
    started: StartedRow | None = field(default=None, repr=False)
    told: bool = field(default=False, repr=False)
    launches: int = field(default=0, repr=False)
    look_at: float = field(default=0.0, repr=False)

    @property
    def shown(self) -> str:
        """The state in words for people."""
        return "stopping" if self.told and self.state == "running" else self.state

    @property
    def place(self) -> str:
        return self.started.place if self.started is not None else ""


def run_rows(
    rows: Sequence[RowProcess],
    *,
    launcher: Launcher,
    on_change: Callable[[], None],
    stop_at_failure: bool,
    interruption: Interruption | None = None,
) -> None:
    """Run the waiting rows, as many at a time as the launcher has places; updates their states.

    Rows that another launch of the same study trains are left to it, and looked at again until it has finished them
    or has let go of them.

    Args:
        rows: in the order they are to start.
        launcher: open.
        on_change: called several times a second.
        stop_at_failure: start no further row after one failed.
        interruption: asks to stop: running rows are told, and waited for, or left where the launcher's outlive it.
    """
    began = time.time()
    told: str | None = None
    try:
        while any(row.state in OPEN for row in rows):
            if interruption is not None and interruption.asked and not told:
                told = interruption.asked
                _stop(rows, launcher, told)
            for row in rows:
                if row.state in ("waiting", "elsewhere"):
                    _look(row, began)
            _start(rows, launcher)
            for row in rows:
                if row.state in ("queued", "running"):
                    _follow(row, queues=launcher.queues)
                    if told and row.state == "interrupted":  # by what was passed on, not by what was asked here
                        row.error = f"{told}, saved"
                if row.state == "failed" and stop_at_failure:
                    _leave_out_waiting(rows, "not started: another row failed (on_error=stop)")
            on_change()
            time.sleep(POLL_SECONDS)
    finally:
        if not launcher.outlives:
            _end_all(rows)


def _look(row: RowProcess, began: float) -> None:
    """See whether another launch has this row, or has ended it since this one began."""
    now = time.monotonic()
    if now < row.look_at:
        return
    row.look_at = now + LOOK_ELSEWHERE_SECONDS
    directory = row.row.directory
    if not directory.path.is_dir():
        return
    if is_held(directory.path):
        row.state = "elsewhere"
        return
    status = directory.status()
    since = float(status.get("updated", 0)) >= began
    if status["state"] == "finished" and since and directory.result.is_file():
        row.state = "finished"
    elif status["state"] == "failed" and since:
        row.state, row.error = "failed", str(status.get("error"))
    else:  # never begun, or its owner died or was interrupted: ours
        row.state = "waiting"


def _start(rows: Sequence[RowProcess], launcher: Launcher) -> None:
    waiting = [row for row in rows if row.state == "waiting"]
    if launcher.places is not None:
        waiting = waiting[: launcher.places - sum(row.state in ("queued", "running") for row in rows)]
    if not waiting:
        return
    for row in waiting:
        first, status = row.started is None, row.row.directory.status()
        # A second start within one launch continues what the first one began, if it came as far as that.
        restart = row.row.plan.action == "restart" and (first or status.get("restart") is True)
        write_job(row.row.directory, row.row.job, restart=restart)
        row.look_at = 0.0
        row.launches = launches(row.row.directory.path)
    for row, started in zip(waiting, launcher.start([row.row for row in waiting]), strict=True):
        row.started = started
        row.state = "queued" if launcher.queues else "running"


def _follow(row: RowProcess, *, queues: bool) -> None:
    assert row.started is not None
    ending = row.started.ending()
    if ending is not None:
        _end(row, ending)
    elif queues:
        # An engine may take a row off its machine and queue it again.
        status = row.row.directory.status()
        begun = int(status.get("launches", 0)) > row.launches and status["state"] not in ("pending", "interrupted")
        row.state = "running" if begun else "queued"


def _end(row: RowProcess, ending: Ending) -> None:
    directory = row.row.directory
    if ending.code is None and is_held(directory.path):
        return  # it is saving, or its host is silent for too short a time to count as dead
    status = directory.status()
    ended_well = status["state"] == "finished" and launches(row.row.directory.path) > row.launches
    if ending.code == 0 or (ending.code is None and ended_well):
        row.state = "finished"
    elif ending.code == HELD_ELSEWHERE:
        row.state = "elsewhere"
    elif status["state"] == "interrupted" and (ending.code is None or ending.code > 0):
        row.state, row.error = "interrupted", ending.reason or str(status.get("error") or "")
    elif ending.code == Interrupted("SIGTERM").code:  # told before its training had begun to listen
        row.state, row.error = "interrupted", "by SIGTERM"
        directory.set_status("interrupted", error=row.error)
    elif ending.code is None or ending.code < 0:
        # It could not say so itself.
        why = ending.reason if ending.code is None else f"killed by {signal.Signals(-ending.code).name}"
        row.state, row.error = "failed", why
        directory.set_status("failed", error=why)
    else:
        row.state = "failed"
        row.error = str(status.get("error") or last_line(directory.log))


def last_line(log: Path) -> str:
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1].removeprefix("artculture: ") if lines else "no output"


def _leave_out_waiting(rows: Sequence[RowProcess], why: str) -> None:
    for row in rows:
        if row.state == "queued" and row.started is not None:
            row.started.stop()
        if row.state in ("waiting", "queued", "elsewhere"):
            row.state, row.error = "skipped", why


def _stop(rows: Sequence[RowProcess], launcher: Launcher, asked: str) -> None:
    if launcher.outlives:
        for row in rows:
            if row.state in ("queued", "running"):
                row.state, row.error = "left", f"goes on as {row.place}; the same command watches it again"
    _leave_out_waiting(rows, f"not started: {asked}")
    for row in rows:
        if row.state == "running" and row.started is not None:
            row.told = True
            row.started.stop()


def _end_all(rows: Sequence[RowProcess]) -> None:
    alive = [row.started for row in rows if row.started is not None and row.started.ending() is None]
    for started in alive:
        started.stop()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while alive and time.monotonic() < deadline:
        time.sleep(0.05)
        alive = [started for started in alive if started.ending() is None]
    for started in alive:
        started.kill()
