"""Order of an epoch in which cultures with few paintings are drawn more often."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

# Separates these draws from those of other orders.
STREAM = 2


@dataclass(frozen=True)
class ClassSampling:
    """Draws of an epoch as long as the split, as a function of seed and epoch alone.

    A class of n paintings is drawn in proportion to n ** exponent (Kang et al. 2020, "Decoupling Representation and
    Classifier for Long-Tailed Recognition", arXiv 1910.09217, eq. 1): 0 is balanced, 1/2 the square root, 1 the data as
    it is. The sampling is systematic (evenly spaced over the classes), so that both a class and a painting are drawn as
    often as expected, rounded up or down.

    Attributes:
        labels: class of each painting of the split, int64; those without one (-1) are drawn like a class of their own.
        exponent: 0 to 1.
        seed: seed of the run.
    """

    labels: NDArray[np.int64]
    exponent: float
    seed: int

    @cached_property
    def expected(self) -> NDArray[np.float64]:
        """How often each painting is drawn in an epoch on average, float64."""
        counts = np.bincount(self.labels + 1)[self.labels + 1]
        weights = counts ** (self.exponent - 1.0)
        return np.asarray(weights * (len(weights) / weights.sum()), dtype=np.float64)

    def __call__(self, epoch: int) -> NDArray[np.int64]:
        """Return the draws of an epoch, int64: painting `i` of `n` for the first time as i, then as i + n, i + 2n, …

        The number of the time tells apart the augmentations of a painting that is drawn several times.
        """
        drawn = np.random.default_rng([self.seed, epoch, STREAM])
        pictures = len(self.labels)
        by_class = np.lexsort((drawn.random(pictures), self.labels))
        ends = np.cumsum(self.expected[by_class])
        points = np.arange(pictures) + drawn.random()
        found = np.minimum(np.searchsorted(ends, points, side="right"), pictures - 1)
        times = np.arange(pictures) - np.searchsorted(found, found)
        return np.asarray(drawn.permutation(by_class[found] + pictures * times), dtype=np.int64)
