"""Cached features of a frozen backbone, which embeds each augmented view of an image once."""

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from artculture.data.augmentation import Augmentation
from artculture.data.cache.folder import cache_errors
from artculture.data.datamodule import PaintingsDataModule, position
from artculture.data.dataset import Batch, Key, MakeBatch, identity_collate
from artculture.utils.errors import reason_of
from artculture.utils.io import allocate, json_text, replacing
from artculture.utils.progress import shown_progress

log = logging.getLogger(__name__)

FEATURES_VERSION = 1

Embed = Callable[[Tensor], Tensor]


class FeatureViews:
    """Features of all images of a split, one file per augmented view.

    Args:
        make: makes the images.
        rows: rows of the split, int64.
        embed: images uint8 N x 3 x size x size to vectors float32 N x features.
        folder: folder of the views of this backbone and this data.
        batch_size: images per call of `embed`.
    """

    def __init__(self, make: MakeBatch, rows: NDArray[np.int64], embed: Embed, folder: Path, batch_size: int) -> None:
        self.make, self.rows, self.embed, self.folder, self.batch_size = make, rows, embed, folder, batch_size
        self._open: tuple[int, NDArray[np.float32]] | None = None

    def view(self, number: int) -> NDArray[np.float32]:
        """Return view `number`, float32 len(rows) x features: the images as augmented in epoch `number`."""
        if self._open is None or self._open[0] != number:
            file = self.folder / f"{number}.npy"
            found = _read_view(file, len(self.rows))
            if found is None:
                with cache_errors(self.folder):
                    self._compute(number, file)
                found = np.load(file, mmap_mode="r", allow_pickle=False)
            self._open = number, found
        return self._open[1]

    def _compute(self, number: int, file: Path) -> None:
        log.info("features of %d pictures (view %d) into %s", len(self.rows), number, self.folder)
        # Processes that compute the same view write equal files; the last one replaces the others' atomically.
        with replacing(file) as temporary, shown_progress("features") as progress:
            out: np.memmap[Any, np.dtype[np.float32]] | None = None
            for start in range(0, len(self.rows), self.batch_size):
                rows = self.rows[start : start + self.batch_size]
                vectors = self.embed(self.make(number, rows)).float().cpu().numpy()
                if out is None:
                    # Memory-mapped, because the vectors of millions of images may not fit into memory.
                    shape = (len(self.rows), vectors.shape[1])
                    out = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float32, shape=shape)
                    allocate(temporary)
                out[start : start + len(rows)] = vectors
                progress(start + len(rows), len(self.rows))
            assert out is not None, "a split has at least one painting"
            out.flush()


