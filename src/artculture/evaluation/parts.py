"""Accuracy on parts of the test paintings: artists that are in training or not, and sources."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from artculture.data.disjoint import compared_names
from artculture.evaluation.intervals import wilson
from artculture.evaluation.metrics import classification_metrics

# Part of `by_artist` to how it is shown.
ARTIST_PARTS = {
    "in_training": "artist in the training split",
    "not_in_training": "artist not in the training split",
    "unnamed": "artist not known",
}
SOURCE_SCORES = ("top1", "top3", "macro_recall")


def accuracy_by_artist(
    right: NDArray[np.bool_], artists: pd.Series, training_artists: pd.Series
) -> dict[str, Any] | None:
    """Return how much of an accuracy is on artists that the training split has too.

    Args:
        right: whether each of N paintings is predicted correctly.
        artists: their artists, N, compared as by `data.disjoint`.
        training_artists: the artists of the training split.

    Returns:
        `n`, `top1` and its `interval` (95 %) for each of `ARTIST_PARTS` (None without paintings), and `share`, that of
        the first part among all paintings, with `share_interval`; None if no painting names an artist.
    """
    names = compared_names(artists).to_numpy()
    named = names != ""
    if not named.any():
        return None
    seen = named & np.isin(names, compared_names(training_artists).unique())
    parts = dict(zip(ARTIST_PARTS, (seen, named & ~seen, ~named), strict=True))
    count = int(seen.sum())
    return {
        "share": count / len(names),
        "share_interval": wilson(count, len(names)),
        **{part: _top1(right[members]) for part, members in parts.items()},
    }


def _top1(right: NDArray[np.bool_]) -> dict[str, Any]:
    n, correct = len(right), int(right.sum())
    return {"n": n, "top1": correct / n if n else None, "interval": wilson(correct, n) if n else None}


def metrics_by_source(
    probabilities: NDArray[np.float64],
    labels: NDArray[np.int64],
    classes: Sequence[str],
    sources: Collection[str],
    trained: Mapping[str, int] | None = None,
) -> dict[str, dict[str, Any]] | None:
    """Return the scores of each source (museum), if there are several.

    Args:
        probabilities: float64, N x classes.
        labels: true class indices, int64, N.
        classes: names in label order.
        sources: the source of each painting, N.
        trained: number of training paintings by source; None if unknown.

    Returns:
        By source: `n`, `trained_on`, `SOURCE_SCORES` and their `intervals` (95 %); None for a single source.
    """
    names = np.array(list(sources), dtype=np.str_)
    if len(np.unique(names)) < 2:
        return None
    found = {}
    for name in np.unique(names).tolist():
        members = names == name
        metrics = classification_metrics(probabilities[members], labels[members], classes)
        found[name] = {
            "n": metrics["n"],
            "trained_on": None if trained is None else int(trained.get(name, 0)),
            **{score: metrics[score] for score in SOURCE_SCORES},
            "intervals": {score: metrics["intervals"][score] for score in SOURCE_SCORES},
        }
    return found
