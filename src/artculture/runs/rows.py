"""Rows as processes: each in one of its own, so that memory is freed and no row can poison another."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from artculture.runs.grid import Row
from artculture.runs.interruption import Interruption
from artculture.runs.lease import is_held

POLL_SECONDS = 0.3
PATIENCE_SECONDS = 20.0
# Says to a row's process whose it is: it leaves the table to the study and ends when the study's process ends.
ROW_OF_STUDY = "ARTCULTURE_ROW_OF_STUDY"
# Exit code of a row's process that found its run in the hands of another launch.
HELD_ELSEWHERE = 76
LOOK_ELSEWHERE_SECONDS = 2.0


# On a CPU glibc gives every large block back to the kernel and asks for it anew a step later: a third of VGG-16's time.
KEEP_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(1 << 32),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 33),
    "MALLOC_TOP_PAD_": str(1 << 26),
}


@dataclass
class RowProcess:
    """A row on its way.

    Attributes:
        state: `waiting`, `running`, `elsewhere` (another launch trains it), `finished`, `interrupted`, `failed` or
            `skipped` (not started).
        gpu: the GPU handed to it.
    """

    row: Row
    state: str = "waiting"
    error: str = ""
    gpu: str | None = None
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    look_at: float = field(default=0.0, repr=False)


def run_rows(
    rows: Sequence[RowProcess],
    *,
    slots: Sequence[str | None],
    flags: Sequence[str],
    on_change: Callable[[], None],
    stop_at_failure: bool,
    interruption: Interruption | None = None,
) -> None:
    """Run the waiting rows, as many at a time as there are slots; updates their states.

    Rows that another launch of the same study trains are left to it, and looked at again until it has finished them
    or has let go of them.

    Args:
        rows: in the order they are to start.
        slots: a GPU's id each, or None for a place on the CPU.
        flags: Hydra flags for every row (`--config-dir …`).
        on_change: called several times a second.
        stop_at_failure: start no further row after one failed.
        interruption: asks to stop: running rows are told, and waited for.
    """
    free = list(slots)
    began = time.time()
    told = False
    try:
        while any(row.state in ("waiting", "running", "elsewhere") for row in rows):
            if interruption is not None and interruption.asked and not told:
                told = True
                _stop(rows, f"not started: {interruption.asked}")
            for row in rows:
                if row.state in ("waiting", "elsewhere"):
                    _look(row, began)
                if row.state == "waiting" and free:
                    _start(row, free.pop(0), flags, cpu_share=len(slots))
                elif row.state == "running" and _ended(row):
                    free.append(row.gpu)
                if row.state == "failed" and stop_at_failure:
                    _leave_out_waiting(rows, "not started: another row failed (on_error=stop)")
            on_change()
            time.sleep(POLL_SECONDS)
    finally:
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


def command_of(row: Row, flags: Sequence[str] = ()) -> list[str]:
    """The command that runs a row alone."""
    return [sys.executable, "-m", "artculture", "train", *flags, *row.overrides, "hydra.mode=RUN"]


def _start(row: RowProcess, gpu: str | None, flags: Sequence[str], cpu_share: int) -> None:
    row.row.directory.make()
    row.look_at = 0.0
    environment = {**KEEP_MEMORY, **os.environ, ROW_OF_STUDY: str(os.getpid())}
    environment.pop("HYDRA_FULL_ERROR", None)
    if gpu is not None:
        environment["CUDA_VISIBLE_DEVICES"] = gpu
    elif cpu_share > 1:
        # Rows side by side on one CPU: each takes its share of the cores instead of all fighting for all.
        environment.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // cpu_share)))
    command = command_of(row.row, flags)
    with row.row.directory.log.open("ab") as log:
        log.write(f"$ artculture {' '.join(command[3:])}\n".encode())
        log.flush()
        row.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            # A terminal's Ctrl-C is for the study, which passes it on once.
            process_group=0,
        )
    row.state, row.gpu = "running", gpu


def _ended(row: RowProcess) -> bool:
    assert row.process is not None
    code = row.process.poll()
    if code is None:
        return False
    status = row.row.directory.status()
    if code == 0:
        row.state = "finished"
        return True
    if code == HELD_ELSEWHERE:
        row.state = "elsewhere"
        return True
    row.state = "interrupted" if status["state"] == "interrupted" else "failed"
    if code < 0:
        # It could not say so itself.
        row.state = "failed"
        row.error = f"killed by {signal.Signals(-code).name}"
        row.row.directory.set_status("failed", error=row.error)
    else:
        row.error = str(status.get("error") or last_line(row.row.directory.log))
    return True


def last_line(log: Path) -> str:
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1].removeprefix("artculture: ") if lines else "no output"


def _leave_out_waiting(rows: Sequence[RowProcess], why: str) -> None:
    for row in rows:
        if row.state in ("waiting", "elsewhere"):
            row.state, row.error = "skipped", why


def _stop(rows: Sequence[RowProcess], why: str) -> None:
    _leave_out_waiting(rows, why)
    for row in rows:
        if row.process is not None and row.process.poll() is None:
            row.process.terminate()


def _end_all(rows: Sequence[RowProcess]) -> None:
    alive = [row.process for row in rows if row.process is not None and row.process.poll() is None]
    for process in alive:
        process.terminate()
    deadline = time.monotonic() + PATIENCE_SECONDS
    for process in alive:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()


def end_with_study() -> None:
    """In a row's process: be told to end when the study's process ends, however it ends (Linux only)."""
    study = os.environ.get(ROW_OF_STUDY)
    if study:
        end_with(int(study), signal.SIGTERM)


def end_with(starter: int, number: signal.Signals) -> None:
    """Be sent a signal when the process that started this one ends, however it ends (Linux only)."""
    if not sys.platform.startswith("linux"):
        return
    pr_set_pdeathsig = 1
    ctypes.CDLL(None, use_errno=True).prctl(pr_set_pdeathsig, number)
    if os.getppid() != starter:  # it ended before we asked
        os.kill(os.getpid(), number)
