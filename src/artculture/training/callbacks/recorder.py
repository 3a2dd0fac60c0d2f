"""Callbacks of a run: the row of metrics.csv and the status of each epoch, early stopping, values of a resumed run."""

import logging
import time
from typing import Any, cast

import lightning as L
import pandas as pd
from lightning.pytorch.callbacks import Callback, EarlyStopping

from artculture.models.checkpoint import epochs_done
from artculture.models.classifier import CultureClassifier
from artculture.models.optimizers import learning_rates
from artculture.models.schedulers import continue_with, reductions
from artculture.training.checkpointing import mode_of
from artculture.training.run_directory import RunDirectory
from artculture.training.run_records import read_metrics
from artculture.training.tracking.trackers import Trackers
from artculture.utils.console import PlainConsole
from artculture.utils.hardware import wait_for
from artculture.utils.spreadsheets import write_csv
from artculture.utils.targets import is_target

log = logging.getLogger(__name__)

# Values of the built-in optimizers that a run takes from its own config.
SETTINGS = frozenset({"momentum", "nesterov", "weight_decay", "betas", "eps"})

COLUMNS = ("epoch", "train/loss", "train/top1", "val/loss", "val/top1", "val/top3", "val/macro_f1", "val/macro_recall")


class EarlyStop(EarlyStopping):
    """Early stopping that also stays stopped when a launch finds the training over."""

    def on_load_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        stored = checkpoint.get("callbacks", {}).get(self.state_key, {})
        if stored.get("stopped_epoch") or stored.get("wait_count", 0) >= self.patience:
            trainer.should_stop = True


def early_stopping(monitor: str, patience: int) -> Callback:
    return EarlyStop(monitor, patience=patience, mode=mode_of(monitor), check_on_train_epoch_end=True)


class OwnSettings(Callback):
    """Make a run that starts from another run's checkpoint use the optimizer and schedule values of its own config.

    Lightning restores those of the checkpoint. Momentum buffers and the schedule's position are kept. Early stopping
    counts from here on, as the best epoch does.
    """

    def on_load_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        self._before = checkpoint["hyper_parameters"]
        self._epochs, self._batches = epochs_done(checkpoint)
        for callback in trainer.early_stopping_callbacks:
            checkpoint["callbacks"].pop(callback.state_key, None)

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        module = cast(CultureClassifier, pl_module)
        section = module.hyper["scheduler"]
        if is_target(section):
            return  # nobody knows what its values mean in the middle of a training: `check_config` refuses other ones
        groups = trainer.optimizers[0].param_groups
        fresh = module.make_optimizer().param_groups
        reduced = 0
        if section["name"] == "plateau":
            reduced = reductions(self._before["scheduler"], self._before["head_lr"], groups[0]["lr"])
        for group, own in zip(groups, fresh, strict=True):
            group.update({key: value for key, value in own.items() if key in SETTINGS})
        step = self._epochs * int(trainer.num_training_batches) + self._batches
        scheduler = trainer.lr_scheduler_configs[0].scheduler
        continue_with(section, scheduler, [group["lr"] for group in fresh], step, reduced)


