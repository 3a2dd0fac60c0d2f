"""LightningDataModule of uint8 images, in an order that depends on seed and epoch alone."""

import logging
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import lightning as L
import torch
from torch.utils.data import DataLoader

from artculture.data import shared_memory
from artculture.data.augmentation import Augmentation
from artculture.data.batches import BatchMaker, ResidentBatches
from artculture.data.cache.pixel_cache import PixelCache
from artculture.data.class_sampling import ClassSampling
from artculture.data.data_choice import DataChoice
from artculture.data.dataset import (
    NO_AUGMENTATION,
    Batch,
    EpochSampler,
    MakeBatch,
    Places,
    RepeatingSampler,
    SplitDataset,
    identity_collate,
)
from artculture.data.mixing import BatchMix, DrawnMix, apply_mix
from artculture.data.paintings import Paintings, load_paintings
from artculture.data.sharding import RankSlice
from artculture.data.transforms import Preprocessing
from artculture.utils.errors import InputError

if TYPE_CHECKING:
    from artculture.data.shards.order import ShardOrder

log = logging.getLogger(__name__)

# Largest fraction of a GPU's free memory for pixels; training the network needs the rest.
RESIDENT_SHARE = 0.25


@dataclass(frozen=True)
class Position:
    """Position of a training: `batches` of `epoch` are done, fewer than the epoch has."""

    epoch: int = 0
    batches: int = 0


def position(trainer: L.Trainer) -> Position:
    """Return the position of a trainer's fit between two steps."""
    done = trainer.fit_loop.batch_idx + 1
    if done >= trainer.num_training_batches:
        return Position(trainer.current_epoch + 1)
    return Position(trainer.current_epoch, done)


