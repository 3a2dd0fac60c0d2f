"""A study: its rows planned, run side by side, and told at the end in one table."""

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from artculture.config import TrainConfig
from artculture.errors import InputError, Interrupted
from artculture.hydra_app import config_flags
from artculture.logs import configure_logging
from artculture.ranks.place import find_place
from artculture.runs import hardware
from artculture.runs.grid import Row, compose_rows
from artculture.runs.interruption import listening
from artculture.runs.live import StudyView
from artculture.runs.planning import show_plan
from artculture.runs.results import write_results
from artculture.runs.rows import RowProcess, run_rows
from artculture.runs.table import print_table

log = logging.getLogger(__name__)


def run_study(loader: Any, master: DictConfig, job_overrides: Sequence[Sequence[str]]) -> int:
    """Run all rows of a grid and print its table.

    Args:
        loader: Hydra's config loader.
        master: the config that the sweep was composed with.
        job_overrides: one list of overrides a row.

    Returns:
        0 when every row is finished; 130 or 75 when told to stop; else 1.

    Raises:
        InputError: any mistake in any row, before the first one trains.
    """
    configure_logging()
    rows = compose_rows(loader, master, job_overrides)
    if rows[0].config.plan:
        return show_plan(rows, len(slots(rows[0].config)))
    to_train = [row for row in rows if row.plan.action != "skip"]
    for row in to_train:
        row.directory.make()
    if to_train:
        _prepare(to_train)
    processes = [RowProcess(row, "finished" if row.plan.action == "skip" else "waiting") for row in rows]
    if len(to_train) < len(rows):
        log.info("%d of %d rows were finished before", len(rows) - len(to_train), len(rows))
    first = rows[0].config
    console = Console(stderr=True)
    with (
        listening() as interruption,
        interruption.deferred(),
        StudyView(console, first.study.title or first.study.name, processes) as view,
    ):
        run_rows(
            processes,
            slots=slots(first),
            flags=config_flags(),
            on_change=view.update,
            stop_at_failure=first.on_error == "stop",
            interruption=interruption,
        )
    for study in dict.fromkeys(row.directory.path.parent for row in rows):
        show_table(study)
    return _tell_failures(console, processes, interruption.asked)


def slots(config: TrainConfig) -> list[str | None]:
    """Places for rows: as many GPUs each as a row has devices, or on the CPU.

    Where more rows are asked for than there are GPUs for, several share a place.
    """
    gpus = [] if config.trainer.accelerator == "cpu" else hardware.visible_gpus()
    if len(gpus) > 1 and (devices := find_place(config).size) > 1:
        gpus = [",".join(gpus[i : i + devices]) for i in range(0, len(gpus) - devices + 1, devices)]
    if config.trainer.accelerator == "gpu" and not gpus:
        raise InputError("trainer.accelerator=gpu, but no NVIDIA GPU can be seen; use trainer=auto or trainer=cpu")
    parallel = config.launcher.parallel
    count = (len(gpus) or 1) if parallel == "auto" else parallel
    return [gpus[i % len(gpus)] if gpus else None for i in range(count)]


def _prepare(rows: Sequence[Row]) -> None:
    from artculture.runs.preflight import prepare

    columns = (TextColumn("decoding pictures"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("decoding", total=None, visible=False)
        prepare(rows, lambda done, total: progress.update(task, completed=done, total=total, visible=done < total))


def show_table(study: Path) -> None:
    """Write a study's results and print them with the files' places.

    Raises:
        InputError: no such study, or a result that is not whole.
    """
    summary, others = write_results(study)
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else 160)
    print_table(console, study.name, summary, others)
    console.print(f"\n{study / 'results.csv'}\n{study / 'results.md'}", highlight=False, soft_wrap=True)


def _tell_failures(console: Console, processes: Sequence[RowProcess], asked: str | None) -> int:
    bad = [process for process in processes if process.state != "finished"]
    for process in bad:
        log_file = process.row.directory.log
        where = f" (log: {log_file})" if log_file.is_file() else ""
        console.print(
            f"{process.row.name} {process.state}: {process.error}{where}",
            style="bold red",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    if bad:
        console.print(f"{len(bad)} of {len(processes)} rows did not finish; the same command goes on with them")
    if asked:
        return Interrupted(asked).code
    if any(process.state == "failed" for process in bad):
        return 1
    return Interrupted("SIGTERM").code if bad else 0
