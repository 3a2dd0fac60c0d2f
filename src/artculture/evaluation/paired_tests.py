"""Paired tests of two classifiers on the same test images: exact McNemar, bootstrap of the difference, Holm."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from artculture.evaluation.intervals import SPREAD_DEGREES, SPREAD_LOG_SCALE, SPREAD_MEDIAN, SPREADS

RESAMPLES = 4000
TAIL = 0.025
# Standard deviations over seeds of the difference of two accuracies near 1/2, for the spreads of one recipe.
SEED_SPREADS = SPREADS * np.sqrt(2 * 0.25)

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Difference:
    """Difference of a metric, first minus second classifier.

    Attributes:
        value: the estimate, -1..1.
        low: lower end of the 95 % interval.
        high: upper end.
        p: two-sided p-value of no difference, from the bootstrap.
    """

    value: float
    low: float
    high: float
    p: float


def mcnemar(first: ArrayLike, second: ArrayLike) -> float:
    """Return the exact two-sided p-value of McNemar's test that two classifiers are correct equally often.

    If so, each image that only one of them gets right (a discordant pair) is as likely to be of either kind, so that
    their number is binomial with p = 1/2 (McNemar 1947, Psychometrika 12:153-157; recommended for classifiers by
    Dietterich 1998, Neural Computation 10:1895-1923).

    Args:
        first: whether the first classifier is correct, bool, N.
        second: the same of the second one for the same images.
    """
    from scipy.stats import binomtest  # slow to import and needed only for tables

    a, b = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
    only_first, only_second = int((a & ~b).sum()), int((~a & b).sum())
    discordant = only_first + only_second
    return float(binomtest(only_first, discordant, 0.5).pvalue) if discordant else 1.0


def holm(p_values: ArrayLike) -> Values:
    """Return p-values adjusted for their number (Holm 1979, Scandinavian Journal of Statistics 6:65-70).

    Rejecting those below 0.05 keeps the probability of any false rejection at 5 %, however the tests depend on each
    other.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return adjusted


def paired_bootstrap(
    differences: Values, labels: NDArray[np.int64], resamples: int = RESAMPLES, seed: int = 0
) -> tuple[Difference, Difference]:
    """Return the differences of top-1 accuracy and of macro recall, averaged over the seeds, from a paired bootstrap.

    Images are resampled, each with the results of both classifiers and all seeds, and the interval is the percentile
    interval (Efron & Tibshirani 1993, "An Introduction to the Bootstrap", chapters 8 and 13). One seed therefore gives
    an interval for these two networks. Several seeds give one for the two recipes: each resample adds the mean effect
    of as many seeds, drawn from a normal distribution instead of the few observed values (the semiparametric
    hierarchical bootstrap; Davison & Hinkley 1997, "Bootstrap Methods and their Application", section 3.8). Its
    variance is that between the observed seeds less what the images explain, which resampling at both levels would
    count twice, with the prior of `intervals`.

    Args:
        differences: 1 where only the first classifier is correct, -1 where only the second is, 0 where they agree and
            NaN where an image was not in the test split of both; float64, seeds x N.
        labels: true class indices, N.
        resamples: number of bootstrap resamples.
        seed: seed of the random generator.
    """
    rng = np.random.default_rng(seed)
    # Images with the same label and results are interchangeable: resample the counts of each kind.
    columns = np.column_stack([labels, np.nan_to_num(differences, nan=2).T])
    kinds, counts = np.unique(columns, axis=0, return_counts=True)
    weights = np.vstack([counts, rng.multinomial(counts.sum(), counts / counts.sum(), resamples)])
    classes = kinds[:, :1] == np.unique(kinds[:, 0])
    present = kinds[:, 1:].T != 2
    pairs = [(weights[:, here], kind[here], classes[here]) for kind, here in zip(kinds[:, 1:].T, present, strict=True)]
    support = np.stack([(counts[here, None] * classes[here]).sum(axis=0) for here in present])
    top1 = np.stack([_top1(*pair) for pair in pairs], axis=1)
    recall = np.stack([_macro_recall(*pair) for pair in pairs], axis=1)
    return (
        _difference(top1, rng, float(support.sum(axis=1).mean())),
        _difference(recall, rng, float(np.mean([_equivalent_images(n) for n in support]))),
    )


def _top1(weights: NDArray[np.int64], kind: Values, _classes: NDArray[np.bool_]) -> Values:
    """Return the weighted mean difference, one per row of the weights (rows x kinds)."""
    mean: Values = weights @ kind / np.maximum(weights.sum(axis=1), 1)
    return mean


def _macro_recall(weights: NDArray[np.int64], kind: Values, classes: NDArray[np.bool_]) -> Values:
    """Return the mean difference over the classes that occur, one per row of the weights (rows x kinds)."""
    total = weights @ classes
    recall = weights @ (kind[:, None] * classes) / np.maximum(total, 1)
    mean: Values = recall.sum(axis=1) / np.maximum((total > 0).sum(axis=1), 1)
    return mean


def _equivalent_images(support: NDArray[np.int64]) -> float:
    """Return the number of images whose mean is as uncertain as the mean of the recalls of all classes."""
    support = support[support > 0]
    return float(len(support) ** 2 / (1 / support).sum())


def _difference(values: Values, rng: np.random.Generator, images: float) -> Difference:
    """Return the mean difference, its interval and its p-value.

    Args:
        values: observed differences and then those of each resample, (1 + resamples) x seeds.
        rng: random generator of the effects of seeds.
        images: number of images, for the interval if the classifiers never differ.
    """
    observed, resampled = values[0], values[1:]
    value, draws = float(observed.mean()), resampled.mean(axis=1)
    if len(observed) > 1:
        spread = rng.choice(SEED_SPREADS, len(draws), p=_spread_weights(observed, resampled))
        draws = draws + spread / np.sqrt(len(observed)) * rng.standard_normal(len(draws))
    low, high = (float(end) for end in np.quantile(draws, [TAIL, 1 - TAIL]))
    if low == high:  # the rule of three: Hanley & Lippman-Hand 1983, JAMA 249:1743-1745
        low, high = value - 3 / images, value + 3 / images
    as_far = int((np.abs(draws - value) >= abs(value)).sum())
    return Difference(value, max(-1.0, low), min(1.0, high), (1 + as_far) / (1 + len(draws)))


def _spread_weights(observed: Values, resampled: Values) -> Values:
    """Return the posterior probability of each of `SEED_SPREADS`, given the differences of two or more seeds."""
    seeds = len(observed)
    covariance = np.cov(resampled, rowvar=False)
    own = float(covariance.trace()) / seeds
    shared = (float(covariance.sum()) - own * seeds) / (seeds * (seeds - 1))
    # Variance between seeds of the same images, if the seeds have no effect: the images that they don't share, and
    # those on which they disagree.
    variance = SEED_SPREADS**2 + max(0.0, own - shared)
    ratio = np.log(SPREADS / SPREAD_MEDIAN) / SPREAD_LOG_SCALE
    log_weight = -0.5 * (SPREAD_DEGREES + 1) * np.log1p(ratio**2 / SPREAD_DEGREES)
    log_weight -= 0.5 * (seeds - 1) * (np.log(variance) + observed.var(ddof=1) / variance)
    weight: Values = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    return weight
