"""What a checkpoint knows of its validation paintings, for prediction sets and the score `unlike`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from artculture.utils.errors import InputError

# Key of a checkpoint; its value is a dict of tensors.
UNCERTAINTY = "uncertainty"
SCORES, LABELS, MEANS, SIMILARITIES = "scores", "labels", "means", "similarities"
TRAIN_AGAIN = "train it again, or make the ensemble again"


@dataclass(frozen=True)
class Typicality:
    """How similar the features of paintings are to those of the training paintings, of one network.

    Attributes:
        means: unit vector in the direction of each class's mean of unit feature vectors, float32 classes x features; of
            a class without paintings zeros.
        similarities: of the validation paintings to the nearest of `means`, ascending, float64.
    """

    means: NDArray[np.float32]
    similarities: NDArray[np.float64]


@dataclass(frozen=True)
class Uncertainty:
    """Calibration scores of a classifier.

    Attributes:
        scores: conformal scores of the validation paintings, ascending, float64: one minus the probability of the
            true class.
        networks: of each of the classifier's networks; empty if unknown.
        labels: true class indices of the paintings, in the order of `scores`, int64; None if unknown.
    """

    scores: NDArray[np.float64]
    networks: Sequence[Typicality]
    labels: NDArray[np.int64] | None = None

    def as_tensors(self) -> dict[str, Tensor]:
        """Return the content as a checkpoint stores it."""
        tensors = {SCORES: torch.from_numpy(self.scores)}
        if self.labels is not None:
            tensors[LABELS] = torch.from_numpy(self.labels)
        for number, network in enumerate(self.networks):
            tensors[f"{MEANS}.{number}"] = torch.from_numpy(network.means)
            tensors[f"{SIMILARITIES}.{number}"] = torch.from_numpy(network.similarities)
        return tensors


def uncertainty_of(content: Mapping[str, Any], path: Path, classes: int, networks: int = 1) -> Uncertainty | None:
    """Return what a checkpoint says; None if nothing.

    Args:
        content: the checkpoint.
        path: its file, for messages.
        classes: number of classes.
        networks: number of networks.

    Raises:
        InputError: it says something else than such tensors.
    """
    stored = content.get(UNCERTAINTY)
    if stored is None:
        return None
    try:
        values = {name: tensor.numpy() for name, tensor in stored.items()}
        scores = _ascending(values[SCORES])
        labels = None
        if LABELS in values:
            labels = _indices(values[LABELS], classes, len(scores))[np.argsort(values[SCORES], kind="stable")]
        found = []
        for number in range(networks if f"{MEANS}.0" in values else 0):
            means = values[f"{MEANS}.{number}"]
            if means.dtype != np.float32 or means.ndim != 2 or len(means) != classes or not np.isfinite(means).all():
                raise ValueError(f"{MEANS}.{number} are not vectors of {classes} classes")
            found.append(Typicality(means, _ascending(values[f"{SIMILARITIES}.{number}"])))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: its scores of the validation paintings are damaged ({error}): {TRAIN_AGAIN}"
        ) from error
    return Uncertainty(scores, found, labels)


def _ascending(values: NDArray[Any]) -> NDArray[np.float64]:
    if values.dtype != np.float64 or values.ndim != 1 or not len(values) or not np.isfinite(values).all():
        raise ValueError("not a list of finite numbers")
    return np.sort(values)


def _indices(values: NDArray[Any], classes: int, count: int) -> NDArray[np.int64]:
    if values.dtype != np.int64 or values.shape != (count,) or values.min() < 0 or values.max() >= classes:
        raise ValueError(f"{LABELS} are not {count} of {classes} classes")
    return values