class Recorder(Callback):
    """After every epoch: a row of metrics.csv, the state in status.json, a line of the log; of the first device alone.

    Attributes:
        seconds: of all epochs so far, earlier launches included.
        train_seconds, train_images: of the training part alone.
    """

    def __init__(self, directory: RunDirectory, monitor: str, trackers: Trackers | None = None) -> None:
        self.directory, self.monitor, self.trackers = directory, monitor, trackers
        self.seconds = self.train_seconds = 0.0
        self.train_images = self.epochs = 0
        self._began = self._trained_until = time.monotonic()
        self._earlier = (0.0, 0.0)
        self._rates: dict[str, float] = {}

    def state_dict(self) -> dict[str, Any]:
        return {
            "seconds": self.seconds,
            "train_seconds": self.train_seconds,
            "train_images": self.train_images,
            "epochs": self.epochs,
            # of the epoch that is under way
            "epoch_seconds": time.monotonic() - self._began,
            "epoch_train_seconds": self._trained_until - self._began,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.seconds = state_dict["seconds"]
        self.train_seconds = state_dict["train_seconds"]
        self.train_images, self.epochs = state_dict["train_images"], state_dict["epochs"]
        self._earlier = (state_dict["epoch_seconds"], state_dict["epoch_train_seconds"])

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        # Within an epoch its earlier launches' time counts as if it had just passed.
        self._began = time.monotonic() - self._earlier[0]
        self._trained_until = self._began + self._earlier[1]
        # Rows of epochs after the checkpoint are trained again, so they are written again.
        kept = self._rows()
        if not kept.empty and trainer.is_global_zero:
            kept = kept[kept["epoch"].astype(int) < trainer.current_epoch]
            self._write(kept)
        if self.trackers is not None and not kept.empty:
            self.trackers.catch_up(kept)

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        # A launch that finds the training over starts none, and its page may still lack epochs.
        if self.trackers is not None:
            self.trackers.catch_up(self._rows())

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._began = self._trained_until = time.monotonic()

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if batch_idx + 1 == trainer.num_training_batches:  # before the schedule's step at the end of the epoch
            self._rates = {f"lr/{part}": rate for part, rate in learning_rates(trainer.optimizers[0]).items()}

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *args: Any) -> None:
        alone = trainer.world_size == 1
        self.train_images += len(args[1][1]) if alone else cast(Any, trainer).datamodule.images_in_batch(args[2])
        if trainer.fit_loop.batch_idx + 1 == trainer.num_training_batches:
            wait_for(pl_module.device)  # which the host is steps ahead of
        self._trained_until = time.monotonic()

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        now = time.monotonic()
        self.seconds += now - self._began
        self.train_seconds += self._trained_until - self._began
        self.epochs = trainer.current_epoch + 1
        metrics = {key: float(value) for key, value in trainer.callback_metrics.items()}
        row = {
            "epoch": trainer.current_epoch,
            **{key: metrics[key] for key in COLUMNS[1:]},
            # Of the group `metrics`, and whatever a callback has logged.
            **{key: value for key, value in sorted(metrics.items()) if key not in COLUMNS},
            **self._rates,
            "seconds": round(now - self._began, 3),
        }
        self._began = self._trained_until = now
        if trainer.is_global_zero:
            self.record(row, trainer.max_epochs or 1)

    def record(self, row: dict[str, Any], epochs: int) -> None:
        """Write the metrics of an epoch, one of so many, to metrics.csv, status.json, the loggers and the log."""
        kept = self._rows()
        if not kept.empty:
            kept = kept[kept["epoch"].astype(int) < row["epoch"]]
        self._write(pd.concat([kept, pd.DataFrame([row])], ignore_index=True))
        if self.trackers is not None:
            self.trackers.log(row)
        self._tell(row, epochs)

    def _tell(self, row: dict[str, Any], epochs: int) -> None:
        done = row["epoch"] + 1
        left = self.seconds / done * (epochs - done)
        self.directory.set_status(
            "running", epoch=done, max_epochs=epochs, val_top1=row["val/top1"], seconds_left=round(left, 1)
        )
        log.info("%s", epoch_line(row, epochs, _terminal_width()))

    def _rows(self) -> pd.DataFrame:
        # As text: numbers that are read and written again stay what they were to the last digit.
        return read_metrics(self.directory.metrics)

    def _write(self, rows: pd.DataFrame) -> None:
        write_csv(rows, self.directory.metrics)


def epoch_line(row: dict[str, Any], epochs: int, width: int | None = None) -> str:
    """Return the line of the log for an epoch, one of so many; without its less important parts where it is too wide.

    Args:
        row: of metrics.csv, which has every number.
        epochs: number of all.
        width: of the terminal, in characters; None for a log.
    """
    done = str(row["epoch"] + 1).rjust(len(str(epochs)))
    parts = {
        "train": f"epoch {done}/{epochs}  train loss {row['train/loss']:.3f} top-1 {100 * row['train/top1']:5.1f} %",
        "val": f"  val loss {row['val/loss']:.3f} top-1 {100 * row['val/top1']:5.1f} %",
        "top3": f" top-3 {100 * row['val/top3']:5.1f} %",
        "lr": f"  lr {row['lr/head']:.2g}" if "lr/head" in row else "",
        "seconds": f"  {row['seconds']:.1f} s",
    }
    for part in ("lr", "top3", "seconds"):
        if width is not None and sum(map(len, parts.values())) > width:
            del parts[part]
    return "".join(parts.values())


def _terminal_width() -> int | None:
    console = PlainConsole(stderr=True)
    return console.width if console.is_terminal else None
