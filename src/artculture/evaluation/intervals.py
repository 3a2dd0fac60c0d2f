"""95 % confidence intervals of proportions such as accuracy, all as (low, high).

There are two kinds. `wilson` is for one trained network: its accuracy on images like those of its test split.
`interval_over_seeds` is for a recipe, one row of the results table: the accuracy to expect when it is trained with
another seed and tested on other images like these.

Both are score intervals: all p whose distance from the observed proportion is at most u standard errors, with the
standard error evaluated at p. They stay in 0..1, contain the estimate and have a positive width at 0 and 1.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Z = 1.959963984540054  # 97.5 % quantile of the standard normal distribution

# Prior of a recipe's spread over seeds, the standard deviation of its accuracy p in units of sqrt(p (1 - p)): a few
# seeds don't determine it. The log of the spread has a Student-t distribution; at p = 0.7 its median is 1.1 percentage
# points and its 90 % range is 0.3 to 5 points, as reported for fine-tuning on some hundred to some thousand images
# (Bouthillier et al. 2021, "Accounting for variance in machine learning benchmarks", MLSys 3:747-769).
SPREAD_MEDIAN, SPREAD_LOG_SCALE, SPREAD_DEGREES = 0.025, 0.7, 4
SPREADS = np.geomspace(2e-3, 0.9, 40)

Interval = tuple[float, float]
Values = NDArray[np.float64]


def wilson(right: int, n: int) -> Interval:
    """Return Wilson's score interval of right / n (Wilson 1927, JASA 22:209-212), good for small n and near 0 or 1."""
    return score_interval(right / n, n) if n else (0.0, 1.0)


def score_interval(share: float, n: float) -> Interval:
    """Return the score interval of a proportion, or of a mean as uncertain as one; `n` is the effective sample size."""
    low, high = _score_interval(np.array(share), np.array(Z**2 / n))
    return (float(low), float(high))


def effective_sample_size(share: float, interval: Interval) -> float:
    """Return the `n` that gives this `score_interval`, computed from the end farther from the share."""
    end = max(interval, key=lambda end: abs(end - share))
    distance = abs(end - share)
    return float(Z**2 * end * (1 - end) / distance**2) if distance else np.inf


def interval_over_seeds(shares: Values, n: float, shared: float = 0.0) -> tuple[Values, Values]:
    """Return the interval of a recipe's expected accuracy over seeds and test images, from one or more seeds.

    Variance components of the beta-binomial model: the accuracy of one seed has the variance
    p (1 - p) (r + (1 - r) / n) around the expected accuracy p, where r is the square of the spread over seeds (see
    `SPREADS`). The spread is integrated out, weighted by its prior times the normal likelihood of the sample variance.
    The interval is Wilson's, with the quantile of the resulting scale mixture of normals instead of the normal one.

    Args:
        shares: accuracy per seed in 0..1, ... x seeds; the leading axes are independent recipes.
        n: number of test images per seed (the harmonic mean if it differs).
        shared: correlation of the seeds' test samples, 0 (independent) to 1 (the same), see `sample_overlap`.

    Returns:
        Lower and upper ends, each with the shape of the leading axes.
    """
    seeds, mean = shares.shape[-1], shares.mean(axis=-1)
    between, within = SPREADS**2, (1 - SPREADS**2) / n
    of_one = between + within * (1 - shared)  # variance of one seed around the mean of many on these images
    of_mean = of_one / seeds + within * shared
    ratio = np.log(SPREADS / SPREAD_MEDIAN) / SPREAD_LOG_SCALE
    log_weight = -0.5 * (SPREAD_DEGREES + 1) * np.log1p(ratio**2 / SPREAD_DEGREES)
    if seeds > 1:
        # Add one correct and one wrong image: p (1 - p) must not be 0.
        smoothed = (mean * seeds * n + 1) / (seeds * n + 2)
        squares = ((shares - mean[..., None]) ** 2).sum(axis=-1) / (smoothed * (1 - smoothed))
        log_weight = log_weight - 0.5 * ((seeds - 1) * np.log(of_one) + squares[..., None] / of_one)
    weight = np.exp(log_weight - log_weight.max(axis=-1, keepdims=True))
    quantile = _quantile(weight / weight.sum(axis=-1, keepdims=True), np.sqrt(of_mean))
    return _score_interval(mean, quantile**2)


def sample_overlap(right: Sequence[pd.Series]) -> float:
    """Return how far the test results of several seeds are one sample of images, 0 (independent) to 1 (the same).

    It is the mean, over pairs of seeds, of the covariance of their accuracies that the images in common cause, as a
    fraction of the sampling variance of one accuracy.

    Args:
        right: one non-empty series per seed: 1 for a correct and 0 for a wrong prediction, indexed by the image's id.
    """
    if len(right) < 2:
        return 0.0
    table = pd.concat(right, axis=1)
    present = table.notna().to_numpy(dtype=np.float64)
    deviation, spread = (table - table.mean()).fillna(0).to_numpy(), table.std(ddof=0).to_numpy()
    # For seeds that are all correct or all wrong the correlation is undefined: assume it is 1 on common images.
    constant = np.logical_or.outer(spread == 0, spread == 0)
    scale = np.where(constant, 1.0, np.outer(spread, spread))
    common = np.where(constant, present.T @ present, deviation.T @ deviation / scale)
    counts = present.sum(axis=0)
    overlaps = common / np.sqrt(np.outer(counts, counts))
    return float(np.clip(overlaps[np.triu_indices(len(right), 1)].mean(), 0, 1))


def bootstrap_variance(
    statistic: Callable[[NDArray[np.int64]], float], n: int, resamples: int = 1000, seed: int = 0
) -> float:
    """Return the bootstrap variance of a statistic of n items.

    Args:
        statistic: function of the resampled indices, int64, n.
        n: number of items.
        resamples: number of bootstrap resamples.
        seed: seed of the random generator.
    """
    rng = np.random.default_rng(seed)
    return float(np.var([statistic(rng.integers(0, n, n)) for _ in range(resamples)], ddof=1))


def _quantile(weight: Values, error: Values) -> Values:
    """Return the 97.5 % quantile of mixtures of centred normals; weights ... x components, deviations components."""
    from scipy.special import ndtr  # slow to import and needed only for tables

    low, high = np.zeros(weight.shape[:-1]), np.full(weight.shape[:-1], Z * error.max())
    for _ in range(30):  # bisection to 1e-9 of the largest standard deviation
        middle = (low + high) / 2
        outside = (weight * ndtr(-middle[..., None] / error)).sum(axis=-1) > 0.025
        low, high = np.where(outside, middle, low), np.where(outside, high, middle)
    point: Values = (low + high) / 2
    return point


def _score_interval(share: Values, square: Values) -> tuple[Values, Values]:
    """Return the ends of {p: (share - p)^2 <= square p (1 - p)}."""
    centre, half = share + square / 2, np.sqrt(square * share * (1 - share) + square**2 / 4)
    return np.clip((centre - half) / (1 + square), 0, 1), np.clip((centre + half) / (1 + square), 0, 1)
