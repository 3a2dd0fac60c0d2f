"""Classification metrics of predicted probabilities, computed by torchmetrics for every command."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_confusion_matrix,
    multiclass_f1_score,
    multiclass_recall,
)

from artculture.evaluation.intervals import Interval, Z, bootstrap_variance, score_interval, wilson

# Lower bound in the loss, which a probability of 0 would make infinite; the smallest normal float32 is 1.2e-38.
SMALLEST_PROBABILITY = 1e-38


def scores(probabilities: NDArray[np.float64], labels: NDArray[np.int64], classes: int) -> dict[str, float]:
    """Return `loss` (mean negative log-likelihood in nats), `top1`, `top3`, `macro_f1` and `macro_recall`.

    Args:
        probabilities: float64, N x classes.
        labels: true class indices, int64, N.
        classes: number of classes.
    """
    predicted, truth = torch.tensor(probabilities), torch.tensor(labels)
    own = predicted[torch.arange(len(truth)), truth].clamp_min(SMALLEST_PROBABILITY)
    return {
        "loss": float(-own.log().mean()),
        "top1": float(multiclass_accuracy(predicted, truth, classes, average="micro")),
        "top3": float(multiclass_accuracy(predicted, truth, classes, average="micro", top_k=min(3, classes))),
        "macro_f1": float(multiclass_f1_score(predicted, truth, classes, average="macro")),
        "macro_recall": _macro_recall(_counts(predicted.argmax(dim=1).numpy(), labels, classes)),
    }


def classification_metrics(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64], classes: Sequence[str]
) -> dict[str, Any]:
    """Return all metrics of one split.

    Args:
        probabilities: float64, N x classes.
        labels: true class indices, int64, N.
        classes: names in label order.

    Returns:
        `n`, `loss` (mean negative log-likelihood in nats), `top1`, `top3`, `macro_f1`, `macro_recall` (balanced
        accuracy), `intervals` (95 %, of the last four, for this trained network on similar images), `recall` and
        `support` per class (recall None for a class without images), `confusion` (rows true, columns predicted).
        Proportions are in 0..1.
    """
    n, c = len(labels), len(classes)
    predicted, truth = torch.tensor(probabilities), torch.tensor(labels)
    found = scores(probabilities, labels, c)
    matrix = multiclass_confusion_matrix(predicted, truth, c)
    recall = multiclass_recall(predicted, truth, c, average="none")
    support = [int(count) for count in matrix.sum(dim=1)]
    guessed = predicted.argmax(dim=1).numpy()
    return {
        "n": n,
        **found,
        "intervals": {
            **{name: wilson(round(found[name] * n), n) for name in ("top1", "top3")},
            "macro_f1": _macro_interval(found["macro_f1"], _macro_f1, guessed, labels, c),
            "macro_recall": _macro_interval(found["macro_recall"], _macro_recall, guessed, labels, c),
        },
        "recall": {name: float(recall[i]) if support[i] else None for i, name in enumerate(classes)},
        "support": dict(zip(classes, support, strict=True)),
        "confusion": matrix.tolist(),
    }


def ordinal_error(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> dict[str, Any]:
    """Return `mae`, how many classes the most probable one is away from the label on average, and its interval (95 %).

    Args:
        probabilities: float64, N x classes in their order.
        labels: true class indices, int64, N.
    """
    distances = np.abs(probabilities.argmax(axis=1) - labels)
    mean, spread = float(distances.mean()), float(Z * distances.std() / np.sqrt(len(distances)))
    return {"mae": mean, "mae_interval": (max(0.0, mean - spread), mean + spread)}


def _macro_interval(
    value: float,
    metric: Callable[[NDArray[np.int64]], float],
    guessed: NDArray[np.int64],
    labels: NDArray[np.int64],
    classes: int,
) -> Interval:
    """Return the score interval of a proportion that has the bootstrap variance of a mean over classes.

    The bootstrap underestimates the variance, down to 0, where rare classes are all correct or all wrong. Its sample
    size is therefore capped at that of the mean of the per-class recalls, if all recalls were equal.
    """
    support = np.bincount(labels, minlength=classes)
    support = support[support > 0]
    if not len(support):
        return (0.0, 1.0)
    images = float(len(support) ** 2 / (1 / support).sum())
    variance = bootstrap_variance(lambda sample: metric(_counts(guessed[sample], labels[sample], classes)), len(labels))
    if variance > 0:
        images = min(images, value * (1 - value) / variance)
    return score_interval(value, images)


def _counts(guessed: NDArray[np.int64], labels: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    return np.bincount(labels * classes + guessed, minlength=classes**2).reshape(classes, classes)


def _macro_f1(matrix: NDArray[np.int64]) -> float:
    # Same definition as torchmetrics (mean over the classes that occur), but fast enough for 1000 resamples.
    total = matrix.sum(axis=0) + matrix.sum(axis=1)
    occurs = total > 0
    return float((2 * np.diag(matrix)[occurs] / total[occurs]).mean())


def _macro_recall(matrix: NDArray[np.int64]) -> float:
    # Balanced accuracy, of the classes that have images: torchmetrics also counts a class that is only predicted.
    support = matrix.sum(axis=1)
    occurs = support > 0
    return float((np.diag(matrix)[occurs] / support[occurs]).mean()) if occurs.any() else 0.0
