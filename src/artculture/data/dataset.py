"""Dataset and sampler of a split: whole batches, in an order that depends on seed and epoch alone."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler, SequentialSampler, get_worker_info

from artculture.data.mixing import BatchMix, apply_mix
from artculture.data.paintings import Paintings
from artculture.data.sharding import RankSlice

# Images, labels, rows; of mixed images also the labels of their partners, and float32 N, the share of each own label.
Batch = tuple[Tensor, ...]
Key = tuple[int, int]
MakeBatch = Callable[[int, NDArray[np.int64]], Tensor]
# Positions of an epoch in order; a position beyond the length is one that is drawn again.
Places = Callable[[int], NDArray[np.int64]]

# Stands in for the epoch of images that are not augmented.
NO_AUGMENTATION = -1


class EpochSampler(Sampler[Key]):
    """Sampler of (epoch, position) pairs, shuffled by seed and epoch alone, so that a resumed run sees the same order.

    Each position carries its epoch, because persistent loader workers keep their own copy of the dataset and are not
    notified of a new epoch.

    Args:
        length: number of images.
        seed: seed of the shuffling.
        epoch: first epoch.
        skip: images of the first epoch that were already seen; `len` still counts them.
        places: returns as many positions of an epoch in order; None for a plain permutation.
    """

    def __init__(
        self,
        length: int,
        seed: int,
        epoch: int = 0,
        skip: int = 0,
        places: Places | None = None,
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


class RepeatingSampler(EpochSampler, SequentialSampler):
    """Sampler of the first epoch's (epoch, position) pairs in every epoch, for `overfit_batches` of the trainer.

    Lightning takes a `SequentialSampler` as it is. The manifest's own order would be one culture alone.
    """

    def __iter__(self) -> Iterator[Key]:  # type: ignore[override]
        skip = self.skip if self.epoch == self.first_epoch else 0
        return ((0, int(place)) for place in self.places(0)[skip:])


class SplitDataset(Dataset[Batch]):
    """Images of one split, served as whole batches, or as one rank's slice of each batch.

    Args:
        paintings: paintings with their pixels.
        rows: rows of the split, int64.
        make: makes images of (epoch, rows); with None a batch holds (epoch, row) pairs, int64 N x 2, and the data
            module makes the images on the device that holds the pixels.
        share: the part of each batch that this rank gets; it may be empty.
        epoch: epoch of keys that carry none.
        mix: mixes the images of a batch; None for none.
    """

    def __init__(
        self,
        paintings: Paintings,
        rows: NDArray[np.int64],
        make: MakeBatch | None,
        rank_slice: RankSlice | None = None,
        epoch: int = 0,
        mix: BatchMix | None = None,
    ) -> None:
        self.labels, self.rows, self.make = paintings.selection.targets, rows, make
        self.rank_slice, self.epoch, self.mix = rank_slice or RankSlice(), epoch, mix

    def __len__(self) -> int:
        return len(self.rows)

    def __getitems__(self, keys: Sequence[Key | int]) -> Batch:
        epoch = keys[0][0] if isinstance(keys[0], tuple) else self.epoch
        places = np.array([key[1] if isinstance(key, tuple) else key for key in keys], dtype=np.int64)
        own = np.arange(len(keys))[self.rank_slice.of(len(keys))]
        times, found = np.divmod(places, len(self.rows))
        rows = self.rows[found]
        # The same painting drawn again is augmented otherwise, as a further row would be.
        draws = rows + times * len(self.labels)
        if self.mix is not None:
            return self._mixed(self.mix, epoch, rows, draws, own)
        return self._images(epoch, draws[own]), torch.from_numpy(self.labels[rows[own]]), torch.from_numpy(rows[own])

    def _images(self, epoch: int, draws: NDArray[np.int64]) -> Tensor:
        if self.make is None:
            return torch.from_numpy(np.column_stack([np.full_like(draws, epoch), draws]))
        return self.make(epoch, draws)

    def _mixed(
        self, mix: BatchMix, epoch: int, rows: NDArray[np.int64], draws: NDArray[np.int64], own: NDArray[np.int64]
    ) -> Batch:
        """Return this rank's part of a batch in which each image is mixed with the next one of the whole batch."""
        drawn = mix.draw(epoch, int(draws[0]))
        partners = (own + 1) % len(rows)
        # Of a part of a batch, the last image's partner belongs to another rank.
        shown = own if len(own) in (0, len(rows)) else np.append(own, partners[-1])
        images, share = self._images(epoch, draws[shown]), torch.full((len(own),), drawn.share)
        labels, others = (torch.from_numpy(self.labels[rows[at]]) for at in (own, partners))
        batch = images, labels, torch.from_numpy(rows[own]), others, share
        if self.make is None:  # mixed on the device, once they are made there
            return (*batch, drawn.as_tensor())
        return (apply_mix(images, drawn, len(own)), *batch[1:])


def identity_collate(batch: Any) -> Any:
    """Return the batch unchanged, because the dataset returns whole batches; in a loader process in shared memory.

    Raises:
        RuntimeError: shared memory is full. If the process's queue moved the batch there, the training would wait for
            it for ever.
    """
    if get_worker_info() is not None:
        for part in batch:
            part.share_memory_()
    return batch
