"""Batches of uint8 images from the pixel cache, made on the CPU or on a GPU."""

from collections import deque
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from artculture.data.augmentation import (
    Augmentation,
    DrawnAugmentation,
    apply_colour_changes,
    draw_augmentation,
    evaluation_changes,
    to_device,
)
from artculture.data.cache.pixel_cache import PixelCache, Pixels
from artculture.data.cropping import write_crop
from artculture.data.embeddings.manifest import Vectors
from artculture.data.transforms import Preprocessing
from artculture.data.user_transforms import UserTransforms

# Largest number of batches that the host queues on a GPU ahead of the training steps; each takes memory.
MAX_QUEUED_BATCHES = 4


@dataclass(frozen=True)
class BatchMaker:
    """Maker of batches from a pixel cache.

    Attributes:
        cache: decoded pixels.
        positions: position in the cache of each row of the selection, int64.
        preprocessing: size of the result, interpolation, fill colour.
        augmentation: None for evaluation.
        seed: seed of the augmentation.
    """

    cache: Pixels
    positions: NDArray[np.int64]
    preprocessing: Preprocessing
    augmentation: Augmentation | None
    seed: int = 0

    def positions_of(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return positions in the cache of rows; row i + k * (number of rows) is row i, augmented otherwise."""
        return np.asarray(self.positions[rows % len(self.positions)])

    @cached_property
    def transforms(self) -> UserTransforms | None:
        """The transforms of the augmentation's own list; None without any."""
        nodes = self.augmentation.transforms if self.augmentation else ()
        return UserTransforms(nodes, self.seed) if nodes else None

    def transformed(self, pictures: Tensor, changes: DrawnAugmentation, epoch: int, rows: NDArray[np.int64]) -> Tensor:
        """Return cropped images with everything else that is drawn, on their device."""
        if self.transforms is not None:
            pictures = self.transforms(pictures, epoch, rows)
        return apply_colour_changes(pictures, changes, self.preprocessing.fill)

    def changes(self, epoch: int, rows: NDArray[np.int64]) -> DrawnAugmentation:
        shapes = self.cache.shapes_of(self.positions_of(rows))
        size, fit = self.preprocessing.image_size, self.preprocessing.fit
        if self.augmentation is None:
            return evaluation_changes(shapes, size, fit)
        return draw_augmentation(self.augmentation, shapes, size, self.seed, epoch, rows, fit)

    def __call__(self, epoch: int, rows: NDArray[np.int64]) -> Tensor:
        """Return images uint8 N x 3 x size x size (channels_last in memory), or float32 vectors of embeddings."""
        if isinstance(self.cache, Vectors):
            return torch.from_numpy(self.cache.values[self.positions_of(rows)])
        changes, size = self.changes(epoch, rows), self.preprocessing.image_size
        shape = (len(rows), 3, size, size)
        out = torch.empty(shape, dtype=torch.uint8, memory_format=torch.channels_last)
        for picture, position, box, mirrored in zip(
            out, self.positions_of(rows).tolist(), changes.boxes.tolist(), changes.mirrored.tolist(), strict=True
        ):
            pixels = self.cache.image(position)
            write_crop(picture, pixels, box, mirrored, self.preprocessing.interpolation, self.preprocessing.fill)
        return self.transformed(out, changes, epoch, rows)


@dataclass(frozen=True)
class ResidentBatches:
    """Batches made on the device that holds all pixels; only the drawn augmentation is copied to it.

    Resizing is bilinear without antialiasing: cached images are small enough that a crop shrinks by a third at most.
    A GPU makes a batch on a stream of its own while it trains on the one before.

    Attributes:
        maker: draws the augmentation.
        cache: cache whose pixels they are.
        pixels: the cache's pixels, uint8, flat, on the device.
        stream: CUDA stream on which batches are made.
        asked: marks the moments at which the last few batches were asked for.
    """

    maker: BatchMaker
    cache: PixelCache
    pixels: Tensor
    stream: torch.cuda.Stream | None = None
    queued: deque[torch.cuda.Event] = field(default_factory=deque)

    @classmethod
    def on(cls, device: torch.device, maker: BatchMaker) -> "ResidentBatches":
        cache = maker.cache
        assert isinstance(cache, PixelCache), "only pixels that lie in one file can be kept on a device"
        # In chunks of 256 MB, because the map may be larger than the host's memory.
        source = cache.pixels
        pixels = torch.empty(len(source), dtype=torch.uint8, device=device)
        for start in range(0, len(source), 1 << 28):
            pixels[start : start + (1 << 28)] = torch.from_numpy(source[start : start + (1 << 28)].copy()).to(device)
        if device.type != "cuda":
            return cls(maker, cache, pixels)
        stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream(device))
        return cls(maker, cache, pixels, stream)

    def __call__(self, epoch: int, rows: NDArray[np.int64]) -> Tensor:
        """Return images uint8 N x 3 x size x size on the device."""
        return self.batch(epoch, rows)[0]

    def batch(self, epoch: int, rows: NDArray[np.int64], *others: Tensor) -> tuple[Tensor, ...]:
        """Return the images and `others` (labels, rows), all on the device."""
        device = self.pixels.device
        if self.stream is None:
            return self._make_images(epoch, rows), *(part.to(device) for part in others)
        # No wait for the steps queued before: these small kernels fill the gaps between theirs.
        current = torch.cuda.current_stream(device)
        self._limit_queue(current)
        with torch.cuda.stream(self.stream):
            made = self._make_images(epoch, rows), *(to_device(part.numpy(), device) for part in others)
        current.wait_stream(self.stream)
        for part in made:
            part.record_stream(current)
        return made

    def _limit_queue(self, stream: torch.cuda.Stream) -> None:
        """Wait if `MAX_QUEUED_BATCHES` batches are queued ahead of the training steps."""
        moment = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
        moment.record(stream)
        self.queued.append(moment)
        if len(self.queued) > MAX_QUEUED_BATCHES:
            self.queued.popleft().synchronize()

    def _make_images(self, epoch: int, rows: NDArray[np.int64]) -> Tensor:
        maker, device = self.maker, self.pixels.device
        changes = maker.changes(epoch, rows)
        at = maker.positions_of(rows)
        facts = np.column_stack([self.cache.starts[at], self.cache.shapes[at], changes.boxes, changes.mirrored])
        given = maker.preprocessing
        fill = to_device(np.array(given.fill, dtype=np.uint8), device) if given.fit == "letterbox" else None
        sampled = _sample_bilinear(self.pixels, to_device(facts, device), given.image_size, fill)
        return maker.transformed(sampled, changes, epoch, rows)

    def with_maker(self, maker: BatchMaker) -> "ResidentBatches":
        """Return batches of the same pixels, augmented as another maker draws it."""
        return ResidentBatches(maker, self.cache, self.pixels, self.stream, self.queued)


