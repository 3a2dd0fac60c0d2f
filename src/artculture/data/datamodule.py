"""The LightningDataModule: batches of uint8 pictures in an order that seed and epoch alone decide."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import lightning as L
import torch
from torch.utils.data import DataLoader

from artculture.data.augmentation import Augmentation
from artculture.data.batches import BatchMaker, ResidentBatches
from artculture.data.cache.pixel_cache import PixelCache
from artculture.data.dataset import NO_AUGMENTATION, Batch, EpochSampler, MakeBatch, SplitDataset, identity_collate
from artculture.data.paintings import DataChoice, Paintings, load_paintings
from artculture.data.sharding import RankSlice
from artculture.data.transforms import Preprocessing
from artculture.utils.errors import InputError

if TYPE_CHECKING:
    from artculture.data.shards.order import ShardOrder

# Of a GPU's free memory, at most this much holds pixels; a network's training needs the rest.
RESIDENT_SHARE = 0.25


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


class PaintingsDataModule(L.LightningDataModule):
    """Paintings in three splits.

    A batch is (pictures uint8 N x 3 x size x size, labels int64 N, rows of the selection int64 N).

    Args:
        choice: which paintings, in which split.
        preprocessing: what the backbone's weights expect.
        augmentation: random changes of training pictures.
        batch_size: of training, over all devices; evaluation takes `eval_batches` times as many.
        seed: of order and augmentation.
        num_workers: loader processes; None finds a number by itself.
        share: this device's part of every batch.

    Attributes:
        predicted: the splits that a trainer's `predict` is for.
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
        rank_slice: RankSlice | None = None,
    ) -> None:
        super().__init__()
        self.rank_slice = rank_slice or RankSlice()
        self.choice, self.preprocessing = choice, preprocessing
        self.augmentation = augmentation or Augmentation()
        self.batch_size, self.eval_batch_size = batch_size, batch_size * eval_batches
        self.seed, self.num_workers = seed, num_workers
        self.predicted: Sequence[str] = ("val", "test")
        self._start = Position()
        self._paintings: Paintings | None = None
        self._resident: ResidentBatches | None = None

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
        if stage == "fit" and self.trainer is not None:
            self.move_pixels_to(self.trainer.strategy.root_device)

    def move_pixels_to(self, device: torch.device) -> None:
        """Copy all pixels onto a GPU, if they fit and lie in one file: batches are made there from then on."""
        cache = self.paintings.cache
        # Shards come and go.
        if self._resident is None and isinstance(cache, PixelCache) and _has_room(device, len(cache.pixels)):
            self._resident = ResidentBatches.on(device, self.maker(self.augmentation))

    @property
    def resident(self) -> bool:
        """Whether a GPU keeps all pixels."""
        return self._resident is not None

    def image_maker(self, augmentation: Augmentation | None) -> MakeBatch:
        """Makes pictures where the pixels are: on the GPU that keeps them, else on the CPU."""
        make = self.maker(augmentation)
        return make if self._resident is None else self._resident.with_maker(make)

    def maker(self, augmentation: Augmentation | None) -> BatchMaker:
        """Makes batches of this data's pictures; without augmentation as evaluation sees them."""
        paintings = self.paintings
        return BatchMaker(paintings.cache, paintings.selection.rows, self.preprocessing, augmentation, self.seed)

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

    def train_dataloader(self) -> DataLoader[Batch]:
        rows = self.paintings.selection.members("train")
        resident = self._resident is not None
        make = None if resident else self._train_maker()
        dataset = SplitDataset(self.paintings, rows, make, self.rank_slice)
        return DataLoader(
            dataset,
            self.batch_size,
            sampler=self.order(len(rows)),
            drop_last=self.drop_last_batch(len(rows)),
            collate_fn=identity_collate,
            **self._workers(0 if resident else self.num_workers),
        )

    def order(self, pictures: int) -> EpochSampler:
        """The order of training pictures, from where the training stands."""
        places = None if self._shard_order is None else self._shard_order.places
        return EpochSampler(pictures, self.seed, self._start.epoch, self._start.batches * self.batch_size, places)

    @cached_property
    def _shard_order(self) -> "ShardOrder | None":
        """The order where pixels come in shards: only a few of them can be at hand."""
        if self.choice.name != "shards":
            return None
        from artculture.data.shards.order import order_of

        return order_of(self.paintings, self.seed)

    def _train_maker(self) -> MakeBatch:
        make = self.maker(self.augmentation)
        return make if self._shard_order is None else self._shard_order.prefetching(make)

    def drop_last_batch(self, pictures: int) -> bool:
        """Whether an epoch's last batch is left out: one of a single picture can't be normalised by BatchNorm."""
        return pictures > self.batch_size and pictures % self.batch_size == 1

    def images_in_batch(self, batch: int) -> int:
        """How many pictures all devices together meet in a batch of an epoch."""
        pictures = len(self.paintings.selection.members("train"))
        return min(self.batch_size, pictures - self.drop_last_batch(pictures) - batch * self.batch_size)

    def on_before_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Make the pictures, on the device, where the loader only said which."""
        asked, labels, rows = batch
        if self._resident is None or asked.dtype != torch.int64:
            return batch
        epoch = int(asked[0, 0]) if len(asked) else 0
        make = self._resident if epoch != NO_AUGMENTATION else self._resident.with_maker(self.maker(None))
        pictures, labels, rows = make.batch(epoch, asked[:, 1].numpy(), labels, rows)
        return pictures, labels, rows

    def val_dataloader(self) -> DataLoader[Batch]:
        return self.eval_dataloader("val")

    def predict_dataloader(self) -> list[DataLoader[Batch]]:
        return [self.eval_dataloader(split) for split in self.predicted]

    def test_dataloader(self) -> DataLoader[Batch]:
        return self.eval_dataloader("test")

    def eval_dataloader(self, split: str) -> DataLoader[Batch]:
        """Every painting of a split once over all devices, in the manifest's order, nothing padded."""
        rows = self.paintings.selection.members(split)
        make = None if self.resident else self.maker(None)
        dataset = SplitDataset(self.paintings, rows, make, self.rank_slice, NO_AUGMENTATION)
        workers = self._workers(0 if self.resident else self.num_workers)
        return DataLoader(dataset, batch_size=self.eval_batch_size, collate_fn=identity_collate, **workers)

    def _workers(self, asked: int | None) -> dict[str, Any]:
        gpu = torch.cuda.is_available()
        # On a CPU the training step needs every core, and reading the cache takes next to none.
        found = min(8, max(1, (os.cpu_count() or 1) // self.rank_slice.size - 1)) if gpu else 0
        workers = found if asked is None else asked
        return {"num_workers": workers, "persistent_workers": workers > 0, "pin_memory": gpu}


def _has_room(device: torch.device, pixels: int) -> bool:
    """Whether all pixels fit on a GPU and leave most of it to the network."""
    return device.type == "cuda" and pixels < RESIDENT_SHARE * torch.cuda.mem_get_info(device)[0]
