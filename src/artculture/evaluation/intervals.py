"""95 % confidence intervals of shares, all as (low, high).

A study asks about two different things. Of one trained network: its share on paintings like those that it was tested
on (`wilson`). Of a recipe, a row of the table: the share to expect when it is trained again with another seed and
tested on other paintings like these (`over_seeds`), for which one seed is a sample of one.

Both are score intervals: all p whose distance from the observed share is at most u standard errors, with the standard
error taken at p itself, so they stay in 0..1, hold the estimate and keep a width at 0 and 1.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Z = 1.959963984540054  # the normal distribution's 97.5 % point

# The spread of a recipe's share p over seeds: the standard deviation in units of sqrt(p (1 - p)). What few seeds can't
# tell is assumed: the spread's logarithm has a Student-t prior, at p = 0.7 with a median of 1.1 percentage points and
# 0.3 to 5 points in nine of ten recipes, as is usual for fine-tuning on some hundred to some thousand pictures
# (Bouthillier et al. 2021, "Accounting for variance in machine learning benchmarks", MLSys 3:747-769).
SPREAD_MEDIAN, SPREAD_LOG_SCALE, SPREAD_DEGREES = 0.025, 0.7, 4
SPREADS = np.geomspace(2e-3, 0.9, 40)

Interval = tuple[float, float]
Values = NDArray[np.float64]


def wilson(right: int, n: int) -> Interval:
    """Of a share: Wilson's score interval (Wilson 1927, JASA 22:209-212), good for small n and near 0 or 1."""
    return score_interval(right / n, n) if n else (0.0, 1.0)


def score_interval(share: float, paintings: float) -> Interval:
    """Of a share, or of a mean that is as uncertain as a share of so many (above 0, not always whole) paintings."""
    low, high = _score_interval(np.array(share), np.array(Z**2 / paintings))
    return (float(low), float(high))


def equivalent_paintings(share: float, interval: Interval) -> float:
    """The number of paintings whose `score_interval` this is; its end that lies farther from the share is read."""
    end = max(interval, key=lambda end: abs(end - share))
    distance = abs(end - share)
    return float(Z**2 * end * (1 - end) / distance**2) if distance else np.inf


def over_seeds(shares: Values, paintings: float, shared: float = 0.0) -> tuple[Values, Values]:
    """Of the share to expect from a recipe over its seeds and test paintings, from one seed or more.

    Variance components of the beta-binomial model: one seed's share lies about the expected share p with the variance
    p (1 - p) (r + (1 - r) / n), r being the square of the spread over seeds (see `SPREADS`). The spread is integrated
    out, by its prior times the normal likelihood of the shares' sample variance. The interval is Wilson's, with the
    quantile of the scale mixture of normals that this leaves in place of the normal's.

    Args:
        shares: 0..1, ... x seeds: every last axis is a study of its own.
        paintings: n, tested by each seed (the harmonic mean where they differ).
        shared: how far the seeds' test results are one sample, 0 (independent) to 1, as `shared_sample` finds it.

    Returns:
        Both ends, of the leading axes' shape.
    """
    seeds, mean = shares.shape[-1], shares.mean(axis=-1)
    between, within = SPREADS**2, (1 - SPREADS**2) / paintings
    of_one = between + within * (1 - shared)  # variance of a share about the mean of many seeds on these paintings
    of_mean = of_one / seeds + within * shared
    ratio = np.log(SPREADS / SPREAD_MEDIAN) / SPREAD_LOG_SCALE
    log_weight = -0.5 * (SPREAD_DEGREES + 1) * np.log1p(ratio**2 / SPREAD_DEGREES)
    if seeds > 1:
        # One painting more right and one more wrong, for where p (1 - p) would be 0.
        smoothed = (mean * seeds * paintings + 1) / (seeds * paintings + 2)
        squares = ((shares - mean[..., None]) ** 2).sum(axis=-1) / (smoothed * (1 - smoothed))
        log_weight = log_weight - 0.5 * ((seeds - 1) * np.log(of_one) + squares[..., None] / of_one)
    weight = np.exp(log_weight - log_weight.max(axis=-1, keepdims=True))
    quantile = _quantile(weight / weight.sum(axis=-1, keepdims=True), np.sqrt(of_mean))
    return _score_interval(mean, quantile**2)


def shared_sample(right: Sequence[pd.Series]) -> float:
    """How far several test results are one sample of paintings, 0 (independent) to 1.

    The mean, over pairs of seeds, of the covariance of their shares by the paintings they have in common, as a part of
    a share's own sampling variance.

    Args:
        right: one series a seed: whether each painting is right (0 or 1), indexed by the painting's id; never empty.
    """
    if len(right) < 2:
        return 0.0
    table = pd.concat(right, axis=1)
    present = table.notna().to_numpy(dtype=np.float64)
    deviation, spread = (table - table.mean()).fillna(0).to_numpy(), table.std(ddof=0).to_numpy()
    # Seeds that are all right or all wrong: having the same paintings could be the whole reason.
    constant = np.logical_or.outer(spread == 0, spread == 0)
    scale = np.where(constant, 1.0, np.outer(spread, spread))
    together = np.where(constant, present.T @ present, deviation.T @ deviation / scale)
    number = present.sum(axis=0)
    parts = together / np.sqrt(np.outer(number, number))
    return float(np.clip(parts[np.triu_indices(len(right), 1)].mean(), 0, 1))


def bootstrap_variance(
    statistic: Callable[[NDArray[np.int64]], float], n: int, resamples: int = 1000, seed: int = 0
) -> float:
    """The sampling variance of any statistic of n items, over resamples with replacement.

    Args:
        statistic: of the indices drawn, int64 n.
        n: number of items.
        resamples: how many draws.
        seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    return float(np.var([statistic(rng.integers(0, n, n)) for _ in range(resamples)], ddof=1))


def _quantile(weight: Values, error: Values) -> Values:
    """The 97.5 % point of mixtures of centred normals; weights ... x components, standard deviations components."""
    from scipy.special import ndtr  # slow to load, and asked for only where a table is made

    low, high = np.zeros(weight.shape[:-1]), np.full(weight.shape[:-1], Z * error.max())
    for _ in range(30):  # bisection, to a billionth of the largest component
        middle = (low + high) / 2
        outside = (weight * ndtr(-middle[..., None] / error)).sum(axis=-1) > 0.025
        low, high = np.where(outside, middle, low), np.where(outside, high, middle)
    point: Values = (low + high) / 2
    return point


def _score_interval(share: Values, square: Values) -> tuple[Values, Values]:
    """All p with (share - p)^2 <= square p (1 - p)."""
    centre, half = share + square / 2, np.sqrt(square * share * (1 - share) + square**2 / 4)
    return np.clip((centre - half) / (1 + square), 0, 1), np.clip((centre + half) / (1 + square), 0, 1)