class PaintingsDataModule(L.LightningDataModule):
    """Paintings in three splits.

    A batch is (images uint8 N x 3 x size x size, labels, rows of the selection int64 N). Labels are int64 N; of several
    columns N x labels, -1 where one is missing. Where the augmentation mixes training images, it also has their
    partners' labels, and the share of their own labels, float32 N.

    Args:
        choice: which paintings, in which split.
        preprocessing: preprocessing that the backbone's weights expect.
        augmentation: augmentation of training images.
        batch_size: images per training step over all devices; evaluation takes `eval_batches` times as many.
        seed: seed of order and augmentation.
        num_workers: loader processes; None chooses a number.
        rank_slice: this rank's part of every batch.
        class_exponent: a class of n training paintings is drawn in proportion to n to this power; with 1 every
            painting once an epoch.

    Attributes:
        predicted: splits of the predict dataloader.
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
        class_exponent: float = 1.0,
    ) -> None:
        super().__init__()
        self.rank_slice = rank_slice or RankSlice()
        self.choice, self.preprocessing = choice, preprocessing
        self.augmentation = augmentation or Augmentation()
        self.batch_size, self.eval_batch_size = batch_size, batch_size * eval_batches
        self.seed, self.num_workers, self.class_exponent = seed, num_workers, class_exponent
        self.predicted: Sequence[str] = ("val", "test")
        self._start = Position()
        self._paintings: Paintings | None = None
        self._resident: ResidentBatches | None = None

    @property
    def paintings(self) -> Paintings:
        """Manifest, labels, split and pixels; read at the first use."""
        if self._paintings is None:
            given = self.preprocessing
            self._paintings = load_paintings(self.choice, given.resize, given.interpolation, fit=given.fit)
        return self._paintings

    @property
    def classes(self) -> tuple[str, ...]:
        return self.paintings.selection.classes

    def setup(self, stage: str) -> None:
        if stage == "fit" and self.trainer is not None:
            self.move_pixels_to(self.trainer.strategy.root_device)

    def move_pixels_to(self, device: torch.device) -> None:
        """Copy all pixels to a GPU if they fit and are in one file; batches are made there from then on."""
        cache = self.paintings.cache
        # Shards are evicted from the cache and cannot be kept on the GPU as a whole.
        if self._resident is None and isinstance(cache, PixelCache) and _has_room(device, len(cache.pixels)):
            self._resident = ResidentBatches.on(device, self.maker(self.augmentation))

    @property
    def resident(self) -> bool:
        """Whether a GPU holds all pixels."""
        return self._resident is not None

    def image_maker(self, augmentation: Augmentation | None) -> MakeBatch:
        """Return a maker of images on the device that holds the pixels: a GPU or the CPU."""
        make = self.maker(augmentation)
        return make if self._resident is None else self._resident.with_maker(make)

    def maker(self, augmentation: Augmentation | None) -> BatchMaker:
        """Return a maker of batches on the CPU; without augmentation as in evaluation."""
        paintings = self.paintings
        return BatchMaker(paintings.cache, paintings.selection.rows, self.preprocessing, augmentation, self.seed)

    def state_dict(self) -> dict[str, Any]:
        if self.trainer is None:
            return {}
        return {**asdict(position(self.trainer)), **self.order_facts()}

    def order_facts(self) -> dict[str, Any]:
        """What a position within an epoch refers to."""
        return {"batch_size": self.batch_size, "class_exponent": self.class_exponent}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue at the position of a checkpoint.

        Raises:
            InputError: the checkpoint was written within an epoch, with another batch size or sampler.
        """
        start = Position(state_dict["epoch"], state_dict["batches"])
        if start.batches and state_dict["batch_size"] != self.batch_size:
            raise InputError(
                f"the checkpoint was written within an epoch with data.batch_size={state_dict['batch_size']}, so "
                f"data.batch_size={self.batch_size} can't continue it: use the same, or one from an epoch's end"
            )
        if start.batches and state_dict.get("class_exponent", 1.0) != self.class_exponent:
            raise InputError(
                "the checkpoint was written within an epoch with another sampler, so this balance can't continue it: "
                "use the same, or a checkpoint from an epoch's end"
            )
        self._start = start

    def train_dataloader(self) -> DataLoader[Batch]:
        rows = self.paintings.selection.members("train")
        resident = self._resident is not None
        make = None if resident else self._train_maker()
        settings, size = self.augmentation.mix, self.preprocessing.image_size
        mix = None if settings is None else BatchMix(settings, size, self.seed)
        dataset = SplitDataset(self.paintings, rows, make, self.rank_slice, mix=mix)
        return DataLoader(
            dataset,
            self.batch_size,
            sampler=self.order(len(rows)),
            drop_last=self.drop_last_batch(len(rows)),
            collate_fn=identity_collate,
            **self._workers(0 if resident else self.num_workers),
        )

    def order(self, pictures: int) -> EpochSampler:
        """Return the sampler of training images, starting at the training's position."""
        repeats = self.trainer is not None and getattr(self.trainer, "overfit_batches", 0) > 0
        sampler = RepeatingSampler if repeats else EpochSampler
        return sampler(pictures, self.seed, self._start.epoch, self._start.batches * self.batch_size, self._places)

    @property
    def _places(self) -> Places | None:
        """Order of an epoch other than a plain permutation; None for that."""
        draws = None
        if self.class_exponent != 1:
            selection = self.paintings.selection
            draws = ClassSampling(selection.labels[selection.members("train")], self.class_exponent, self.seed)
        if self._shard_order is None:
            return draws
        return partial(self._shard_order.places, draws=draws)

    @cached_property
    def _shard_order(self) -> "ShardOrder | None":
        """Order of training images in shards, of which only a few fit into the cache; None for other data."""
        if self.choice.name != "shards":
            return None
        from artculture.data.shards.order import order_of

        return order_of(self.paintings, self.seed)

    def _train_maker(self) -> MakeBatch:
        make = self.maker(self.augmentation)
        return make if self._shard_order is None else self._shard_order.prefetching(make)

    def drop_last_batch(self, pictures: int) -> bool:
        """Return whether an epoch's last batch is left out, because BatchNorm cannot normalise a single image."""
        return pictures > self.batch_size and pictures % self.batch_size == 1

    def images_in_batch(self, batch: int) -> int:
        """Return the number of images, over all devices, in a batch of an epoch."""
        pictures = len(self.paintings.selection.members("train"))
        return min(self.batch_size, pictures - self.drop_last_batch(pictures) - batch * self.batch_size)

    def on_before_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Make the images on the device if the batch holds only (epoch, row) pairs."""
        asked, labels, rows, *mixed = batch
        if self._resident is None or asked.dtype != torch.int64:
            return batch
        epoch = int(asked[0, 0]) if len(asked) else 0
        make = self._resident if epoch != NO_AUGMENTATION else self._resident.with_maker(self.maker(None))
        pictures, *others = make.batch(epoch, asked[:, 1].numpy(), labels, rows, *mixed[:2])
        if mixed:
            pictures = apply_mix(pictures, DrawnMix.from_tensor(mixed[2]), len(labels))
        return pictures, *others

    def val_dataloader(self) -> DataLoader[Batch]:
        return self.eval_dataloader("val")

    def predict_dataloader(self) -> list[DataLoader[Batch]]:
        return [self.eval_dataloader(split) for split in self.predicted]

    def test_dataloader(self) -> DataLoader[Batch]:
        return self.eval_dataloader("test")

    def eval_dataloader(self, split: str) -> DataLoader[Batch]:
        """Return a loader of every painting of a split once over all ranks, in the manifest's order, unpadded."""
        rows = self.paintings.selection.members(split)
        make = None if self.resident else self.maker(None)
        dataset = SplitDataset(self.paintings, rows, make, self.rank_slice, NO_AUGMENTATION)
        workers = self._workers(0 if self.resident else self.num_workers)
        return DataLoader(dataset, batch_size=self.eval_batch_size, collate_fn=identity_collate, **workers)

    def _workers(self, asked: int | None) -> dict[str, Any]:
        workers = 0 if asked == 0 else self._loader_processes
        return {
            "num_workers": workers,
            "persistent_workers": workers > 0,
            "pin_memory": torch.cuda.is_available(),
        }

    @cached_property
    def _loader_processes(self) -> int:
        """Number of loader processes: as asked for, or fewer where shared memory has no room for their batches."""
        # On a CPU the training step needs every core, and reading the cache needs little.
        cores = min(8, max(1, (os.cpu_count() or 1) // self.rank_slice.size - 1)) if torch.cuda.is_available() else 0
        wanted = cores if self.num_workers is None else self.num_workers
        batch = (
            3 * self.preprocessing.image_size**2 * max(self.batch_size, self.eval_batch_size) // self.rank_slice.size
        )
        workers = shared_memory.processes_that_fit(wanted, batch, self.rank_slice.size)
        if workers < wanted:
            log.warning(
                "%d loader process(es) instead of %d: /dev/shm has %.0f MB free for batches of %.1f MB; enlarge it "
                "(docker run --shm-size=2g), or set data.num_workers=%d",
                workers,
                wanted,
                (shared_memory.free_bytes() or 0) / 1e6,
                batch / 1e6,
                workers,
            )
        return workers


def _has_room(device: torch.device, pixels: int) -> bool:
    """Return whether all pixels (bytes) fit on a GPU and leave most of its memory to the network."""
    return device.type == "cuda" and pixels < RESIDENT_SHARE * torch.cuda.mem_get_info(device)[0]
