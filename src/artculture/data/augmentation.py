"""Random augmentation, drawn for a whole batch at once and applied on the CPU or a GPU."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from artculture.config.schema.augment import Augment, Mix
from artculture.config.schema.data import Fit
from artculture.data.counter_rng import uniforms
from artculture.data.cropping import Boxes, evaluation_boxes, whole_boxes

# Attempts to find a box that fits, and the ranges of erased boxes, as in torchvision's RandomResizedCrop and
# RandomErasing.
TRIES = 10
ERASED_SHARE, ERASED_RATIO = (0.02, 0.33), (0.3, 3.3)
# ITU-R 601 luma weights, as in torchvision's rgb_to_grayscale.
GREY = (0.2989, 0.587, 0.114)


@dataclass(frozen=True)
class Augmentation:
    """Settings of the augmentation of training images (see conf/augment); the defaults change nothing.

    Attributes:
        mix: mixing of the images of a batch; None for none.
        transforms: `_target_` and arguments of further transforms, each of one image, uint8 3 x size x size.
    """

    crop_scale: Sequence[float] | None = None
    crop_ratio: Sequence[float] | None = None
    flip: bool = False
    jitter: float = 0.0
    erase: float = 0.0
    mix: Mix | None = None
    transforms: Sequence[Mapping[str, Any]] = ()

    @classmethod
    def of(cls, augment: Augment) -> "Augmentation":
        """Return the settings in a config's `augment`."""
        return cls(**{key.name: getattr(augment, key.name) for key in fields(cls)})


@dataclass(frozen=True)
class DrawnAugmentation:
    """Augmentation drawn for the images of one batch.

    Attributes:
        boxes: crop of each image: top, left, height, width in pixels, int64 N x 4.
        mirrored: whether each image is flipped horizontally, bool N.
        jitter: factors of brightness, contrast, saturation, float64 N x 3; None for none.
        erased: one rectangle of each result, as `boxes`; height 0 for none. None if erasing is off.
    """

    boxes: Boxes
    mirrored: NDArray[np.bool_]
    jitter: NDArray[np.float64] | None = None
    erased: Boxes | None = None


def evaluation_changes(shapes: NDArray[np.int64], size: int, fit: Fit = "crop") -> DrawnAugmentation:
    """Return the changes of evaluation: the box of its image and nothing else."""
    return DrawnAugmentation(evaluation_boxes(shapes, size, fit), np.zeros(len(shapes), dtype=np.bool_))


def draw_augmentation(
    augmentation: Augmentation,
    shapes: NDArray[np.int64],
    size: int,
    seed: int,
    epoch: int,
    rows: NDArray[np.int64],
    fit: Fit = "crop",
) -> DrawnAugmentation:
    """Draw the augmentation of some images as a function of (seed, epoch, row) alone.

    Args:
        augmentation: settings.
        shapes: height and width of each image, int64 N x 2.
        size: side of the result, pixels.
        seed: seed of the run.
        epoch: counted from 0.
        rows: row of each painting, int64 N.
        fit: of a letterbox, crops are of the picture with its borders.
    """
    # The count of numbers per row does not depend on the settings, so that switching one augmentation off leaves the
    # draws of the others as they were.
    box_draws = 2 * TRIES + 2
    numbers = uniforms(seed, epoch, rows, 2 * box_draws + 5)
    crop, erase, rest = np.split(numbers, [box_draws, 2 * box_draws], axis=1)
    boxes = evaluation_boxes(shapes, size, fit)
    if augmentation.crop_scale is not None and augmentation.crop_ratio is not None:
        # A letterboxed picture is cropped within the square around it.
        canvas = boxes if fit == "letterbox" else whole_boxes(shapes)
        drawn, found = _random_boxes(crop, canvas[:, 2:], augmentation.crop_scale, augmentation.crop_ratio)
        boxes = np.where(found[:, None], drawn, _largest_central_boxes(canvas[:, 2:], augmentation.crop_ratio))
        boxes[:, :2] += canvas[:, :2]
    mirrored = (rest[:, 0] < 0.5) & augmentation.flip
    jitter = 1 + augmentation.jitter * (2 * rest[:, 1:4] - 1) if augmentation.jitter else None
    erased = None
    if augmentation.erase:
        erased, found = _random_boxes(erase, np.full_like(shapes, size), ERASED_SHARE, ERASED_RATIO)
        erased[~found | (rest[:, 4] >= augmentation.erase)] = 0
    return DrawnAugmentation(boxes, mirrored, jitter, erased)


