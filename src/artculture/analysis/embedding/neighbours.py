"""Nearest training paintings of each test painting."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from artculture.analysis.embedding.search import nearest, unit_vectors
from artculture.analysis.figure import Finding
from artculture.analysis.model_under_study import Embeddings
from artculture.analysis.plotting_style import RIGHT, WRONG, new_figure
from artculture.evaluation.intervals import wilson
from artculture.utils.errors import InputError
from artculture.utils.thumbnails import Picture

# Values of k of the k-nearest-neighbour accuracies.
K_VALUES = (1, 5, 20)
# Test paintings in the figure.
FIGURE_ROWS = 8


def neighbours(embeddings: Embeddings, k: int = 5, picture: Picture | None = None) -> Finding:
    """Find the `k` training paintings with the highest cosine similarity to each test painting.

    Args:
        embeddings: of training and test paintings.
        k: neighbours per painting; at most the number of training paintings.
        picture: returns the pixels (uint8 H x W x 3) at a position; None for no figure.

    Raises:
        InputError: there are no training or no test paintings.
    """
    train, test = embeddings.members("train"), embeddings.members("test")
    if len(train) == 0 or len(test) == 0:
        raise InputError("neighbours need training and test paintings: take the data that the run was trained on")
    nearest, similarity = most_similar(embeddings.features, train, test, min(max(k, *K_VALUES), len(train)))
    k = min(k, len(train))
    table = _table(embeddings, test, nearest[:, :k], similarity[:, :k])
    numbers = _numbers(embeddings.labels, train, test, nearest)
    figure = None if picture is None else _sheet(embeddings, test, nearest[:, :k], similarity[:, :k], picture)
    share, chance = numbers["nearest_same_culture"], numbers["random_same_culture"]
    caption = (
        f"Test paintings (left) with their {k} nearest training paintings by cosine similarity of the features (1 is "
        f"the same direction). A teal frame marks the same culture, a red frame another one. The nearest neighbour has "
        f"the culture of the test painting in {100 * share:.1f} % of {len(test)} test paintings; for a randomly drawn "
        f"training painting it would be {100 * chance:.1f} %."
    )
    alt = (
        f"The nearest training painting has the same culture for {100 * share:.1f} % of the test paintings, a random "
        f"one for {100 * chance:.1f} %."
    )
    return Finding("neighbours", "Nearest neighbours", caption, figure, {"neighbours": table}, numbers, alt=alt)


def most_similar(
    features: NDArray[np.float32], among: NDArray[np.int64], of: NDArray[np.int64] | None, k: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the most similar paintings by cosine similarity, the measure used for all neighbours of paintings.

    Args:
        features: of all paintings, float32 N x features.
        among: positions of the candidates.
        of: positions of the query paintings; None for those of `among`, each excluding itself.
        k: neighbours per query, at most the number of candidates.

    Returns:
        Positions (int64) and similarities (float64), each queries x k, most similar first.
    """
    vectors = unit_vectors(features.astype(np.float64))
    if of is not None:
        index, similarity = nearest(vectors[among], vectors[of], k)
        return among[index], similarity.astype(np.float64)
    index, similarity = nearest(vectors[among], vectors[among], min(k + 1, len(among)))
    # Without the query itself; where copies push it out of the list, without the last one.
    own = index == np.arange(len(among))[:, None]
    own[~own.any(axis=1), -1] = True
    shape = (len(among), index.shape[1] - 1)
    return among[index[~own].reshape(shape)], similarity[~own].reshape(shape).astype(np.float64)


def _table(
    embeddings: Embeddings, test: NDArray[np.int64], nearest: NDArray[np.int64], similarity: NDArray[np.float64]
) -> pd.DataFrame:
    k = nearest.shape[1]
    cultures, flat = np.array(embeddings.classes)[embeddings.labels], nearest.ravel()
    return pd.DataFrame(
        {
            "object_id": embeddings.object_id[test].repeat(k),
            "culture": cultures[test].repeat(k),
            "rank": np.tile(np.arange(1, k + 1), len(test)),
            "neighbour_object_id": embeddings.object_id[flat],
            "neighbour_culture": cultures[flat],
            "similarity": similarity.ravel().round(6),
        }
    )


def _numbers(
    labels: NDArray[np.int64], train: NDArray[np.int64], test: NDArray[np.int64], nearest: NDArray[np.int64]
) -> dict[str, Any]:
    votes, truth = labels[nearest], labels[test]
    right = {k: int((_winners(votes[:, :k]) == truth).sum()) for k in K_VALUES}
    # Expected accuracy of a randomly drawn training painting.
    shares = np.bincount(labels[train], minlength=labels.max() + 1) / len(train)
    return {
        "test_paintings": len(test),
        "nearest_same_culture": right[1] / len(test),
        "nearest_same_culture_interval": list(wilson(right[1], len(test))),
        "random_same_culture": float(shares[truth].mean()),
        **{f"knn_top1_k{k}": right[k] / len(test) for k in K_VALUES},
    }


def _winners(votes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the most frequent label of each row; ties go to the nearest neighbour."""
    # argmax returns the first maximum, and the first column is the nearest neighbour.
    counts = (votes[:, :, None] == votes[:, None, :]).sum(axis=2)
    winners: NDArray[np.int64] = votes[np.arange(len(votes)), counts.argmax(axis=1)]
    return winners


def _sheet(
    embeddings: Embeddings,
    test: NDArray[np.int64],
    nearest: NDArray[np.int64],
    similarity: NDArray[np.float64],
    picture: Picture,
) -> Figure:
    # Evenly spaced over the test paintings sorted by culture.
    by_culture = np.argsort(embeddings.labels[test], kind="stable")
    rows = by_culture[np.linspace(0, len(test) - 1, min(FIGURE_ROWS, len(test))).round().astype(int)]
    columns = nearest.shape[1] + 1
    figure = new_figure(1.35 * columns, 1.6 * len(rows))
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for line, row in zip(axes, rows, strict=True):
        own = int(test[row])
        _frame(line[0], picture(own), embeddings.classes[embeddings.labels[own]], "black")
        for axis, position, alike in zip(line[1:], nearest[row], similarity[row], strict=True):
            same = embeddings.labels[position] == embeddings.labels[own]
            title = f"{embeddings.classes[embeddings.labels[position]]} {alike:.2f}"
            _frame(axis, picture(int(position)), title, RIGHT if same else WRONG)
    return figure


def _frame(axis: Axes, pixels: NDArray[np.uint8], title: str, colour: str) -> None:
    # Centre crop to a square, so that all panels have the same size.
    side = min(pixels.shape[:2])
    top, left = (pixels.shape[0] - side) // 2, (pixels.shape[1] - side) // 2
    axis.imshow(pixels[top : top + side, left : left + side])
    axis.set_title(title, fontsize=7, color=colour)
    axis.set_xticks([])
    axis.set_yticks([])
    for spine in axis.spines.values():
        spine.set(visible=True, color=colour, linewidth=1.8)
