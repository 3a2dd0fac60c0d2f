"""Checkpoints of a run: written atomically, also within an epoch, the last two kept; and which one to resume from."""

import logging
import signal
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Checkpoint, ModelCheckpoint

from artculture.models.checkpoint import read_checkpoint
from artculture.models.safe_loading import DamagedError
from artculture.training.callbacks.ema import WeightEma
from artculture.training.checkpoint_io import finish_writing
from artculture.training.distributed.process_group import SINGLE_PROCESS, ProcessGroup
from artculture.training.run_directory import RunDirectory
from artculture.training.run_lock import RunLock
from artculture.training.signals import SignalListener
from artculture.utils.errors import WorkError
from artculture.utils.hardware import wait_for

log = logging.getLogger(__name__)

# A validation is not resumed midway: after a signal it may end if it does so soon, else it is abandoned.
VALIDATION_PATIENCE_SECONDS = 10.0


def mode_of(monitor: str) -> str:
    return "min" if monitor.endswith(("loss", "mae")) else "max"


class BestCheckpoint(ModelCheckpoint):
    """Lightning's, without its check that the folder is empty: that of a resumed run never is.

    For that check Lightning imports the libraries of every installed object store.

    Args:
        ema: the average of the weights to write in place of them.
        arguments: of Lightning's.
    """

    def __init__(self, ema: WeightEma | None = None, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._ema = ema

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        kept, self.save_top_k = self.save_top_k, 0
        super().setup(trainer, pl_module, stage)
        self.save_top_k = kept

    def _save_checkpoint(self, trainer: L.Trainer, filepath: str) -> None:
        with nullcontext() if self._ema is None else self._ema.applied():
            super()._save_checkpoint(trainer, filepath)


def best_checkpoint(directory: RunDirectory, monitor: str, ema: WeightEma | None = None) -> ModelCheckpoint:
    """Keeps the best epoch's weights, or their average."""
    return BestCheckpoint(
        ema,
        dirpath=directory.best.parent,
        filename="best",
        monitor=monitor,
        mode=mode_of(monitor),
        save_weights_only=True,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )


class LastCheckpoint(Checkpoint):
    """Writes last.ckpt, with all that a resume needs: after every epoch, and within one by steps, time and signal.

    Args:
        directory: the run's.
        every_steps, every_minutes: None for not by that.
        eval_batches: how many times a training batch's pictures one of validation has.
        listener: asks to stop.
        lock: the right to write; None where another process of the run has it.
        process_group: the run's processes, which stop and save at the same steps.
    """

    def __init__(
        self,
        directory: RunDirectory,
        every_steps: int | None,
        every_minutes: float | None,
        eval_batches: int,
        listener: SignalListener,
        lock: RunLock | None,
        process_group: ProcessGroup = SINGLE_PROCESS,
    ) -> None:
        self.directory, self.listener, self.lock, self.process_group = directory, listener, lock, process_group
        self.every_steps, self.eval_batches = every_steps, eval_batches
        self.every_seconds = None if every_minutes is None else 60 * every_minutes
        self._saved_at, self._saved_step = time.monotonic(), 0
        self._epoch_began = self._validation_began = time.monotonic()
        self._batches = 0  # of this epoch, in this launch
        self._validation_is_long: bool | None = None  # until there was one

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        # A resumed epoch has no start of its own.
        self._epoch_began = self._saved_at = time.monotonic()
        self._batches, self._saved_step = 0, trainer.global_step

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._epoch_began, self._batches = time.monotonic(), 0

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *args: Any) -> None:
        self._batches += 1
        left = int(trainer.num_training_batches) - trainer.fit_loop.batch_idx - 1
        if left == 0:  # validation comes first: it belongs to the epoch
            return
        asked, due = self._agreed(due=self._due(trainer, left))
        if asked or due:
            # A best checkpoint that was not written is not made up for later: it ends the run, as at an epoch's end.
            finish_writing(trainer)
            try:
                self._save(trainer)
                finish_writing(trainer)
            except OSError as error:
                # An epoch's end is another chance, when space was made: no reason to lose the steps so far.
                log.warning("no checkpoint could be written (%s); training continues", _reason(error))
                trainer.strategy.barrier()  # where the others wait for its end
            self._stop(asked)

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._validation_began = time.monotonic()

    def on_validation_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *args: Any) -> None:
        long = time.monotonic() - self._validation_began > VALIDATION_PATIENCE_SECONDS
        _, leave = self._agreed(due=long and self.listener.received is not None)
        if leave:
            self.listener.raise_if_received()

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._validation_is_long = time.monotonic() - self._validation_began > VALIDATION_PATIENCE_SECONDS

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        asked, _ = self._agreed()
        self._save(trainer)
        self._stop(asked)

    def _agreed(self, *, due: bool = False) -> tuple[bool, bool]:
        """Whether any process was asked to stop, which all then know, and whether any finds something due."""
        own = self.listener.received
        number, any_due = self.process_group.all_reduce_max(signal.Signals[own] if own else 0, int(due))
        if number:
            self.listener.received = signal.Signals(number).name
        return bool(number), bool(any_due)

    def _stop(self, asked: bool) -> None:
        # What one process has heard since they agreed has to wait for the next step, where all can stop.
        if asked or self.process_group.world_size == 1:
            self.listener.raise_if_received()

    def _due(self, trainer: L.Trainer, left: int) -> bool:
        if self.every_steps is not None and trainer.global_step - self._saved_step >= self.every_steps:
            return True
        if self.every_seconds is None:
            return False
        # Before an epoch's last batch: were the validation after it cut off, the epoch's steps would go with it.
        before_validation = left == 1 and self._expects_long_validation(trainer)
        return before_validation or time.monotonic() - self._saved_at >= self.every_seconds

    def _expects_long_validation(self, trainer: L.Trainer) -> bool:
        if self._validation_is_long is not None:
            return self._validation_is_long
        # The first one: a picture there takes at most what it takes in a step, which goes backward, too.
        wait_for(trainer.strategy.root_device)
        step = (time.monotonic() - self._epoch_began) / self._batches
        return step * self.eval_batches * sum(trainer.num_val_batches) > VALIDATION_PATIENCE_SECONDS

    def _save(self, trainer: L.Trainer) -> None:
        if self.lock is not None and not self.lock.is_owned():
            raise WorkError(f"{self.directory.path} was taken over by another process while this one was silent")
        trainer.save_checkpoint(self.directory.last)
        self._saved_at, self._saved_step = time.monotonic(), trainer.global_step


def whole_checkpoint(directory: RunDirectory, asked: Path) -> tuple[Path, dict[str, Any]] | None:
    """Return the newest checkpoint that is not damaged, and its content.

    A damaged one of the run itself is put aside as `*.damaged` and said loudly; then the one before it is taken.

    Args:
        directory: the run's.
        asked: the checkpoint that was chosen.

    Returns:
        None where all of the run's own checkpoints are damaged.

    Raises:
        InputError: another run's checkpoint that is damaged, or any that was never one of ours: a raw pickle, a file
            that asks for code to be run, an archive of something else.
    """
    own = [directory.last, directory.previous]
    for path in own if asked in own else [asked]:
        if not path.is_file():
            continue
        try:
            return path, read_checkpoint(path)
        except DamagedError as error:
            if asked not in own:
                raise
            log.warning("%s; going back to the checkpoint before it", error)
            path.replace(path.with_suffix(".damaged"))
    log.warning("no whole checkpoint is left in %s: starting from where the run began", directory.path)
    return None


def _reason(error: OSError) -> str:
    return f"{error.strerror or error}: {error.filename}" if error.filename else str(error.strerror or error)