def _read_view(file: Path, rows: int) -> NDArray[np.float32] | None:
    """Return the view in a file; None if the file does not exist or is damaged."""
    try:
        found: NDArray[np.float32] = np.load(file, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        return None
    except Exception as error:  # a damaged .npy header, which is Python text, raises nearly anything
        log.warning("%s is damaged (%s) and will be recomputed", file, reason_of(error))
        return None
    return found if found.ndim == 2 and len(found) == rows and found.dtype == np.float32 else None


class _FeatureDataset(Dataset[Batch]):
    def __init__(self, views: FeatureViews, labels: NDArray[np.int64], number_of_views: int) -> None:
        self.views, self.labels, self.number_of_views = views, labels, number_of_views

    def __len__(self) -> int:
        return len(self.views.rows)

    def __getitems__(self, keys: Sequence[Key | int]) -> Batch:
        epoch = keys[0][0] if isinstance(keys[0], tuple) else 0
        # A painting that is drawn again within an epoch has the same view of that epoch.
        positions = [(key[1] if isinstance(key, tuple) else key) % len(self) for key in keys]
        features = torch.from_numpy(self.views.view(epoch % self.number_of_views)[positions])
        rows = self.views.rows[positions]
        return features, torch.from_numpy(self.labels[rows]), torch.from_numpy(rows)


class FeatureDataModule(L.LightningDataModule):
    """Data module of the images of `PaintingsDataModule`, embedded by a frozen backbone.

    A batch is (features float32 N x features, labels int64 N, rows int64 N), in the order of the images. Epoch
    e trains on view e modulo `views`; with as many views as epochs it equals recomputing them in each epoch.

    Args:
        pictures: data module of the images.
        embed: images to vectors (see `FeatureViews`).
        backbone: returns an identifier of the frozen weights and of whatever else changes `embed`; called when data
            is first read, because a resumed run loads its weights late.
        views: number of augmented views of each training image.
    """

    def __init__(self, pictures: PaintingsDataModule, embed: Embed, backbone: Callable[[], str], views: int) -> None:
        super().__init__()
        self.pictures, self.embed, self.backbone, self.views = pictures, embed, backbone, views

    def setup(self, stage: str) -> None:
        if self.trainer is not None:
            self.pictures.trainer = self.trainer
            self.pictures.move_pixels_to(self.trainer.strategy.root_device)

    @cached_property
    def _train(self) -> FeatureViews:
        return self._views(self._members("train"), self.pictures.augmentation)

    def _members(self, split: str) -> NDArray[np.int64]:
        return self.pictures.paintings.selection.members(split)

    def _views(self, rows: NDArray[np.int64], augmentation: Augmentation | None) -> FeatureViews:
        make = self.pictures.maker(augmentation)
        facts = {
            "version": FEATURES_VERSION,
            "backbone": self.backbone(),
            "pixels": make.cache.key,
            "pictures": hashlib.sha256(make.positions[rows].tobytes()).hexdigest(),
            "preprocessing": make.preprocessing.as_plain(),
            "augmentation": asdict(augmentation) if augmentation else None,
            # Without augmentation nothing is drawn, so all seeds share the features.
            "seed": make.seed if augmentation else None,
            "rows": hashlib.sha256(rows.tobytes()).hexdigest() if augmentation else None,
        }
        if self.pictures.resident:  # the GPU resizes without antialiasing, so its features differ
            facts["resident"] = True
        digest = hashlib.sha256(json_text(facts, sort_keys=True, ensure_ascii=True).encode()).hexdigest()[:24]
        folder = self.pictures.choice.cache_folder / "features" / digest
        pictures = self.pictures.image_maker(augmentation)
        return FeatureViews(pictures, rows, self.embed, folder, self.pictures.eval_batch_size)

    def of_all_paintings(self) -> NDArray[np.float32]:
        """Return the features of every painting in every split, without augmentation, in the manifest's order.

        They are in one file, whatever the split: other seeds and folds read the same.
        """
        rows = np.arange(len(self.pictures.paintings.selection.labels), dtype=np.int64)
        return self._views(rows, None).view(0)

    def state_dict(self) -> dict[str, Any]:
        if self.trainer is None:
            return {}
        return {**asdict(position(self.trainer)), **self.pictures.order_facts()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.pictures.load_state_dict(state_dict)

    def train_dataloader(self) -> DataLoader[Batch]:
        dataset = _FeatureDataset(self._train, self.pictures.paintings.selection.targets, self.views)
        order = self.pictures.order(len(dataset))
        drop_last = self.pictures.drop_last_batch(len(dataset))
        return DataLoader(
            dataset, self.pictures.batch_size, sampler=order, drop_last=drop_last, collate_fn=identity_collate
        )

    def images_in_batch(self, batch: int) -> int:
        """Return the number of images, over all devices, in a batch of an epoch."""
        return self.pictures.images_in_batch(batch)

    def val_dataloader(self) -> DataLoader[Batch]:
        return self.eval_dataloader("val")

    def eval_dataloader(self, split: str) -> DataLoader[Batch]:
        """Return a loader of every painting of a split once, in the manifest's order."""
        dataset = _FeatureDataset(self._views(self._members(split), None), self.pictures.paintings.selection.targets, 1)
        return DataLoader(dataset, self.pictures.eval_batch_size, collate_fn=identity_collate)
