"""How far cultures' mean feature vectors lie apart, the paper's normalised similarity, and how sure both are.

A mean of few vectors lies off its culture's true mean, in many dimensions always outwards: the fewer paintings, the
farther a culture seems from all others. Resampled means show how much, so intervals are the basic bootstrap's, which
reflects them about the estimate and so takes that excess off; the `corrected` distance does the same directly.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from artculture.analysis.subject import Featurised

SPLITS = ("train", "val", "test")
# Features are resampled a block at a time: memory stays small for any backbone.
BLOCK = 512

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class CultureDistances:
    """Distances between the C cultures that have paintings.

    Attributes:
        cultures: in label order; those without a painting are in `absent`.
        counts: paintings of each, int64 C.
        means: C x features.
        distance: L2 between means, C x C, symmetric.
        corrected: the same less what the scatter of few paintings adds, 0 where nothing is left.
        similarity: the paper's, row A to column B; rows sum to 1, the diagonal is 0.
        distance_interval, similarity_interval: 95 %, (low, high), C x C each.
        splits: whose paintings were taken.
    """

    cultures: tuple[str, ...]
    absent: tuple[str, ...]
    counts: NDArray[np.int64]
    means: Matrix
    distance: Matrix
    corrected: Matrix
    similarity: Matrix
    distance_interval: tuple[Matrix, Matrix]
    similarity_interval: tuple[Matrix, Matrix]
    splits: tuple[str, ...]


def culture_distances(
    featurised: Featurised, splits: Sequence[str] = SPLITS, resamples: int = 1000, seed: int = 0
) -> CultureDistances:
    """Means, distances and similarities of all cultures, with bootstrap intervals over paintings."""
    taken = np.isin(featurised.split, list(splits))
    features, labels = featurised.features[taken], featurised.labels[taken]
    counts = np.bincount(labels, minlength=len(featurised.classes))
    present = np.flatnonzero(counts)
    # Distances don't change with the origin, and small numbers keep float32 exact enough.
    centred = features - features.mean(axis=0, dtype=np.float64).astype(np.float32)
    groups = [centred[labels == label] for label in present]
    means = np.array([group.mean(axis=0, dtype=np.float64) for group in groups])
    distance = l2(means)
    scatter = np.array([_scatter_of_mean(group) for group in groups])
    squares = resampled_squares(groups, resamples, seed)
    return CultureDistances(
        tuple(featurised.classes[label] for label in present),
        tuple(name for name, count in zip(featurised.classes, counts, strict=True) if not count),
        counts[present],
        means + features.mean(axis=0, dtype=np.float64),
        distance,
        _corrected(distance, scatter),
        similarity_of(distance),
        _distance_interval(distance, squares),
        _similarity_interval(distance, squares),
        tuple(splits),
    )


def l2(means: Matrix) -> Matrix:
    """Euclidean distance between each two rows."""
    return np.array([np.linalg.norm(means - mean, axis=1) for mean in means]).reshape(len(means), len(means))


def similarity_of(distance: Matrix) -> Matrix:
    """d(A,B)^-1 / sum over C != A of d(A,C)^-1, for one matrix or a stack of them (... x C x C).

    Where A's distance to k others is zero, each of them gets 1/k and the rest 0: the formula's limit.
    """
    itself = np.eye(distance.shape[-1], dtype=bool)
    apart = np.where(itself, np.inf, distance)
    twin = apart == 0
    twins = twin.any(axis=-1, keepdims=True)
    # Measured in the row's least distance, so that the inverse of a tiny one does not overflow.
    least = np.min(apart, axis=-1, keepdims=True)
    scale = np.where(twins | np.isinf(least), 1.0, least)
    inverse = np.where(twins, twin, scale / np.where(twin, 1.0, apart))
    total = inverse.sum(axis=-1, keepdims=True)
    shares: Matrix = np.divide(inverse, total, out=np.zeros_like(inverse, dtype=np.float64), where=total > 0)
    return shares


def resampled_squares(groups: Sequence[NDArray[np.float32]], resamples: int, seed: int) -> Matrix:
    """Squared distances between means of resampled paintings, each culture resampled by itself.

    A resample is a vector of multinomial counts, so that all of them are one matrix product a culture.

    Args:
        groups: n_c x features of each culture.
        resamples: R.
        seed: of the draws.

    Returns:
        R x C x C.
    """
    rng = np.random.default_rng(seed)
    weights = [
        (rng.multinomial(len(group), np.full(len(group), 1 / len(group)), size=resamples) / len(group)).astype("f4")
        for group in groups
    ]
    squares = np.zeros((resamples, len(groups), len(groups)))
    for start in range(0, groups[0].shape[1], BLOCK):
        means = [weight @ group[:, start : start + BLOCK] for weight, group in zip(weights, groups, strict=True)]
        for a in range(len(groups)):
            for b in range(a):
                apart = means[a] - means[b]
                squares[:, a, b] += np.einsum("rf,rf->r", apart, apart)
    return squares + squares.transpose(0, 2, 1)


def _scatter_of_mean(group: NDArray[np.float32]) -> float:
    # The expected squared distance of a sample's mean from the true one: trace of the covariance over n. Of one
    # painting nobody can say.
    return float(group.var(axis=0, ddof=1, dtype=np.float64).sum() / len(group)) if len(group) > 1 else 0.0


def _corrected(distance: Matrix, scatter: Matrix) -> Matrix:
    squares = distance**2 - scatter[:, None] - scatter[None, :]
    np.fill_diagonal(squares, 0.0)
    return np.sqrt(np.clip(squares, 0, None))


def _distance_interval(distance: Matrix, squares: Matrix) -> tuple[Matrix, Matrix]:
    low, high = np.percentile(squares, [2.5, 97.5], axis=0)
    reflected = (2 * distance**2 - high, 2 * distance**2 - low)
    first, last = (np.sqrt(np.clip(square, 0, None)) for square in reflected)
    return first, last


def _similarity_interval(distance: Matrix, squares: Matrix) -> tuple[Matrix, Matrix]:
    """Reflected on the scale of the logarithm, where a share stays positive."""
    estimate = similarity_of(distance)
    low, high = np.percentile(similarity_of(np.sqrt(squares)), [2.5, 97.5], axis=0)
    ends = []
    for end in (high, low):
        known = (end > 0) & (estimate > 0)
        ends.append(np.clip(np.divide(estimate**2, end, out=estimate.copy(), where=known), 0, 1))
    return ends[0], ends[1]
