"""Our side, through the parts that `artculture train` itself is made of."""

import logging
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hydra
import torch
from lightning.pytorch.callbacks import Checkpoint
from torch import Tensor

from artculture.config.composition import resolved
from artculture.config.schema.model import CrossEntropy, Sgd
from artculture.config.schema.train import TrainConfig
from artculture.config.validation import config_folder, validated
from artculture.data.datamodule import PaintingsDataModule
from artculture.data.transforms import normalise
from artculture.training import feature_cache
from artculture.training.acceleration.cuda_graph import CapturedStep
from artculture.training.factory import ignore_known_warnings, make_classifier, make_datamodule, make_trainer
from artculture.training.numeric_choice import decided
from artculture.training.run_directory import RunDirectory
from artculture.utils.hardware import wait_for
from benchmarks.speed.job import MEAN, STD, Job
from benchmarks.speed.plan import Plan
from benchmarks.speed.templated import EpochTimer

NAME = "artculture"


def overrides(plan: Plan, gallery: Path, cache: Path, *more: str) -> list[str]:
    """What a user would type to train on a gallery with random weights."""
    return [
        *plan.architecture,
        "architecture.weights=none",
        "scheduler=step",
        "data=folder",
        f"data.root={gallery}",
        "data.split=stored",
        f"data.cache={cache}",
        f"data.image_size={plan.image_size}",
        f"data.batch_size={plan.batch_size}",
        f"trainer={'gpu' if plan.on_gpu else 'cpu'}",
        "logger=csv",
        *more,
    ]


def composed(typed: list[str]) -> TrainConfig:
    with hydra.initialize_config_dir(str(config_folder()), version_base="1.3"):
        return validated(TrainConfig, resolved(hydra.compose("train", overrides=typed)))


def batches(data: PaintingsDataModule, epoch: int) -> Iterator[Tensor]:
    """The normalised pictures of an epoch, as the network of a CPU gets them."""
    loader = data.train_dataloader()
    loader.sampler.set_epoch(epoch)  # type: ignore[attr-defined]
    mean, std = torch.tensor(MEAN), torch.tensor(STD)
    for pictures, _, _ in loader:
        yield normalise(pictures, mean, std)


def fit(config: TrainConfig, folder: Path) -> list[float]:
    """Train without validation and checkpoints; seconds of each epoch.

    Args:
        config: of the run.
        folder: where the trainer may write.
    """
    config = decided(config)
    data = make_datamodule(config)
    counts = data.paintings.selection.class_counts("train")
    module = make_classifier(config, data.classes, counts)
    module.start_from(config.architecture.weights)
    timer: Any = EpochTimer()
    accelerator = "gpu" if config.trainer.accelerator == "gpu" else "cpu"
    trainer = make_trainer(config, [len(data.classes)], RunDirectory(folder), timer, accelerator, None)
    trainer.callbacks = [part for part in trainer.callbacks if not isinstance(part, Checkpoint)]  # type: ignore[attr-defined]
    trainer.limit_val_batches = 0
    with warnings.catch_warnings():
        ignore_known_warnings()
        trainer.fit(module, feature_cache.feed(config.method, data, module, trainer))
    seconds: list[float] = timer.seconds
    return seconds


def second_epoch(config: TrainConfig, folder: Path) -> float:
    """Seconds of the second epoch of a training as `fit` makes it: the first one generates kernels."""
    return fit(config, folder)[1]


def fixed_batch(job: Job, steps: int) -> float:
    """Images/s of the same step on one batch that lies normalised in the device's memory: the limit.

    On a GPU the step is replayed as a graph, as ours is.
    """
    network = job.network()
    trainable = [parameter for parameter in network.parameters() if parameter.requires_grad]
    method, chosen, loss = job.config.method, job.config.optimizer, job.config.loss
    assert isinstance(chosen, Sgd)
    assert isinstance(loss, CrossEntropy)
    optimizer = torch.optim.SGD(
        trainable,
        lr=method.head_lr,
        momentum=chosen.momentum,
        nesterov=chosen.nesterov,
        weight_decay=chosen.weight_decay,
        fused=True,
    )
    criterion = torch.nn.CrossEntropyLoss(label_smoothing=loss.label_smoothing)
    pictures = job.moved(torch.randn(job.batch_size, 3, job.image_size, job.image_size))
    labels = torch.arange(job.batch_size, device=job.device) % job.classes

    def loss_of(given: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
        logits = network(given)
        return criterion(logits, truth), logits

    def launched() -> None:
        optimizer.zero_grad()
        with job.autocast():
            loss, _ = loss_of(pictures, labels)
        loss.backward()  # type: ignore[no-untyped-call]

    backward: Callable[[], object] = launched
    if job.plan.on_gpu:
        with job.autocast():
            captured = CapturedStep(network, loss_of, pictures, labels)
        backward = captured.replay_again
    wait_for(job.device)
    began = time.perf_counter()
    for _ in range(steps):
        backward()
        optimizer.step()
    wait_for(job.device)
    return steps * job.batch_size / (time.perf_counter() - began)


def quiet() -> None:
    """Keep Lightning and ourselves from telling about each of many trainers."""
    for name in ("lightning.pytorch", "lightning.fabric", "artculture"):
        logging.getLogger(name).setLevel(logging.ERROR)
