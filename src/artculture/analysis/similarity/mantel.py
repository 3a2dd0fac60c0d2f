"""Mantel test of the correlation of two distance matrices over the same items.

The distances of one item to all others are not independent, so an ordinary p-value would be far too small. Items are
permuted instead, rows and columns together (Mantel 1967, Cancer Research 27:209-220).
"""

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from artculture.analysis.claims import least_p, permutation_p, verdict

# Up to this number of items all permutations are enumerated: 7! = 5,040.
EXACT_UP_TO = 7
# Fewer items have too few pairs for a meaningful correlation.
MIN_ITEMS = 4


@dataclass(frozen=True)
class MantelTest:
    """Spearman's correlation over pairs, with permutation p-values.

    Attributes:
        correlation: Spearman's rho.
        greater: one-sided p-value for a positive correlation.
        two_sided: two-sided p-value.
        permutations: number of permutations.
        exact: whether these were all permutations.
        verdict: of the one-sided test, as of `claims.verdict`.
    """

    correlation: float
    greater: float
    two_sided: float
    permutations: int
    exact: bool
    verdict: str


def mantel(
    one: NDArray[np.float64], other: NDArray[np.float64], permutations: int = 9999, seed: int = 0
) -> MantelTest | None:
    """Test Spearman's correlation of two symmetric n x n matrices; None for n < 4 or a matrix of equal distances.

    p = (b + 1) / (permutations + 1) with b the number of permutations that reach the observed correlation; up to 7
    items all n! permutations are used and p = b / n!.
    """
    n = len(one)
    if n < MIN_ITEMS:
        return None
    upper = np.triu_indices(n, 1)
    first, second = _standard_ranks(one[upper]), _standard_ranks(other[upper])
    if first is None or second is None:
        return None
    ranks = np.zeros((n, n))
    ranks[upper] = first
    ranks += ranks.T
    exact = n <= EXACT_UP_TO
    orders = _all_orders(n) if exact else _some_orders(n, permutations, seed)
    # Permuting items permutes rows and columns of the rank matrix together.
    drawn = ranks[orders[:, upper[0]], orders[:, upper[1]]] @ second
    found = float(first @ second)
    p = permutation_p(drawn, found, exact=exact)
    two_sided = permutation_p(np.abs(drawn), abs(found), exact=exact)
    return MantelTest(found, p, two_sided, len(orders), exact, verdict(p, least_p(drawn, exact=exact)))


def _standard_ranks(values: NDArray[np.float64]) -> NDArray[np.float64] | None:
    ranks = rankdata(values)
    ranks = ranks - ranks.mean()
    length = float(np.linalg.norm(ranks))
    return ranks / length if length > 0 else None


def _all_orders(n: int) -> NDArray[np.int64]:
    return np.array(list(itertools.permutations(range(n))), dtype=np.int64)


def _some_orders(n: int, permutations: int, seed: int) -> NDArray[np.int64]:
    return np.random.default_rng(seed).permuted(np.tile(np.arange(n), (permutations, 1)), axis=1)