def _random_boxes(
    numbers: NDArray[np.float64], shapes: NDArray[np.int64], share: Sequence[float], ratio: Sequence[float]
) -> tuple[Boxes, NDArray[np.bool_]]:
    """Return a box of random area and aspect ratio in each image, and whether one of the attempts fitted."""
    heights, widths = shapes[:, :1], shapes[:, 1:]
    area = heights * widths * (share[0] + numbers[:, :TRIES] * (share[1] - share[0]))
    low, high = math.log(ratio[0]), math.log(ratio[1])
    aspect = np.exp(low + numbers[:, TRIES : 2 * TRIES] * (high - low))
    tall, wide = np.rint(np.sqrt(area / aspect)), np.rint(np.sqrt(area * aspect))
    fits = (tall > 0) & (tall <= heights) & (wide > 0) & (wide <= widths)
    everyone, first = np.arange(len(shapes)), fits.argmax(axis=1)
    size = np.stack([tall[everyone, first], wide[everyone, first]], axis=1).astype(np.int64)
    corner = np.floor(numbers[:, 2 * TRIES :] * (shapes - size + 1)).astype(np.int64)
    found: NDArray[np.bool_] = np.asarray(fits.any(axis=1))
    return np.concatenate([corner, size], axis=1), found


def _largest_central_boxes(shapes: NDArray[np.int64], ratio: Sequence[float]) -> Boxes:
    """Return the largest central box of each image whose aspect ratio is allowed."""
    heights, widths = shapes[:, 0], shapes[:, 1]
    tall = np.minimum(heights, np.rint(widths / ratio[0]).astype(np.int64))
    wide = np.minimum(widths, np.rint(heights * ratio[1]).astype(np.int64))
    return np.stack([(heights - tall) // 2, (widths - wide) // 2, tall, wide], axis=1)


def to_device(values: NDArray[Any], device: torch.device) -> Tensor:
    """Copy an array to a device, without waiting for the copy on CUDA."""
    found = torch.from_numpy(values)
    return found.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else found.to(device)


def apply_colour_changes(pictures: Tensor, changes: DrawnAugmentation, fill: tuple[int, int, int]) -> Tensor:
    """Apply drawn colour jitter and erasing to images (uint8 N x 3 x H x W) on their device."""
    if changes.jitter is not None:
        pictures = _jitter(pictures, to_device(changes.jitter.astype(np.float32), pictures.device))
    if changes.erased is not None:
        blank = to_device(np.array(fill, dtype=np.uint8), pictures.device).view(3, 1, 1)
        # On a GPU a loop would launch one kernel per image.
        if pictures.is_cuda:
            return erase_boxes(pictures, to_device(changes.erased, pictures.device), blank)
        for picture, (top, left, tall, wide) in zip(pictures, changes.erased.tolist(), strict=True):
            picture[:, top : top + tall, left : left + wide] = blank
    return pictures


def erase_boxes(pictures: Tensor, boxes: Tensor, blank: Tensor) -> Tensor:
    """Return images (uint8 N x 3 x H x W) with one box of each (int64 N x 4, as in `DrawnAugmentation`) blank."""
    corner, size = boxes[:, :2, None], boxes[:, 2:, None]
    inside = []
    for axis, length in enumerate(pictures.shape[2:]):
        place = torch.arange(length, device=pictures.device)
        inside.append((place >= corner[:, axis]) & (place < corner[:, axis] + size[:, axis]))
    rows, columns = inside
    return torch.where((rows[:, :, None] & columns[:, None, :])[:, None], blank, pictures)


def _jitter(pictures: Tensor, factors: Tensor) -> Tensor:
    brightness, contrast, saturation = (factors[:, i].view(-1, 1, 1, 1) for i in range(3))
    weights = to_device(np.array(GREY, dtype=np.float32), pictures.device).view(1, 3, 1, 1)
    values = (pictures.float() * brightness).clamp_(0, 255)
    level = (values * weights).sum(dim=1, keepdim=True).mean(dim=(2, 3), keepdim=True)
    values = torch.lerp(level, values, contrast).clamp_(0, 255)
    grey = (values * weights).sum(dim=1, keepdim=True)
    values = torch.lerp(grey, values, saturation).clamp_(0, 255)
    return values.round_().to(torch.uint8)