def _sample_bilinear(pixels: Tensor, drawn: Tensor, size: int, fill: Tensor | None = None) -> Tensor:
    """Sample boxes bilinearly, with pixel centres as in torch's `align_corners=False`.

    Args:
        pixels: uint8, flat, each image height x width x 3.
        drawn: int64 N x 8: start, height, width, top, left, box height, box width, mirrored.
        size: side of the result.
        fill: colour of what lies beyond the image, uint8 3; None where no box reaches there.
    """
    start, height, width, top, left, tall, wide, mirrored = (column.view(-1, 1) for column in drawn.unbind(dim=1))
    centres = (torch.arange(size, device=pixels.device, dtype=torch.float32) + 0.5) / size
    across = torch.where(mirrored.bool(), 1 - centres, centres)
    if fill is None:
        (y0, y1, dy), (x0, x1, dx) = _neighbours(centres * tall, tall), _neighbours(across * wide, wide)
    else:
        down, right = top + centres * tall, left + across * wide
        inside = ((down >= 0) & (down < height))[:, :, None] & ((right >= 0) & (right < width))[:, None, :]
        (y0, y1, dy), (x0, x1, dx) = _neighbours(down, height), _neighbours(right, width)
        top = left = torch.zeros_like(top)
    # Index whole RGB pixels: row starts plus columns address N x size x size of them, a third of the index arithmetic.
    colours = pixels.view(-1, 3)
    upper, lower = (start // 3 + (top + y) * width for y in (y0, y1))
    nearer, farther = (left + x for x in (x0, x1))

    def gather(row: Tensor, column: Tensor) -> Tensor:
        return colours[row[:, :, None] + column[:, None, :]].float()

    across, down = dx[:, None, :, None], dy[:, :, None, None]
    above = torch.lerp(gather(upper, nearer), gather(upper, farther), across)
    below = torch.lerp(gather(lower, nearer), gather(lower, farther), across)
    sampled = torch.lerp(above, below, down).round_().to(torch.uint8)
    if fill is not None:
        sampled = torch.where(inside[:, :, :, None], sampled, fill)
    return sampled.permute(0, 3, 1, 2)


def _neighbours(at: Tensor, limit: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the two pixels around each position, and its fraction of the way from the first to the second."""
    place = torch.minimum((at - 0.5).clamp_min(0), limit - 1)
    first = place.floor().long()
    return first, torch.minimum(first + 1, limit - 1), place - first
