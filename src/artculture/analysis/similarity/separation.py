"""Permutation test of the silhouettes of regions over groupings of the cultures.

Distances are summed once per painting and culture; evaluating a grouping is then cheap, so that all can be tried.
"""

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import pairwise_distances

from artculture.analysis.claims import least_p, permutation_p, verdict

PERMUTATIONS = 9999

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Separation:
    """Mean silhouette (-1..1) of the regions, and of other groupings of the same cultures.

    Attributes:
        observed: mean silhouette of the true regions.
        by_chance: mean silhouettes of all (or of sampled) assignments of the region labels to the cultures.
        p: share of groupings with at least the observed silhouette, including the true one.
        exact: whether all groupings were tried.
    """

    observed: float
    by_chance: Values
    p: float
    exact: bool

    @property
    def verdict(self) -> str:
        """Whether the separation is significant (`claims.verdict`)."""
        return verdict(self.p, least_p(self.by_chance, exact=self.exact))


def distance_sums(features: NDArray[np.float32], labels: NDArray[np.intp], cultures: int) -> Values:
    """Return the sum of the L2 distances of each painting to all paintings of each culture, N x C."""
    member = np.eye(cultures)[labels]
    centred = features - features.mean(axis=0)
    # Blocks bound the memory of the N x N distances.
    blocks = range(0, len(centred), 1024)
    parts = [pairwise_distances(centred[at : at + 1024].astype(np.float64), centred) for at in blocks]
    # Rounding can make the distance of a painting to itself positive.
    for at, part in zip(blocks, parts, strict=True):
        part[np.arange(len(part)), at + np.arange(len(part))] = 0
    return np.concatenate([part @ member for part in parts])


def silhouettes(sums: Values, labels: NDArray[Any], counts: NDArray[np.int64], codes: NDArray[np.int64]) -> Values:
    """Return the silhouette of each item with cultures merged into regions; 0 in a region of one item.

    The convention for one item is that of scikit-learn.

    Args:
        sums: summed distances of each item to each culture, N x C.
        labels: culture of each item, N.
        counts: number of items of each culture, C.
        codes: region of each culture as 0, 1, …, C.
    """
    merge = np.eye(codes.max() + 1)[codes]
    sizes, to_region = counts @ merge, sums @ merge
    own = codes[labels]
    itself = np.arange(len(labels))
    # The distance to itself is 0, so the mean over the others divides by size - 1.
    alone = sizes[own] <= 1
    inside = to_region[itself, own] / np.where(alone, 1, sizes[own] - 1)
    others = to_region / sizes
    others[itself, own] = np.inf
    outside = others.min(axis=1)
    larger = np.maximum(inside, outside)
    score = np.divide(outside - inside, larger, out=np.zeros(len(labels)), where=larger > 0)
    return np.where(alone, 0.0, score)


def separation(
    sums: Values, labels: NDArray[Any], counts: NDArray[np.int64], regions: Sequence[str], seed: int = 0
) -> Separation:
    """Compare the mean silhouette of a grouping of cultures with all other groupings of the same sizes.

    Region labels are permuted over cultures, never over paintings: paintings of a culture are close to each other in
    any grouping, so permuting paintings would make every grouping significant.
    """
    truth = region_codes(regions)
    assigned, exact = groupings(truth, seed)
    # One small matrix product per grouping.
    means = np.array([silhouettes(sums, labels, counts, grouping).mean() for grouping in assigned])
    observed = float(silhouettes(sums, labels, counts, truth).mean())
    return Separation(observed, means, permutation_p(means, observed, exact=exact), exact)


def region_codes(regions: Sequence[str]) -> NDArray[np.int64]:
    """Return the region of each culture as 0, 1, … in alphabetical order, int64 C."""
    names = sorted(set(regions))
    return np.array([names.index(region) for region in regions], dtype=np.int64)


def groupings(truth: NDArray[np.int64], seed: int) -> tuple[list[NDArray[np.int64]], bool]:
    """Return assignments of the regions to the cultures, int64 C each, and whether they are all that exist."""
    sizes = Counter(truth.tolist())
    ways = math.factorial(len(truth)) // math.prod(math.factorial(size) for size in sizes.values())
    if ways <= PERMUTATIONS:
        return [np.array(codes) for codes in _arrangements(sizes, len(truth))], True
    rng = np.random.default_rng(seed)
    return [rng.permutation(truth) for _ in range(PERMUTATIONS)], False


def _arrangements(sizes: dict[int, int], n: int) -> list[list[int]]:
    """Return all distinct permutations of a multiset of codes."""
    codes = sorted(sizes)
    if len(codes) == 1:
        return [[codes[0]] * n]
    first, rest = codes[0], {code: sizes[code] for code in codes[1:]}
    orders = []
    for places in itertools.combinations(range(n), sizes[first]):
        for inner in _arrangements(rest, n - sizes[first]):
            others = iter(inner)
            orders.append([first if place in places else next(others) for place in range(n)])
    return orders
