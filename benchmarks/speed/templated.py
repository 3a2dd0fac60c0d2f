"""Peer: a plain LightningModule and data module, as the common templates have them."""

import time
import warnings
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor
from torch.utils.data import DataLoader
from torchmetrics import MeanMetric
from torchmetrics.classification import MulticlassAccuracy

from artculture.training.factory import ignore_known_warnings
from artculture.utils.hardware import wait_for
from benchmarks.speed import classic
from benchmarks.speed.job import Job

NAME = "Lightning template"


class PlainData(L.LightningDataModule):
    def __init__(self, job: Job) -> None:
        super().__init__()
        self.job = job

    def setup(self, stage: str) -> None:
        self.folder = classic.train_folder(self.job)

    def train_dataloader(self) -> DataLoader[Any]:
        return classic.loader(self.job, self.folder, shuffle=True)


class PlainModule(L.LightningModule):
    def __init__(self, job: Job) -> None:
        super().__init__()
        self.job, self.network = job, job.network()
        self.criterion = torch.nn.CrossEntropyLoss()
        self.train_accuracy, self.train_loss = MulticlassAccuracy(job.classes, average="micro"), MeanMetric()

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        pictures, labels = batch
        logits = self.job.logits(self.network, self.job.moved(pictures))
        loss: Tensor = self.criterion(logits, labels)
        self.train_loss(loss)
        self.train_accuracy(logits.argmax(dim=1), labels)
        self.log("train/loss", self.train_loss, on_step=False, on_epoch=True)
        self.log("train/acc", self.train_accuracy, on_step=False, on_epoch=True)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return classic.optimiser(self.network)


class EpochTimer(Callback):
    """Seconds of each epoch's training, from its start (the first: from the training's) to its last step."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._began = 0.0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        wait_for(pl_module.device)
        self._began = time.perf_counter()

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.current_epoch:
            self.on_train_start(trainer, pl_module)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        wait_for(pl_module.device)
        self.seconds.append(time.perf_counter() - self._began)


def epoch(job: Job) -> float:
    """Seconds of an epoch of training, from its first hook to its last step."""
    timer = EpochTimer()
    trainer = L.Trainer(
        accelerator="gpu" if job.plan.on_gpu else "cpu",
        devices=1,
        max_epochs=1,
        precision="bf16-mixed" if job.ours and job.plan.gains else "32-true",
        callbacks=[timer],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    with warnings.catch_warnings():
        ignore_known_warnings()
        trainer.fit(PlainModule(job), PlainData(job))
    return timer.seconds[0]
