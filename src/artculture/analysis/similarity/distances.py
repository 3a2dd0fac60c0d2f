"""How far cultures' mean feature vectors lie apart, the paper's normalised similarity, and how sure both are.

A mean of few vectors lies off its culture's true mean, in many dimensions always outwards, so the plain distance
between two means makes small cultures seem far from all others. The square of the distance has an unbiased estimate,
the plain square less the scatter of both means; its standard error is the jackknife's. What the true square may be is
then a normal distribution about that estimate, cut at 0: its median and its 95 % are the distance and its interval, so
that an estimate always lies in its interval and two cultures never lie at distance 0 because of noise alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtri_exp

from artculture.analysis.model_under_study import Embeddings
from artculture.evaluation.intervals import Z

SPLITS = ("train", "val", "test")
# Without one of them there must still be a scatter.
FEWEST = 3
# Of fewer paintings a culture's distances are mostly noise: marked.
FEW = 10

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class CultureDistances:
    """Distances between the C cultures that have at least three paintings.

    Attributes:
        cultures: in label order; those with fewer paintings are in `absent`.
        counts: paintings of each, int64 C.
        distance: L2 between means, corrected for what few paintings add, C x C, symmetric.
        similarity: the paper's, row A to column B; rows sum to 1, the diagonal is 0.
        distance_interval, similarity_interval: 95 %, (low, high), C x C each; each holds its estimate.
        splits: whose paintings were taken.
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
        """Cultures with fewer than `FEW` paintings."""
        return tuple(name for name, count in zip(self.cultures, self.counts, strict=True) if count < FEW)

    def label(self, culture: str) -> str:
        """A culture's name as figures show it, small ones with an asterisk."""
        return culture + ("*" if culture in self.small else "")

    def note(self) -> str:
        """What a caption says of small cultures; "" where there is none."""
        if not self.small:
            return ""
        return f"An asterisk marks cultures with fewer than {FEW} paintings, whose place is mostly chance. "


def culture_distances(embeddings: Embeddings, splits: Sequence[str] = SPLITS) -> CultureDistances:
    """Distances and similarities of all cultures, with jackknife intervals over paintings."""
    taken = np.isin(embeddings.split, list(splits))
    features, labels = embeddings.features[taken].astype(np.float64), embeddings.labels[taken]
    counts = np.bincount(labels, minlength=len(embeddings.classes))
    present = np.flatnonzero(counts >= FEWEST)
    groups = [features[labels == label] for label in present]
    squares = unbiased_squared_distances(groups)
    without = [leave_one_out_squared_distances(groups, culture, squares) for culture in range(len(groups))]
    error = _jackknife_errors(without)
    distance, low, high = (np.sqrt(part) for part in truncated_normal_quantiles(squares, error))
    similarity = normalised_similarity(distance)
    return CultureDistances(
        tuple(embeddings.classes[label] for label in present),
        tuple(name for name, count in zip(embeddings.classes, counts, strict=True) if count < FEWEST),
        counts[present],
        distance,
        similarity,
        (low, high),
        _similarity_interval(similarity, squares, without, error),
        tuple(splits),
    )


def normalised_similarity(distance: Matrix) -> Matrix:
    """d(A,B)^-1 / sum over C != A of d(A,C)^-1, for one matrix or a stack of them (... x C x C).

    Where A's distance to k others is zero, each of them gets 1/k and the rest 0: the formula's limit.
    """
    itself = np.eye(distance.shape[-1], dtype=bool)
    apart = np.where(itself, np.inf, distance)
    twin = apart == 0
    twins = twin.any(axis=-1, keepdims=True)
    # Measured in the row's least distance, so that the inverse of a tiny one does not overflow.
    least = np.min(apart, axis=-1, keepdims=True, initial=np.inf)
    scale = np.where(twins | np.isinf(least), 1.0, least)
    inverse = np.where(twins, twin, scale / np.where(twin, 1.0, apart))
    total = inverse.sum(axis=-1, keepdims=True)
    shares: Matrix = np.divide(inverse, total, out=np.zeros_like(inverse, dtype=np.float64), where=total > 0)
    return shares


def unbiased_squared_distances(groups: Sequence[Matrix]) -> Matrix:
    """Unbiased estimates of the squared distances between true means, C x C; below 0 where noise has it so.

    |mean A - mean B|^2 less, for A and B each, the trace of the covariance over the number of paintings.

    Args:
        groups: n x features of each culture, n at least 2.
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
    """The row of `unbiased_squared_distances` of one culture without each of its paintings in turn, n x C.

    Args:
        groups: n x features of each culture, n at least 3.
        culture: the row.
        squares: of all paintings.
    """
    group, n = groups[culture], len(groups[culture])
    mean = group.mean(axis=0)
    off = group - mean
    towards = off @ (mean - np.array([other.mean(axis=0) for other in groups])).T  # n x C
    lengths = (off**2).sum(axis=1)
    scatter = lengths.sum() / (n * (n - 1))
    scatter_without = (lengths.sum() - lengths * n / (n - 1)) / ((n - 1) * (n - 2))
    change = lengths / (n - 1) ** 2 + scatter - scatter_without
    without: Matrix = squares[culture] - 2 * towards / (n - 1) + change[:, None]
    without[:, culture] = 0.0
    return without


def truncated_normal_quantiles(squares: Matrix, error: Matrix) -> tuple[Matrix, Matrix, Matrix]:
    """Median, 2.5 % and 97.5 % point of normal distributions that are cut off below 0; 0 on the diagonal.

    Args:
        squares: the uncut distributions' means.
        error: their standard deviations; where 0, all three are the mean or 0.
    """
    certain = error <= 0
    scale = np.where(certain, 1.0, error)
    # Logarithms of the parts above the points: precise however far below 0 the mean is.
    above = log_ndtr(squares / scale)
    points = []
    for part in (0.5, 0.025, 0.975):
        point = squares - scale * ndtri_exp(above + np.log1p(-part))
        points.append(np.where(certain, np.clip(squares, 0, None), np.clip(point, 0, None)))
    return points[0], points[1], points[2]


def _jackknife_errors(without: Sequence[Matrix]) -> Matrix:
    """Standard errors of the squares, C x C: both cultures' jackknife variances added (Arvesen 1969)."""
    variance = np.array([(len(row) - 1) * row.var(axis=0) for row in without]).reshape(len(without), len(without))
    errors: Matrix = np.sqrt(variance + variance.T)
    return errors


def _similarity_interval(
    similarity: Matrix, squares: Matrix, without: Sequence[Matrix], error: Matrix
) -> tuple[Matrix, Matrix]:
    """The jackknife's on the scale of the logarithm, where a share stays positive."""
    variance = np.zeros_like(similarity)
    for culture, rows in enumerate(without):
        replicates = np.repeat(squares[None], len(rows), axis=0)
        replicates[:, culture, :] = replicates[:, :, culture] = rows
        shares = normalised_similarity(np.sqrt(truncated_normal_quantiles(replicates, error)[0]))
        variance += (len(rows) - 1) * np.log(np.where(shares > 0, shares, 1.0)).var(axis=0)
    factor = np.exp(Z * np.sqrt(variance))
    return similarity / factor, np.clip(similarity * factor, 0, 1)
