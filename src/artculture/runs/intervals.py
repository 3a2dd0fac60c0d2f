"""95 % confidence intervals, all as (low, high)."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Z = 1.959963984540054  # the normal distribution's 97.5 % point

Interval = tuple[float, float]


def wilson(right: int, n: int) -> Interval:
    """Of a share: Wilson's score interval (Wilson 1927, JASA 22:209-212), good for small n and near 0 or 1."""
    if n == 0:
        return (0.0, 1.0)
    p = right / n
    denominator = 1 + Z**2 / n
    centre = p + Z**2 / (2 * n)
    half = Z * math.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
    return (max(0.0, (centre - half) / denominator), min(1.0, (centre + half) / denominator))


def over_seeds(values: Sequence[float]) -> Interval | None:
    """Of a share's mean over independent seeds: Student's t, cut to 0..1; None for a single one."""
    if len(values) < 2:
        return None
    from scipy import stats  # takes longer to load than anything here to compute

    half = float(stats.t.ppf(0.975, len(values) - 1)) * float(stats.sem(values))
    mean = float(np.mean(values))
    return (max(0.0, mean - half), min(1.0, mean + half))


def bootstrap(
    statistic: Callable[[NDArray[np.int64]], float], n: int, resamples: int = 1000, seed: int = 0
) -> Interval:
    """Of any statistic of n items: percentiles over resamples with replacement.

    Args:
        statistic: of the indices drawn, int64 n.
        n: number of items.
        resamples: how many draws.
        seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    drawn = [statistic(rng.integers(0, n, n)) for _ in range(resamples)]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return (float(low), float(high))
