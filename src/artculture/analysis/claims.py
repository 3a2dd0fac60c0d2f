"""Words for the result of a test: significant, not significant, or too few items to tell."""

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.05
# Equal statistics may differ by rounding, depending on the order of summation.
SLACK = 1e-12
SIGNIFICANT, NOT_SIGNIFICANT, TOO_FEW = "significant", "not significant", "too few"


def verdict(p: float, least: float) -> str:
    """Return `significant`, `not significant`, or `too few` where no result could be significant at 5 %.

    Args:
        p: the p-value.
        least: the p-value of the most extreme result that these items allow.
    """
    if least >= LEVEL:
        return TOO_FEW
    return SIGNIFICANT if p < LEVEL else NOT_SIGNIFICANT


def permutation_p(drawn: NDArray[np.float64], observed: float, *, exact: bool) -> float:
    """Return the one-sided p-value of a permutation test.

    With b the number of permutations that reach the observed statistic it is b / n for all n permutations, and
    (b + 1) / (n + 1) for n random ones.

    Args:
        drawn: the statistic of each permutation.
        observed: that of the data.
        exact: whether these are all permutations, the observed one among them.
    """
    reached = int((drawn >= observed - SLACK).sum())
    return reached / len(drawn) if exact else (reached + 1) / (len(drawn) + 1)


def least_p(drawn: NDArray[np.float64], *, exact: bool) -> float:
    """Return the p-value of the largest statistic of a permutation test.

    Args:
        drawn: the statistic of each permutation.
        exact: whether these are all permutations, the observed one among them.
    """
    return permutation_p(drawn, drawn.max(), exact=True) if exact else 1 / (len(drawn) + 1)


def p_text(p: float) -> str:
    """Return a p-value for a sentence."""
    return "p < 0.0001" if p < 0.0001 else f"p = {p:.4f}"
