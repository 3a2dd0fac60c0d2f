"""What a loader draws from: the pictures of a split a batch at a time, in an order that seed and epoch alone decide."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from artculture.data.paintings import Paintings
from artculture.data.sharding import RankSlice

Batch = tuple[Tensor, Tensor, Tensor]
Key = tuple[int, int]
MakeBatch = Callable[[int, NDArray[np.int64]], Tensor]

# In place of the epoch of pictures that are not to be changed.
NO_AUGMENTATION = -1


class EpochSampler(Sampler[Key]):
    """(epoch, place) pairs: shuffled by seed and epoch alone, so a resumed run meets the same order.

    The epoch travels with each place: loader workers keep their own copy of the dataset and would not hear
    of a new epoch otherwise.

    Args:
        length: number of pictures.
        seed: of the shuffling.
        epoch: the first one.
        skip: pictures of the first epoch that were seen before; its length stays what it was.
        places: gives the places of an epoch in order; None: any order is as good as another.
    """

    def __init__(
        self,
        length: int,
        seed: int,
        epoch: int = 0,
        skip: int = 0,
        places: Callable[[int], NDArray[np.int64]] | None = None,
    ) -> None:
        self.length, self.seed, self.epoch = length, seed, epoch
        self.first_epoch, self.skip = epoch, skip
        self.places = places or self._shuffled

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[Key]:
        epoch, skip = self.epoch, self.skip if self.epoch == self.first_epoch else 0
        return ((epoch, int(place)) for place in self.places(epoch)[skip:])

    def _shuffled(self, epoch: int) -> NDArray[np.int64]:
        return np.random.default_rng([self.seed, epoch]).permutation(self.length)


class SplitDataset(Dataset[Batch]):
    """One split's pictures, a batch at a time, or a device's share of each.

    Args:
        paintings: with their pixels.
        rows: of the split.
        make: pictures of (epoch, rows); None leaves it to whoever has the pixels on a device, who gets the
            epoch and rows instead, int64 N x 2.
        share: of each batch that is asked for, what is given; none of it may be left.
        epoch: of keys that tell none.
    """

    def __init__(
        self,
        paintings: Paintings,
        rows: NDArray[np.int64],
        make: MakeBatch | None,
        rank_slice: RankSlice | None = None,
        epoch: int = 0,
    ) -> None:
        self.labels, self.rows, self.make = paintings.selection.labels, rows, make
        self.rank_slice, self.epoch = rank_slice or RankSlice(), epoch

    def __len__(self) -> int:
        return len(self.rows)

    def __getitems__(self, keys: Sequence[Key | int]) -> Batch:
        epoch = keys[0][0] if isinstance(keys[0], tuple) else self.epoch
        places = [key[1] if isinstance(key, tuple) else key for key in keys[self.rank_slice.of(len(keys))]]
        rows = self.rows[np.array(places, dtype=np.int64)]
        labels = torch.from_numpy(self.labels[rows])
        if self.make is None:
            asked = np.column_stack([np.full_like(rows, epoch), rows])
            return torch.from_numpy(asked), labels, torch.from_numpy(rows)
        return self.make(epoch, rows), labels, torch.from_numpy(rows)


def identity_collate(batch: Any) -> Any:
    """Collate nothing: the dataset gave a whole batch."""
    return batch
