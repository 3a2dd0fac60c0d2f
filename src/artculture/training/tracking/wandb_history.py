"""The history of a W&B run: each epoch once, however often the run was interrupted."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from artculture.training.checkpointing import mode_of
from artculture.training.run_records import read_metrics
from artculture.training.tracking.wandb_files import remove_superseded
from artculture.training.tracking.wandb_run import start_run, suppress_wandb_errors, warn_of_failure
from artculture.training.tracking.wandb_settings import WandbRun

# Column of the history: the best value of `trainer.monitor` so far, the goal of a sweep.
BEST = "best_score"


class History:
    """Log each epoch to W&B exactly once, without gaps, also when the run was interrupted.

    The W&B step is the epoch. A resumed W&B run reports its last step, and missing epochs are logged from metrics.csv.
    An offline run starts a new file with all epochs, which replaces the files before it.

    Args:
        run: returns the open W&B run, or None if there is none.
        monitor: the metric that decides which epoch is best.
        study: the study's folder.
    """

    def __init__(self, run: Callable[[], Any], monitor: str, study: Path) -> None:
        self.run, self.monitor, self.study = run, monitor, study
        self._choose = max if mode_of(monitor) == "max" else min
        self._best: float | None = None
        self._lost = False

    def log(self, row: dict[str, Any]) -> None:
        epoch = int(row["epoch"])
        if self.monitor in row:
            value = row[self.monitor]
            self._best = value if self._best is None else self._choose(self._best, value)
        run = self.run()
        if run is None or self._lost:
            return
        try:
            if epoch >= run.step:
                best = {} if self._best is None else {BEST: self._best}
                run.log({**row, "epoch": epoch, **best}, step=epoch, commit=True)
        except Exception as error:  # W&B may fail in any way; the training must not
            self._lost = True
            warn_of_failure(error)

    def log_all(self, metrics: pd.DataFrame) -> None:
        """Log the epochs of metrics.csv (cells as text) that the run lacks."""
        for row in numbers_of(metrics):
            self.log(row)

    def remove_superseded(self) -> None:
        """Remove the offline files of earlier launches, whose epochs are all logged again."""
        run = self.run()
        if run is not None and not self._lost:
            with suppress_wandb_errors("remove superseded offline files"):
                remove_superseded(run, self.study)


def numbers_of(metrics: pd.DataFrame) -> Iterator[dict[str, float]]:
    """Yield the numbers of each epoch of metrics.csv (cells as text)."""
    for row in metrics.to_dict("records"):
        yield {str(key): float(value) for key, value in row.items() if value != ""}


def open_with_history(info: WandbRun) -> tuple[Any, History]:
    """Start or resume a W&B run outside its training, and log the epochs that it lacks.

    Returns:
        A `wandb.Run` and its history, whose superseded files the caller removes once everything else is logged.
    """
    run = start_run(info)
    history = History(lambda: run, info.monitor, info.study)
    history.log_all(read_metrics(info.directory.metrics))
    return run, history
