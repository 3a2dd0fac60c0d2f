"""From probabilities to the numbers of a result; plain numpy, so that every command counts the same way."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artculture.runs.intervals import bootstrap, wilson

Probabilities = NDArray[np.float64]
Labels = NDArray[np.int64]


def in_top(probabilities: Probabilities, labels: Labels, k: int) -> NDArray[np.bool_]:
    """Whether the label is among the k most probable classes (ties go to the lower class index)."""
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :k]
    return np.asarray((order == labels[:, None]).any(axis=1))


def confusion(predicted: Labels, labels: Labels, classes: int) -> NDArray[np.int64]:
    """Counts, rows the true class, columns the predicted one."""
    matrix = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(matrix, (labels, predicted), 1)
    return matrix


def macro_f1(matrix: NDArray[np.int64]) -> float:
    """Mean F1 over the classes that occur, as label or as prediction (as scikit-learn and torchmetrics count)."""
    hits = np.diag(matrix)
    total = matrix.sum(axis=0) + matrix.sum(axis=1)
    occurs = total > 0
    return float((2 * hits[occurs] / total[occurs]).mean())


def scores(probabilities: Probabilities, labels: Labels, classes: Sequence[str]) -> dict[str, Any]:
    """All numbers of one split.

    Args:
        probabilities: float N x classes.
        labels: true class index, int64 N.
        classes: names in label order.

    Returns:
        `n`, `top1`, `top3`, `macro_f1`, `intervals` (95 %, of the three), `recall` and `support` a culture
        (recall None where there is no painting), `confusion` (rows true, columns predicted). Shares in 0..1.
    """
    n, k = len(labels), min(3, len(classes))
    predicted = np.argmax(probabilities, axis=1).astype(np.int64)
    top1, top3 = predicted == labels, in_top(probabilities, labels, k)
    matrix = confusion(predicted, labels, len(classes))
    support = matrix.sum(axis=1)
    f1_interval = bootstrap(lambda drawn: macro_f1(confusion(predicted[drawn], labels[drawn], len(classes))), n)
    return {
        "n": n,
        "top1": float(top1.mean()),
        "top3": float(top3.mean()),
        "macro_f1": macro_f1(matrix),
        "intervals": {
            "top1": wilson(int(top1.sum()), n),
            "top3": wilson(int(top3.sum()), n),
            "macro_f1": f1_interval,
        },
        "recall": {
            name: float(matrix[i, i] / support[i]) if support[i] else None for i, name in enumerate(classes)
        },
        "support": {name: int(support[i]) for i, name in enumerate(classes)},
        "confusion": matrix.tolist(),
    }
