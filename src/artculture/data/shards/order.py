"""Order of an epoch over shards: images of a window of shards are shuffled together, so that few must be cached."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from artculture.data.batches import BatchMaker
from artculture.data.dataset import Places
from artculture.data.paintings import Paintings
from artculture.data.shards.pixels import ShardPixels


@dataclass(frozen=True)
class ShardOrder:
    """Order of a split's paintings, as a function of seed and epoch alone.

    Shards are shuffled and divided into windows; within a window the paintings of all its shards are shuffled.

    Attributes:
        shards: shard of each painting of the split, int64.
        window: number of shards shuffled together.
        seed: seed of the shuffling.
    """

    shards: NDArray[np.int64]
    window: int
    seed: int

    @cached_property
    def names(self) -> NDArray[np.int64]:
        """Shards that hold the split, ascending."""
        return np.unique(self.shards)

    def windows(self, epoch: int) -> NDArray[np.int64]:
        """Return the window of an epoch in which each of `names` is read."""
        drawn = np.random.default_rng([self.seed, epoch, 0])
        return drawn.permutation(len(self.names)) // self.window

    def places(self, epoch: int, draws: Places | None = None) -> NDArray[np.int64]:
        """Return the split's positions in the order of an epoch.

        Args:
            epoch: counted from 0.
            draws: returns what is drawn in an epoch, as `ClassSampling` does; None for every position once.
        """
        drawn_places = np.arange(len(self.shards)) if draws is None else draws(epoch)
        shards = self.shards[drawn_places % len(self.shards)]
        numbers = self.windows(epoch)[np.searchsorted(self.names, shards)]
        drawn = np.random.default_rng([self.seed, epoch, 1])
        return np.asarray(drawn_places[np.lexsort((drawn.random(len(numbers)), numbers))])

    def prefetching(self, make: BatchMaker) -> "PrefetchingBatches":
        """Return a maker of the same batches that prefetches the shards of the next window."""
        return PrefetchingBatches(make, self)


def order_of(paintings: Paintings, seed: int) -> ShardOrder:
    """Return the order of training paintings whose images are in shards."""
    pixels, selection = paintings.cache, paintings.selection
    assert isinstance(pixels, ShardPixels)
    shards = pixels.shards.shard_of(selection.rows[selection.members("train")])
    return ShardOrder(shards, pixels.window, seed)


@dataclass(frozen=True)
class PrefetchingBatches:
    """Maker of batches that prefetches the shards of the next window while this one is read.

    The next window is computed from the rows of a batch, so that it works in any loader process and on any rank.

    Attributes:
        make: makes the batches.
        order: order of the epochs.
    """

    make: BatchMaker
    order: ShardOrder

    def __call__(self, epoch: int, rows: NDArray[np.int64]) -> Tensor:
        """Return images uint8 N x 3 x size x size, as `make` does."""
        pixels = self.make.cache
        assert isinstance(pixels, ShardPixels)
        if not len(rows):  # a rank without a part of a small batch
            return self.make(epoch, rows)
        names, windows = self.order.names, self.order.windows(epoch)
        here = pixels.shards.shard_of(self.make.positions_of(rows))
        last = windows[np.searchsorted(names, here)].max()
        pixels.prefetch(names[windows == last + 1].tolist())
        return self.make(epoch, rows)
