"""The LightningDataModule: batches of uint8 pictures in an order that seed and epoch alone decide."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import lightning as L
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from artculture.data.paintings import DataChoice, Paintings, load_paintings
from artculture.data.transforms import Augmentation, Preprocessing, Transform, eval_transform, train_transform
from artculture.errors import InputError

Batch = tuple[Tensor, Tensor, Tensor]
Item = tuple[Tensor, int, int]
Key = tuple[int, int]


def derived_seed(*parts: int) -> int:
    """One 63-bit seed of several numbers: different parts, unrelated seeds, the same on every machine."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> 1)


@dataclass(frozen=True)
class Position:
    """Where a training stands: `batches` of `epoch` are done, fewer than the epoch has."""

    epoch: int = 0
    batches: int = 0


def position(trainer: L.Trainer) -> Position:
    """Where a trainer's fit stands between two steps."""
    done = trainer.fit_loop.batch_idx + 1
    if done >= trainer.num_training_batches:
        return Position(trainer.current_epoch + 1)
    return Position(trainer.current_epoch, done)


class EpochOrder(Sampler[Key]):
    """(epoch, place) pairs: shuffled by seed and epoch alone, so a resumed run meets the same order.

    The epoch travels with each place: loader workers keep their own copy of the dataset and would not hear
    of a new epoch otherwise.

    Args:
        length: number of pictures.
        seed: of the shuffling.
        epoch: the first one.
        skip: pictures of the first epoch that were seen before; its length stays what it was.
    """

    def __init__(self, length: int, seed: int, epoch: int = 0, skip: int = 0) -> None:
        self.length, self.seed, self.epoch = length, seed, epoch
        self.first_epoch, self.skip = epoch, skip

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[Key]:
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.length)
        skip = self.skip if self.epoch == self.first_epoch else 0
        return iter([(self.epoch, int(place)) for place in order[skip:]])


class SplitDataset(Dataset[Item]):
    """One split's pictures; a training picture's augmentation is a function of (seed, epoch, its row)."""

    def __init__(self, paintings: Paintings, rows: NDArray[np.int64], transform: Transform, seed: int | None) -> None:
        self.paintings, self.rows, self.transform, self.seed = paintings, rows, transform, seed

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: Key | int) -> Item:
        epoch, position = key if isinstance(key, tuple) else (0, key)
        row = int(self.rows[position])
        pixels = self.paintings.cache.image(int(self.paintings.selection.rows[row]))
        # The map is read-only; torch wants memory of its own.
        picture = torch.from_numpy(np.array(pixels)).permute(2, 0, 1)
        if self.seed is not None:
            torch.manual_seed(derived_seed(self.seed, epoch, row))
        return self.transform(picture), int(self.paintings.selection.labels[row]), row

    def __getitems__(self, keys: Sequence[Key | int]) -> list[Item]:
        # Drawing for augmentation must not disturb the generator that the network's dropout draws from.
        state = torch.get_rng_state()
        try:
            return [self[key] for key in keys]
        finally:
            torch.set_rng_state(state)


class PaintingsDataModule(L.LightningDataModule):
    """Paintings in three splits.

    A batch is (pictures uint8 N x 3 x size x size, labels int64 N, rows of the selection int64 N).

    Args:
        choice: which paintings, in which split.
        preprocessing: what the backbone's weights expect.
        augmentation: random changes of training pictures.
        batch_size: of training; evaluation takes `eval_batches` times as many.
        seed: of order and augmentation.
        num_workers: loader processes; None finds a number by itself.
    """

    def __init__(
        self,
        choice: DataChoice,
        preprocessing: Preprocessing,
        augmentation: Augmentation | None = None,
        batch_size: int = 32,
        eval_batches: int = 2,
        seed: int = 0,
        num_workers: int | None = None,
    ) -> None:
        super().__init__()
        self.choice, self.preprocessing = choice, preprocessing
        self.augmentation = augmentation or Augmentation()
        self.batch_size, self.eval_batch_size = batch_size, batch_size * eval_batches
        self.seed, self.num_workers = seed, num_workers
        self._start = Position()
        self._paintings: Paintings | None = None

    @property
    def paintings(self) -> Paintings:
        """Manifest, labels, split and pixels; read at the first use."""
        if self._paintings is None:
            self._paintings = load_paintings(self.choice, self.preprocessing.resize, self.preprocessing.interpolation)
        return self._paintings

    @property
    def classes(self) -> tuple[str, ...]:
        return self.paintings.selection.classes

    def setup(self, stage: str) -> None:
        assert self.paintings is not None

    def state_dict(self) -> dict[str, Any]:
        if self.trainer is None:
            return {}
        return {**asdict(position(self.trainer)), "batch_size": self.batch_size}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where a training stood.

        Raises:
            InputError: the checkpoint was written amid an epoch, with batches of another size.
        """
        start = Position(state_dict["epoch"], state_dict["batches"])
        if start.batches and state_dict["batch_size"] != self.batch_size:
            raise InputError(
                f"the checkpoint was written amid an epoch with data.batch_size={state_dict['batch_size']}, so "
                f"data.batch_size={self.batch_size} can't go on from it: take the same, or one from an epoch's end"
            )
        self._start = start

    def train_dataloader(self) -> DataLoader[Item]:
        rows = self.paintings.selection.members("train")
        transform = train_transform(self.preprocessing, self.augmentation)
        dataset = SplitDataset(self.paintings, rows, transform, self.seed)
        # A last batch of one can't be normalised by BatchNorm: it is left out, here alone.
        drop_last = len(rows) > self.batch_size and len(rows) % self.batch_size == 1
        return DataLoader(
            dataset,
            self.batch_size,
            sampler=EpochOrder(len(rows), self.seed, self._start.epoch, self._start.batches * self.batch_size),
            drop_last=drop_last,
            **self._workers(),
        )

    def val_dataloader(self) -> DataLoader[Item]:
        return self.eval_dataloader("val")

    def test_dataloader(self) -> DataLoader[Item]:
        return self.eval_dataloader("test")

    def eval_dataloader(self, split: str) -> DataLoader[Item]:
        """Every painting of a split once, in the manifest's order, nothing padded."""
        rows = self.paintings.selection.members(split)
        dataset = SplitDataset(self.paintings, rows, eval_transform(self.preprocessing), None)
        return DataLoader(dataset, self.eval_batch_size, **self._workers())

    def _workers(self) -> dict[str, Any]:
        gpu = torch.cuda.is_available()
        # On a CPU the training step needs every core, and reading the cache takes next to none.
        found = min(8, max(1, (os.cpu_count() or 1) - 1)) if gpu else 0
        workers = found if self.num_workers is None else self.num_workers
        return {"num_workers": workers, "persistent_workers": workers > 0, "pin_memory": gpu}
