"""What a trained classifier keeps of its training and validation paintings, to say what it does not know."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from artculture.data.paintings import Paintings
from artculture.data.selection import Selection
from artculture.evaluation.uncertainty import set_results, typicality
from artculture.models.classifier import CultureClassifier
from artculture.models.full_precision import full_precision
from artculture.models.uncertainty import Typicality, Uncertainty
from artculture.training.predicting import image_batches

# Enough for a steady mean of a class, and for all classes together a small part of a training.
MOST_OF_A_CLASS, MOST = 200, 4000


def fit_uncertainty(
    module: CultureClassifier,
    paintings: Paintings,
    predictions: pd.DataFrame,
    batch_size: int,
    accelerator: str,
    features: NDArray[np.float32] | None = None,
    precision: AbstractContextManager[Any] | None = None,
) -> tuple[Uncertainty, dict[str, Any]]:
    """Return what the checkpoint of a trained classifier keeps, and `sets` for its result (`set_results`).

    Args:
        module: with the weights of the best checkpoint; its mode and device are restored.
        paintings: those that have the primary label.
        predictions: of it, calibrated, of the validation and test paintings, as by `prediction_table`.
        batch_size: images per forward pass.
        accelerator: `cpu` or `gpu`.
        features: of every painting, if they are known.
        precision: as of `fit_typicality`.
    """
    selection = paintings.selection
    rows, split = predictions["row"].to_numpy(dtype=np.int64), predictions["split"].to_numpy(dtype=np.str_)
    probabilities = predictions[[f"p_{name}" for name in selection.classes]].to_numpy(dtype=np.float64)
    (scores, labels), sets = set_results(probabilities, selection.labels[rows], split, selection.classes)
    found = fit_typicality(module, paintings, rows[split == "val"], batch_size, accelerator, features, precision)
    return Uncertainty(scores, [found], labels), sets


def fit_typicality(
    module: CultureClassifier,
    paintings: Paintings,
    val: NDArray[np.int64],
    batch_size: int,
    accelerator: str,
    known: NDArray[np.float32] | None = None,
    precision: AbstractContextManager[Any] | None = None,
) -> Typicality:
    """Return the class means of training features, and the similarities of validation paintings to them.

    Args:
        module: with the weights of the best checkpoint; its mode and device are restored.
        paintings: of the run, with the pixels that it expects.
        val: rows of validation paintings, int64.
        batch_size: images per forward pass.
        accelerator: `cpu` or `gpu`.
        known: features of every painting, as the classifier computes them; None to compute those that are needed.
        precision: autocast of the training; None for float32, which means of many paintings do not need.
    """
    selection = paintings.selection
    # Where a debugging run limits the validation paintings, training ones too.
    limit = len(selection.labels) if len(val) == len(selection.members("val")) else len(val)
    # In the order of the data, in which shards are read.
    training = np.sort(training_rows(selection)[:limit])
    rows, labels, classes = np.concatenate([training, val]), selection.labels[training], len(selection.classes)
    if known is not None:
        return typicality(known[training], labels, classes, known[val])
    mode, before = module.training, module.device
    device = torch.device("cuda" if accelerator == "gpu" else "cpu")
    module.eval().to(device)
    found = []
    with (
        torch.inference_mode(),
        full_precision(device, module.compiled),
        precision or nullcontext(),
    ):
        for images, _, _ in image_batches(paintings, module.preprocessing, rows, batch_size):
            found.append(module.embed(images.to(device)).float().cpu())
    module.to(before)
    module.train(mode)
    features = torch.cat(found).numpy()
    return typicality(features[: len(training)], labels, classes, features[len(training) :])


def training_rows(selection: Selection) -> NDArray[np.int64]:
    """Return rows of training paintings, int64: at most `MOST_OF_A_CLASS` of each class, spread over all of them."""
    rows, count = selection.members("train"), len(selection.classes)
    most = max(1, min(MOST_OF_A_CLASS, MOST // count))
    labels = selection.labels[rows]
    parts = [rows[labels == number] for number in range(count)]
    chosen = [part[np.linspace(0, len(part) - 1, min(most, len(part))).astype(np.int64)] for part in parts]
    # Classes take turns, so that the first rows are of all of them.
    order = np.argsort(np.concatenate([np.arange(len(part)) for part in chosen]), kind="stable")
    return np.concatenate(chosen)[order]
