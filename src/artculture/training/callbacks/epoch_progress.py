"""Progress bar within the epochs of a run that has the terminal to itself."""

import os
import time
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from artculture.utils.child_process import RUN_OF_STUDY
from artculture.utils.console import PlainConsole

# Seconds between two updates: a step on a GPU takes a few milliseconds.
EVERY = 0.1


def epoch_progress() -> list[Callback]:
    """Return the bar of a single run on a terminal; none for logs and for the runs of a study, which has a table."""
    console = PlainConsole(stderr=True)
    return [EpochProgress(console)] if console.is_terminal and RUN_OF_STUDY not in os.environ else []


class EpochProgress(Callback):
    """Bar of the batches of an epoch, training and validation, which disappears before the epoch's line is logged."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._bar: Progress | None = None
        self._shown_at = 0.0

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        # Not before the first batch is there: what it is made of may have a bar of its own.
        if self._bar is None and trainer.is_global_zero:
            columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
            self._bar = Progress(*columns, console=self.console, transient=True)
            self._bar.add_task(f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}", total=_batches(trainer))
            self._bar.start()

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *args: Any) -> None:
        self._move(trainer.fit_loop.batch_idx + 1)

    def on_validation_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *args: Any) -> None:
        batch = int(args[2])
        self._move(int(trainer.num_training_batches) + batch + 1)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._close()

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        self._close()

    def teardown(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        self._close()

    def _move(self, done: int) -> None:
        now = time.monotonic()
        if self._bar is not None and now - self._shown_at > EVERY:
            self._shown_at = now
            self._bar.update(self._bar.task_ids[0], completed=done)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _batches(trainer: L.Trainer) -> int:
    """Return the number of batches of an epoch, training and validation; the loaders of the first are set up."""
    validation = [batches for batches in trainer.num_val_batches if batches != float("inf")]
    return int(trainer.num_training_batches) + int(sum(validation))
