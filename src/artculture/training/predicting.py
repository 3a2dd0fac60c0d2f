"""Logits of a trained classifier for paintings, computed as at the end of its training."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader

from artculture.config.schema.checkpoint_commands import InferencePrecision
from artculture.data.batches import BatchMaker
from artculture.data.dataset import Batch, SplitDataset, identity_collate
from artculture.data.paintings import Paintings
from artculture.data.transforms import Preprocessing
from artculture.evaluation.forward import forward_on
from artculture.models.classifier import CultureClassifier
from artculture.models.finite import check_predictions_finite
from artculture.training.factory import ignore_known_warnings
from artculture.utils import hardware


def image_batches(
    paintings: Paintings, preprocessing: Preprocessing, rows: NDArray[np.int64], batch_size: int
) -> DataLoader[Batch]:
    """Return a loader of batches (images uint8 N x 3 x H x W, labels, rows) of some paintings, in the given order."""
    maker = BatchMaker(paintings.cache, paintings.selection.rows, preprocessing, None)
    return DataLoader(SplitDataset(paintings, rows, maker), batch_size, collate_fn=identity_collate)


def forward_passes(
    classifier: CultureClassifier,
    paintings: Paintings,
    rows: NDArray[np.int64],
    batch_size: int,
    accelerator: str = "auto",
    precision: InferencePrecision = "float32",
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield features and logits, both float32 on the CPU, of batches of paintings; arguments as `predict_logits`."""
    with forward_on(classifier, accelerator, precision) as forward:
        for images, _, _ in image_batches(paintings, classifier.preprocessing, rows, batch_size):
            yield forward(images)


def predict_logits(
    classifier: CultureClassifier,
    paintings: Paintings,
    rows: NDArray[np.int64],
    batch_size: int,
    checkpoint: Path,
    *,
    accelerator: str = "auto",
    deterministic: Any = False,
    precision: InferencePrecision = "float32",
) -> NDArray[np.float64]:
    """Compute logits for some paintings; return float64 N x classes.

    Args:
        classifier: in eval mode.
        paintings: with the pixels that it expects.
        rows: positions in the selection.
        batch_size: images per forward pass; another one changes the last bits.
        checkpoint: its file, for messages.
        accelerator: `auto`, `cpu` or `gpu`.
        deterministic: argument of `lightning.Trainer`, for float32.
        precision: of the network; float32 is computed as at the end of a training, bfloat16 is autocast.

    Raises:
        WorkError: some logits are not finite.
    """
    if precision != "float32":
        passes = forward_passes(classifier, paintings, rows, batch_size, accelerator, precision)
        logits = torch.cat([values for _, values in passes]).double().numpy()
        check_predictions_finite(logits, checkpoint)
        return logits
    # A bare Trainer as used for testing a run, without logging, checkpoints and progress bar.
    trainer = L.Trainer(
        accelerator=hardware.checked_accelerator(accelerator),
        devices=1,
        deterministic=deterministic,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    with warnings.catch_warnings():
        ignore_known_warnings()
        batches = image_batches(paintings, classifier.preprocessing, rows, batch_size)
        outputs: Any = trainer.predict(classifier, batches)
    logits = torch.cat([batch[0] for batch in outputs]).double().cpu().numpy()
    check_predictions_finite(logits, checkpoint)
    return logits
