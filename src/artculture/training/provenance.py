"""What a result says of the run itself: which one it was, what it cost, and with what it was made."""

from typing import Any, cast

import lightning as L
import torch

from artculture.config.schema.train import TrainConfig, plain
from artculture.models.classifier import CultureClassifier
from artculture.training.acceleration.step_execution import StepExecution
from artculture.training.callbacks.recorder import Recorder
from artculture.training.identity import choice_names, data_label
from artculture.training.result import git_commit, versions
from artculture.training.run_directory import RunDirectory
from artculture.training.weights_start import KNOWN
from artculture.utils import hardware


def identity_part(
    config: TrainConfig, directory: RunDirectory, variant: list[str], module: CultureClassifier
) -> dict[str, Any]:
    """The names and choices of a run, and the weights or the checkpoint that it really started from."""
    return {
        "run": directory.path.name,
        "study": config.study.name,
        "architecture": config.architecture.name,
        "scheduler": choice_names(plain(config))[2],
        "method": config.method.name,
        "variant": " ".join(variant),
        "seed": config.seed,
        "folds": config.data.folds,
        "fold": config.data.fold,
        "balance": config.balance.name,
        "class_counts": dict(zip(module.classes, module.hyper["class_counts"], strict=True)),
        "data": data_label(plain(config)),
        "revision": getattr(config.data, "revision", None),
        "weights": module.start.label,
        "imagenet": module.start.imagenet,
        "origin": module.provenance.get("origin"),
        KNOWN: module.provenance.get(KNOWN),
    }


def cost_part(
    trainer: L.Trainer, module: CultureClassifier, recorder: Recorder, accelerator: str, devices: int
) -> dict[str, Any]:
    """Epochs, seconds, memory (bytes), parameters, device and versions of a training that has ended."""
    parameters = list(module.network.parameters())
    device = torch.cuda.get_device_name() if accelerator == "gpu" else accelerator
    best = trainer.checkpoint_callbacks[0]
    score = getattr(best, "best_model_score", None)
    return {
        "epochs": recorder.epochs,
        "best_score": None if score is None else float(score),
        "seconds": round(recorder.seconds, 2),
        "images_per_second": round(recorder.train_images / max(recorder.train_seconds, 1e-9), 2),
        "parameters": sum(p.numel() for p in parameters),
        "trainable_parameters": sum(p.numel() for p in parameters if p.requires_grad),
        "precision": str(trainer.precision),
        # Smaller than the batch where it did not fit into memory.
        "pictures_at_once": cast(StepExecution, trainer.strategy).training_parts.largest,
        "image_size": module.preprocessing.image_size,
        "fit": module.preprocessing.fit,
        "device": hardware.device_label(device, devices),
        "peak_memory": hardware.peak_memory(accelerator),
        "versions": versions(),
        "git_commit": git_commit(),
    }
