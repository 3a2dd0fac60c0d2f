"""The order of an epoch over shards: a few of them at a time, shuffled together, so that few must be at hand."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from artculture.data.batches import BatchMaker
from artculture.data.paintings import Paintings
from artculture.data.shards.pixels import ShardPixels


@dataclass(frozen=True)
class ShardOrder:
    """Orders the paintings of a split, a function of seed and epoch alone.

    The shards are shuffled and dealt into windows; within a window the paintings of all its shards are shuffled.

    Attributes:
        shards: the shard of each painting of the split, int64.
        window: shards shuffled together.
        seed: of the shuffling.
    """

    shards: NDArray[np.int64]
    window: int
    seed: int

    @cached_property
    def names(self) -> NDArray[np.int64]:
        """The shards that hold the split, ascending."""
        return np.unique(self.shards)

    def windows(self, epoch: int) -> NDArray[np.int64]:
        """The window of an epoch in which each of `names` is read."""
        drawn = np.random.default_rng([self.seed, epoch, 0])
        return drawn.permutation(len(self.names)) // self.window

    def places(self, epoch: int) -> NDArray[np.int64]:
        """The split's places in the order of an epoch."""
        numbers = self.windows(epoch)[np.searchsorted(self.names, self.shards)]
        drawn = np.random.default_rng([self.seed, epoch, 1])
        return np.lexsort((drawn.random(len(numbers)), numbers))

    def prefetching(self, make: BatchMaker) -> "PrefetchingBatches":
        """The same batches, with the shards of the next window fetched meanwhile."""
        return PrefetchingBatches(make, self)


def order_of(paintings: Paintings, seed: int) -> ShardOrder:
    """The order of training paintings whose pixels come in shards."""
    pixels, selection = paintings.cache, paintings.selection
    assert isinstance(pixels, ShardPixels)
    shards = pixels.shards.shard_of(selection.rows[selection.members("train")])
    return ShardOrder(shards, pixels.window, seed)


@dataclass(frozen=True)
class PrefetchingBatches:
    """Makes batches, and has the shards of the next window fetched while those of this one are read.

    What comes next is computed, not told, so that it works in any loader process and on any rank.

    Attributes:
        make: makes the batches.
        order: of the epochs.
    """

    make: BatchMaker
    order: ShardOrder

    def __call__(self, epoch: int, rows: NDArray[np.int64]) -> Tensor:
        """Pictures uint8 N x 3 x size x size, as `make` makes them."""
        pixels = self.make.cache
        assert isinstance(pixels, ShardPixels)
        if not len(rows):  # a device that has no share of a small batch
            return self.make(epoch, rows)
        names, windows = self.order.names, self.order.windows(epoch)
        here = pixels.shards.shard_of(self.make.positions[rows])
        last = windows[np.searchsorted(names, here)].max()
        pixels.prefetch(names[windows == last + 1].tolist())
        return self.make(epoch, rows)
