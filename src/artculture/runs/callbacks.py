"""What happens beside the training step: checkpoints, the row of metrics.csv and the status of each epoch."""

import logging
import time
from pathlib import Path
from typing import Any

import lightning as L
import pandas as pd
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

from artculture.files import replacing
from artculture.runs.directory import RunDirectory

log = logging.getLogger(__name__)

COLUMNS = ("epoch", "train/loss", "train/top1", "val/loss", "val/top1", "val/top3", "val/macro_f1")


def mode_of(monitor: str) -> str:
    return "min" if monitor.endswith("loss") else "max"


class WholeCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint beside its place and renames it, without a second copy of it in memory."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        with replacing(Path(path)) as temporary:
            torch.save(checkpoint, temporary)


def checkpoint_callbacks(directory: RunDirectory, monitor: str) -> list[Callback]:
    """One for the best epoch (weights alone), one for the last (all that a resume needs).

    Two, because `save_last` beside a monitored top-k does not mean the last epoch.
    """
    folder = directory.best.parent
    common: dict[str, Any] = {
        "dirpath": folder,
        "save_on_train_epoch_end": True,
        "enable_version_counter": False,
    }
    best = ModelCheckpoint(filename="best", monitor=monitor, mode=mode_of(monitor), save_weights_only=True, **common)
    return [best, ModelCheckpoint(filename="last", **common)]


def early_stopping(monitor: str, patience: int) -> Callback:
    return EarlyStopping(monitor, patience=patience, mode=mode_of(monitor), check_on_train_epoch_end=True)


class Recorder(Callback):
    """After every epoch: a row of metrics.csv, the state in status.json, a line of the log.

    Attributes:
        seconds: of all epochs so far, earlier launches included.
        train_seconds, train_images: of the training part alone.
    """

    def __init__(self, directory: RunDirectory, monitor: str) -> None:
        self.directory, self.monitor = directory, monitor
        self.seconds = self.train_seconds = 0.0
        self.train_images = 0
        self._began = self._trained_until = time.monotonic()

    def state_dict(self) -> dict[str, Any]:
        return {
            "seconds": self.seconds,
            "train_seconds": self.train_seconds,
            "train_images": self.train_images,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.seconds = state_dict["seconds"]
        self.train_seconds = state_dict["train_seconds"]
        self.train_images = state_dict["train_images"]

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        # Rows of epochs after the checkpoint are trained again, so they are written again.
        kept = self._rows()
        if not kept.empty:
            self._write(kept[kept["epoch"] < trainer.current_epoch])

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._began = self._trained_until = time.monotonic()

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *args: Any) -> None:
        batch = args[1]
        self.train_images += len(batch[1])
        self._trained_until = time.monotonic()

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        now = time.monotonic()
        self.seconds += now - self._began
        self.train_seconds += self._trained_until - self._began
        metrics = {key: float(value) for key, value in trainer.callback_metrics.items()}
        rates = {f"lr/{group['name']}": group["lr"] for group in trainer.optimizers[0].param_groups}
        row = {
            "epoch": trainer.current_epoch,
            **{key: metrics[key] for key in COLUMNS[1:]},
            **rates,
            "seconds": round(now - self._began, 3),
        }
        self._write(pd.concat([self._rows(), pd.DataFrame([row])], ignore_index=True))
        self._tell(trainer, row)

    def _tell(self, trainer: L.Trainer, row: dict[str, Any]) -> None:
        done, epochs = row["epoch"] + 1, trainer.max_epochs or 1
        left = self.seconds / done * (epochs - done)
        self.directory.set_status(
            "running", epoch=done, max_epochs=epochs, val_top1=row["val/top1"], seconds_left=round(left, 1)
        )
        log.info(
            "epoch %s/%d  train loss %.3f top-1 %5.1f %%  val loss %.3f top-1 %5.1f %% top-3 %5.1f %%  lr %.2g  %.1f s",
            str(done).rjust(len(str(epochs))),
            epochs,
            row["train/loss"],
            100 * row["train/top1"],
            row["val/loss"],
            100 * row["val/top1"],
            100 * row["val/top3"],
            row["lr/head"],
            row["seconds"],
        )

    def _rows(self) -> pd.DataFrame:
        return pd.read_csv(self.directory.metrics) if self.directory.metrics.is_file() else pd.DataFrame()

    def _write(self, rows: pd.DataFrame) -> None:
        with replacing(self.directory.metrics) as temporary:
            rows.to_csv(temporary, index=False, lineterminator="\n")
