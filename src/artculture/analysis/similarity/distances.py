"""Distances between mean feature vectors of cultures, the normalised similarity of the paper, and their intervals.

The plain distance between two sample means is biased upwards, the more so the fewer paintings there are, which makes
small cultures seem far from all others. The squared distance has an unbiased estimate: the plain square minus the
variances of both means; its standard error comes from the jackknife. The true square is modelled as a normal
distribution with that mean and error, truncated at 0: the roots of its median and its 2.5 % and 97.5 % quantiles are
the distance and its interval. Estimates therefore lie in their intervals, and noise alone never gives distance 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtri_exp

from artculture.analysis.many_classes import largest
from artculture.analysis.model_under_study import Embeddings
from artculture.evaluation.intervals import Z

SPLITS = ("train", "val", "test")
# The jackknife leaves one painting out, and a variance needs two.
MIN_PAINTINGS = 3
# Cultures with fewer paintings are marked: their distances are mostly noise.
SMALL_CULTURE = 10

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class CultureDistances:
    """Distances between the C cultures with at least three paintings.

    Attributes:
        cultures: in label order.
        absent: cultures with fewer paintings.
        counts: number of paintings, int64 C.
        distance: bias-corrected L2 distance between means, C x C, symmetric.
        similarity: normalised similarity of row A to column B, C x C; rows sum to 1, the diagonal is 0.
        distance_interval, similarity_interval: 95 % intervals (low, high), C x C each; they contain the estimates.
        splits: of the paintings used.
    """

    cultures: tuple[str, ...]
    absent: tuple[str, ...]
    counts: NDArray[np.int64]
    distance: Matrix
    similarity: Matrix
    distance_interval: tuple[Matrix, Matrix]
    similarity_interval: tuple[Matrix, Matrix]
    splits: tuple[str, ...]

    @property
    def small(self) -> tuple[str, ...]:
        """Cultures with fewer than `SMALL_CULTURE` paintings."""
        return tuple(name for name, count in zip(self.cultures, self.counts, strict=True) if count < SMALL_CULTURE)

    def largest(self, count: int) -> "CultureDistances":
        """Return the distances between the `count` cultures with the most paintings; similarities stay as they are."""
        kept = largest(self.counts, count)
        block = np.ix_(kept, kept)
        return CultureDistances(
            tuple(self.cultures[i] for i in kept),
            self.absent,
            self.counts[kept],
            self.distance[block],
            self.similarity[block],
            (self.distance_interval[0][block], self.distance_interval[1][block]),
            (self.similarity_interval[0][block], self.similarity_interval[1][block]),
            self.splits,
        )

    def label(self, culture: str) -> str:
        """Return the name of a culture for figures, with an asterisk for a small one."""
        return culture + ("*" if culture in self.small else "")

    def note(self) -> str:
        """Return the sentence about small cultures for captions; "" if there are none."""
        if not self.small:
            return ""
        return f"An asterisk marks cultures with fewer than {SMALL_CULTURE} paintings, whose position is mostly noise. "


def culture_distances(embeddings: Embeddings, splits: Sequence[str] = SPLITS) -> CultureDistances:
    """Compute distances and similarities of all cultures, with jackknife intervals over paintings."""
    taken = np.isin(embeddings.split, list(splits))
    features, labels = embeddings.features[taken].astype(np.float64), embeddings.labels[taken]
    counts = np.bincount(labels, minlength=len(embeddings.classes))
    present = np.flatnonzero(counts >= MIN_PAINTINGS)
    groups = [features[labels == label] for label in present]
    squares = unbiased_squared_distances(groups)
    without = [leave_one_out_squared_distances(groups, culture, squares) for culture in range(len(groups))]
    error = _jackknife_errors(without)
    distance, low, high = (np.sqrt(part) for part in truncated_normal_quantiles(squares, error))
    similarity = normalised_similarity(distance)
    return CultureDistances(
        tuple(embeddings.classes[label] for label in present),
        tuple(name for name, count in zip(embeddings.classes, counts, strict=True) if count < MIN_PAINTINGS),
        counts[present],
        distance,
        similarity,
        (low, high),
        _similarity_interval(similarity, squares, without, error),
        tuple(splits),
    )


def normalised_similarity(distance: Matrix) -> Matrix:
    """Return d(A,B)^-1 / sum over C != A of d(A,C)^-1, for one matrix or a stack of them (... x C x C).

    If the distance of A to k others is zero, each of them gets 1/k and the rest 0, the limit of the formula.
    """
    itself = np.eye(distance.shape[-1], dtype=bool)
    apart = np.where(itself, np.inf, distance)
    twin = apart == 0
    twins = twin.any(axis=-1, keepdims=True)
    # Relative to the smallest distance of the row, so that inverses of tiny distances do not overflow.
    least = np.min(apart, axis=-1, keepdims=True, initial=np.inf)
    scale = np.where(twins | np.isinf(least), 1.0, least)
    inverse = np.where(twins, twin, scale / np.where(twin, 1.0, apart))
    total = inverse.sum(axis=-1, keepdims=True)
    shares: Matrix = np.divide(inverse, total, out=np.zeros_like(inverse, dtype=np.float64), where=total > 0)
    return shares


def unbiased_squared_distances(groups: Sequence[Matrix]) -> Matrix:
    """Return unbiased estimates of the squared distances between true means, C x C; noise can make them negative.

    |mean A - mean B|^2 minus, for A and B each, the trace of the covariance divided by the number of paintings.

    Args:
        groups: features of each culture, n x features with n at least 2.
    """
    if not groups:
        return np.zeros((0, 0))
    means = np.array([group.mean(axis=0) for group in groups])
    scatter = np.array([group.var(axis=0, ddof=1).sum() / len(group) for group in groups])
    plain = np.array([((means - mean) ** 2).sum(axis=1) for mean in means])
    squares: Matrix = plain - scatter[:, None] - scatter[None, :]
    np.fill_diagonal(squares, 0.0)
    return squares


def leave_one_out_squared_distances(groups: Sequence[Matrix], culture: int, squares: Matrix) -> Matrix:
    """Return the row of `unbiased_squared_distances` of a culture with each of its n paintings left out, n x C.

    Args:
        groups: features of each culture, n x features with n at least 3.
        culture: index of the row.
        squares: estimates from all paintings, C x C.
    """
    group, n = groups[culture], len(groups[culture])
    mean = group.mean(axis=0)
    off = group - mean
    # Closed form of the unbiased estimate without painting i, instead of n recomputations.
    towards = off @ (mean - np.array([other.mean(axis=0) for other in groups])).T  # n x C
    lengths = (off**2).sum(axis=1)
    scatter = lengths.sum() / (n * (n - 1))
    scatter_without = (lengths.sum() - lengths * n / (n - 1)) / ((n - 1) * (n - 2))
    change = lengths / (n - 1) ** 2 + scatter - scatter_without
    without: Matrix = squares[culture] - 2 * towards / (n - 1) + change[:, None]
    without[:, culture] = 0.0
    return without


def truncated_normal_quantiles(squares: Matrix, error: Matrix) -> tuple[Matrix, Matrix, Matrix]:
    """Return the median, 2.5 % and 97.5 % quantile of normal distributions truncated at 0; 0 on the diagonal.

    Args:
        squares: means of the untruncated distributions, C x C.
        error: their standard deviations; where 0, all three quantiles are max(mean, 0).
    """
    certain = error <= 0
    scale = np.where(certain, 1.0, error)
    # Logarithms of the upper tails stay precise for means far below 0.
    above = log_ndtr(squares / scale)
    points = []
    for part in (0.5, 0.025, 0.975):
        point = squares - scale * ndtri_exp(above + np.log1p(-part))
        points.append(np.where(certain, np.clip(squares, 0, None), np.clip(point, 0, None)))
    return points[0], points[1], points[2]


def _jackknife_errors(without: Sequence[Matrix]) -> Matrix:
    """Return standard errors of the squares, C x C: the jackknife variances of both cultures added (Arvesen 1969)."""
    variance = np.array([(len(row) - 1) * row.var(axis=0) for row in without]).reshape(len(without), len(without))
    errors: Matrix = np.sqrt(variance + variance.T)
    return errors


def _similarity_interval(
    similarity: Matrix, squares: Matrix, without: Sequence[Matrix], error: Matrix
) -> tuple[Matrix, Matrix]:
    """Return jackknife intervals computed on the logarithmic scale, which keeps them positive."""
    variance = np.zeros_like(similarity)
    distance = np.sqrt(truncated_normal_quantiles(squares, error)[0])
    itself = np.eye(len(distance), dtype=bool)
    for culture, rows in enumerate(without):
        # Leaving out a painting of one culture changes the row and the column of that culture.
        changed = np.sqrt(truncated_normal_quantiles(rows, error[culture])[0])
        if (distance[~itself] > 0).all() and (changed[:, ~itself[culture]] > 0).all():
            variance += (len(rows) - 1) * _log_variance(distance, changed, culture)
            continue
        # Distances of zero, as of equal pictures, need the limits of the formula.
        replicates = np.repeat(distance[None], len(rows), axis=0)
        replicates[:, culture, :] = replicates[:, :, culture] = changed
        shares = normalised_similarity(replicates)
        variance += (len(rows) - 1) * np.log(np.where(shares > 0, shares, 1.0)).var(axis=0)
    factor = np.exp(Z * np.sqrt(variance))
    return similarity / factor, np.clip(similarity * factor, 0, 1)


def _log_variance(distance: Matrix, changed: Matrix, culture: int) -> Matrix:
    """Return the variance of the logarithms of the similarities where the distances of one culture change, C x C.

    Args:
        distance: C x C, positive outside its diagonal.
        changed: replicates of the row of the culture, n x C, positive outside its own column.
        culture: index of the row.
    """
    # n x C values instead of n x C x C: any other row changes in one distance and in its sum alone.
    others = np.delete(np.arange(len(distance)), culture)
    inverse = np.divide(1.0, distance, out=np.zeros_like(distance), where=distance > 0)
    new = 1.0 / changed[:, others]
    total = inverse[others].sum(axis=1) - inverse[others, culture] + new
    variance = np.zeros_like(distance)
    variance[others] = np.log(total).var(axis=0)[:, None]
    variance[others, culture] = (np.log(new) - np.log(total)).var(axis=0)
    variance[culture, others] = np.log(new / new.sum(axis=1, keepdims=True)).var(axis=0)
    np.fill_diagonal(variance, 0.0)
    return variance
