"""Tables of an audit: labels from the least to the most credible, outliers, and near-duplicates with two labels."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from artculture.analysis.audit.confident_learning import LabelIssues
from artculture.analysis.embedding.neighbours import most_similar
from artculture.analysis.model_under_study import Embeddings
from artculture.data.near_duplicates import DuplicatePair

DIGITS = 6
NAMES = ["object_id", "source", "image"]


def label_table(
    embeddings: Embeddings, about: pd.DataFrame, probabilities: NDArray[np.float64], issues: LabelIssues
) -> pd.DataFrame:
    """Return all paintings, the least credible label first.

    Args:
        embeddings: of N paintings.
        about: the manifest's table, N rows.
        probabilities: out of fold, N x classes.
        issues: of the labels.
    """
    classes, rows = np.array(embeddings.classes), np.arange(len(about))
    table = about[NAMES].assign(
        label=classes[embeddings.labels],
        suggested=classes[issues.suggested],
        p_label=probabilities[rows, embeddings.labels].round(DIGITS),
        p_suggested=probabilities[rows, issues.suggested].round(DIGITS),
        score=issues.score.round(DIGITS),
        likely_error=issues.likely,
        split=embeddings.split,
    )
    return table.iloc[np.argsort(issues.score, kind="stable")]


def outlier_table(embeddings: Embeddings, about: pd.DataFrame, neighbours: int) -> pd.DataFrame:
    """Return all paintings, the most unusual one first: by the mean cosine distance to its nearest neighbours."""
    among = np.arange(len(about), dtype=np.int64)
    nearest, similarity = most_similar(embeddings.features, among, None, min(neighbours, len(about) - 1))
    distance = 1 - similarity.mean(axis=1)
    classes = np.array(embeddings.classes)
    table = about[NAMES].assign(
        label=classes[embeddings.labels],
        distance=distance.round(DIGITS),
        nearest_object_id=embeddings.object_id[nearest[:, 0]],
        nearest_label=classes[embeddings.labels[nearest[:, 0]]],
    )
    return table.iloc[np.argsort(-distance, kind="stable")]


def conflict_table(about: pd.DataFrame, pairs: Sequence[DuplicatePair]) -> pd.DataFrame:
    """Return the near-duplicates with two labels, the most similar first.

    Args:
        about: the manifest's table.
        pairs: near-duplicates, as positions in it.
    """
    labels = about["culture"].to_numpy()
    found = sorted(
        (pair for pair in pairs if labels[pair.first] != labels[pair.second]),
        key=lambda p: (p.distance, -p.correlation),
    )
    first, second = (about.iloc[[getattr(pair, end) for pair in found]].reset_index() for end in ("first", "second"))
    return first[NAMES].assign(
        label=first["culture"],
        **{f"other_{name}": second[name] for name in NAMES},
        other_label=second["culture"],
        distance=[pair.distance for pair in found],
        correlation=[round(pair.correlation, 3) for pair in found],
    )
