"""Figures of many classes: which of them are named or shown, and their order."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

# More classes than this change the form of figures: cells without numbers, few names, sheets of some classes only.
MANY = 30
# Classes that are named or shown where not all can be.
SHOWN = 20
NAMED = 8


def are_many(classes: Sequence[str]) -> bool:
    """Return whether figures of these classes take their form for many."""
    return len(classes) > MANY


def some(names: Sequence[str]) -> str:
    """Return names for a sentence: all, or the first and how many more."""
    if len(names) <= NAMED + 1:
        return ", ".join(names)
    return f"{', '.join(names[:NAMED])} and {len(names) - NAMED} more"


def largest(values: NDArray[np.int64] | NDArray[np.float64], count: int = SHOWN) -> list[int]:
    """Return the positions of the largest values, in ascending order of position; the first where some are equal."""
    positions: list[int] = np.argsort(-values, kind="stable")[:count].tolist()
    return sorted(positions)


def clustered(distance: NDArray[np.float64]) -> list[int]:
    """Return an order in which similar items are neighbours: the leaves of an average-linkage clustering.

    Args:
        distance: symmetric C x C.
    """
    if len(distance) < 3:
        return list(range(len(distance)))
    order: list[int] = leaves_list(linkage(squareform(distance, checks=False), "average")).tolist()
    return order
