"""Words for the result of a test: significant, not significant, or too few items to tell."""

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.05
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


def least_p(drawn: NDArray[np.float64], *, exact: bool) -> float:
    """Return the p-value of the largest statistic of a permutation test.

    Args:
        drawn: the statistic of each permutation.
        exact: whether these are all permutations, the observed one among them.
    """
    ties = int((drawn >= drawn.max() - 1e-12).sum())
    return ties / len(drawn) if exact else 1 / (len(drawn) + 1)


def p_text(p: float) -> str:
    """Return a p-value for a sentence."""
    return "p < 0.0001" if p < 0.0001 else f"p = {p:.4f}"
