"""From probabilities to the numbers of a result, counted by torchmetrics; every command counts here."""

from collections.abc import Sequence
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

from artculture.evaluation.intervals import Interval, bootstrap_variance, score_interval, wilson

# A probability of exactly 0 would make the loss infinite: float32 rounds to it below this.
SMALLEST_PROBABILITY = 1e-38


def scores(probabilities: NDArray[np.float64], labels: NDArray[np.int64], classes: Sequence[str]) -> dict[str, Any]:
    """All numbers of one split.

    Args:
        probabilities: float N x classes.
        labels: true class index, int64 N.
        classes: names in label order.

    Returns:
        `n`, `loss` (mean negative log-likelihood, nats), `top1`, `top3`, `macro_f1`, `intervals` (95 %, of the
        last three, for this network on paintings like these), `recall` and `support` a culture (recall None where
        there is no painting), `confusion` (rows true, columns predicted). Shares in 0..1.
    """
    n, c = len(labels), len(classes)
    chances, truth = torch.tensor(probabilities), torch.tensor(labels)
    shares = {
        "top1": float(multiclass_accuracy(chances, truth, c, average="micro")),
        "top3": float(multiclass_accuracy(chances, truth, c, average="micro", top_k=min(3, c))),
    }
    matrix = multiclass_confusion_matrix(chances, truth, c)
    recall = multiclass_recall(chances, truth, c, average="none")
    support = [int(count) for count in matrix.sum(dim=1)]
    guessed = chances.argmax(dim=1)
    macro_f1 = float(multiclass_f1_score(chances, truth, c, average="macro"))
    own = chances[torch.arange(n), truth].clamp_min(SMALLEST_PROBABILITY)
    return {
        "n": n,
        "loss": float(-own.log().mean()),
        **shares,
        "macro_f1": macro_f1,
        "intervals": {
            **{name: wilson(round(share * n), n) for name, share in shares.items()},
            "macro_f1": _macro_f1_interval(macro_f1, guessed.numpy(), labels, c),
        },
        "recall": {name: float(recall[i]) if support[i] else None for i, name in enumerate(classes)},
        "support": dict(zip(classes, support, strict=True)),
        "confusion": matrix.tolist(),
    }


def _macro_f1_interval(
    macro_f1: float, guessed: NDArray[np.int64], labels: NDArray[np.int64], classes: int
) -> Interval:
    """The score interval of a share with the bootstrap variance of macro-F1.

    That variance is too small, even 0, where rare classes are all right or all wrong, so macro-F1 never counts as more
    certain than the mean of the classes' recalls would be if all were equal.
    """
    support = np.bincount(labels, minlength=classes)
    support = support[support > 0]
    if not len(support):
        return (0.0, 1.0)
    paintings = float(len(support) ** 2 / (1 / support).sum())
    variance = bootstrap_variance(lambda drawn: _macro_f1(_counts(guessed[drawn], labels[drawn], classes)), len(labels))
    if variance > 0:
        paintings = min(paintings, macro_f1 * (1 - macro_f1) / variance)
    return score_interval(macro_f1, paintings)


def _counts(guessed: NDArray[np.int64], labels: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    return np.bincount(labels * classes + guessed, minlength=classes**2).reshape(classes, classes)


def _macro_f1(matrix: NDArray[np.int64]) -> float:
    # torchmetrics' definition (mean over the classes that occur), fast enough for a thousand resamples
    total = matrix.sum(axis=0) + matrix.sum(axis=1)
    occurs = total > 0
    return float((2 * np.diag(matrix)[occurs] / total[occurs]).mean())
