"""A study: plan its runs, execute them, and print the table of results."""

import io
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from rich.console import Console

from artculture.studies.executor import RunProcess, execute_runs
from artculture.studies.grid import PlannedRun, compose_runs
from artculture.studies.latex_table import latex
from artculture.studies.launchers.protocol import Launcher
from artculture.studies.launchers.selection import make_launcher
from artculture.studies.planning import show_plan
from artculture.studies.progress_view import StudyView
from artculture.studies.results import in_percent, write_results
from artculture.studies.side_by_side import run_side_by_side
from artculture.studies.table import markdown, print_table
from artculture.training.signals import listen_for_signals
from artculture.training.tracking.wandb_files import has_unsynced_runs, sync_command
from artculture.utils.console import PlainConsole
from artculture.utils.errors import Interrupted
from artculture.utils.logging import configure_logging
from artculture.utils.progress import shown_progress
from artculture.utils.quick_imports import lean_torchmetrics
from artculture.utils.spreadsheets import csv_text

log = logging.getLogger(__name__)


def run_study(loader: Any, master: DictConfig, job_overrides: Sequence[Sequence[str]]) -> int:
    """Execute all runs of a grid and print the table of results.

    Args:
        loader: Hydra's config loader.
        master: the config that the sweep was composed with.
        job_overrides: one list of overrides per run.

    Returns:
        0 if all runs are finished; 130 or 75 if stopped by a signal; 1 otherwise.

    Raises:
        InputError: a mistake in any run, raised before the first one trains.
    """
    configure_logging()
    return launch(compose_runs(loader, master, job_overrides))


def launch(runs: Sequence[PlannedRun]) -> int:
    """Execute composed runs with the launcher of their config; returns and raises as `run_study`."""
    first = runs[0].config
    launcher = make_launcher(first)
    if first.plan:
        return show_plan(runs, launcher.capacity or len(runs))
    to_train = [run for run in runs if run.plan.action != "skip"]
    for run in to_train:
        run.directory.make()
    processes = [RunProcess(run, "finished" if run.plan.action == "skip" else "waiting") for run in runs]
    if len(to_train) < len(runs):
        log.info("%d of %d runs are already finished", len(runs) - len(to_train), len(runs))
    console = PlainConsole(stderr=True)
    signal_name = _train(to_train, processes, launcher, console) if to_train else None
    for study in dict.fromkeys(run.directory.path.parent for run in runs):
        show_table(study)
    return _print_failures(console, processes, signal_name)


def _train(
    to_train: Sequence[PlannedRun], processes: Sequence[RunProcess], launcher: Launcher, console: Console
) -> str | None:
    """Train the runs; return the name of the stop signal, if one was received."""
    first = to_train[0].config
    with launcher:  # entered first, so that a fork server can import while the data are prepared
        prepare_runs(to_train)
        run_side_by_side(processes, launcher)
        with (
            listen_for_signals() as listener,
            listener.deferred(),
            StudyView(console, first.study.title or first.study.name, processes) as view,
        ):
            execute_runs(
                processes,
                launcher=launcher,
                on_change=view.update,
                stop_at_failure=first.on_error == "stop",
                listener=listener,
            )
    return listener.received


def prepare_runs(runs: Sequence[PlannedRun]) -> None:
    """Prepare the data and weights of all runs (`preparation.prepare`) and show the progress."""
    with lean_torchmetrics():  # torch is imported after the runs are validated
        from artculture.studies.preparation import prepare

    with shown_progress("decoding pictures") as progress:
        prepare(runs, progress)


def show_table(study: Path) -> None:
    """Write the results of a study, and print them, the paths of the files and what uploads offline W&B runs.

    Raises:
        InputError: there is no such study, or a result is incomplete.
    """
    summary, others = write_results(study)
    console = PlainConsole(file=sys.stdout, width=None if sys.stdout.isatty() else 160)
    print_table(console, study.name, summary, others)
    console.print(f"\n{study / 'results.csv'}\n{study / 'results.md'}", highlight=False, soft_wrap=True)
    if has_unsynced_runs(study):
        console.print(f"{sync_command(study)}   # uploads the offline W&B runs", highlight=False, soft_wrap=True)


def table_text(study: Path, form: str) -> str:
    """Write the results of a study, and return its table as `table`, `markdown`, `latex` or `csv`; raises as above."""
    summary, others = write_results(study)
    if form == "csv":
        return csv_text(in_percent(summary))
    if form != "table":
        return {"markdown": markdown, "latex": latex}[form](study.name, summary, others)
    file = io.StringIO()
    print_table(PlainConsole(file=file, width=160), study.name, summary, others)
    return file.getvalue()


def _print_failures(console: Console, processes: Sequence[RunProcess], signal_name: str | None) -> int:
    bad = [process for process in processes if process.state != "finished"]
    for process in bad:
        log_file = process.run.directory.log
        where = f" (log: {log_file})" if log_file.is_file() else ""
        console.print(
            f"{process.run.name} {process.state}: {process.error}{where}",
            style="bold red" if process.state == "failed" else "yellow",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    if bad:
        console.print(f"{len(bad)} of {len(processes)} runs did not finish; run the same command to continue them")
    if signal_name:
        return Interrupted(signal_name).code
    if any(process.state == "failed" for process in bad):
        return 1
    return Interrupted("SIGTERM").code if bad else 0
