"""MixUp and CutMix: each training image is mixed with the next one of its batch."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from artculture.config.schema.augment import Mix
from artculture.data.counter_rng import derived_seed, uniforms

# Separates these draws from those of other augmentation.
STREAM = 3


@dataclass(frozen=True)
class DrawnMix:
    """Mix drawn for a batch.

    Attributes:
        share: share of each image's own label, from 0.5 to 1; 1 where the batch is not mixed.
        box: top, left, height, width of the rectangle that CutMix copies, pixels; None for MixUp.
    """

    share: float
    box: tuple[int, int, int, int] | None = None

    def as_tensor(self) -> Tensor:
        """Return it as float64 (5), for a batch whose images are made later."""
        return torch.tensor([self.share, *(self.box or (0, 0, 0, 0))], dtype=torch.float64)

    @classmethod
    def from_tensor(cls, values: Tensor) -> "DrawnMix":
        share, *box = values.tolist()
        top, left, tall, wide = map(int, box)
        return cls(share, (top, left, tall, wide) if tall else None)


@dataclass(frozen=True)
class BatchMix:
    """Mix of every batch of a training.

    Attributes:
        settings: as in `augment.mix`.
        size: side of the images, pixels.
        seed: seed of the run.
    """

    settings: Mix
    size: int
    seed: int

    def draw(self, epoch: int, first_row: int) -> DrawnMix:
        """Return `draw_mix` of a batch."""
        return draw_mix(self.settings, self.size, self.seed, epoch, first_row)


def draw_mix(mix: Mix, size: int, seed: int, epoch: int, first_row: int) -> DrawnMix:
    """Draw the mix of a batch as a function of (seed, epoch, first row of the batch) alone.

    The share follows a Beta(alpha, alpha) distribution, mirrored at 0.5: an image and its partner both stay in the
    batch, so that the smaller share of one pair is the larger one of another.

    Args:
        mix: settings.
        size: side of the images, pixels.
        seed: seed of the run.
        epoch: counted from 0.
        first_row: row of the first image of the batch over all ranks.
    """
    from scipy.special import betaincinv  # takes a tenth of a second

    ((mixed, cut, quantile, top, left),) = uniforms(derived_seed(seed, STREAM), epoch, np.array([first_row]), 5)
    if mixed >= mix.probability:
        return DrawnMix(1.0)
    cuts = mix.cutmix > 0 and (mix.mixup == 0 or cut < 0.5)
    alpha = mix.cutmix if cuts else mix.mixup
    share = float(betaincinv(alpha, alpha, quantile))
    share = max(share, 1 - share)
    if not cuts:
        return DrawnMix(share)
    side = round(size * (1 - share) ** 0.5)
    corner = (int(top * (size - side + 1)), int(left * (size - side + 1)))
    return DrawnMix(1 - (side / size) ** 2, (*corner, side, side))


def apply_mix(pictures: Tensor, drawn: DrawnMix, count: int) -> Tensor:
    """Return the first `count` images, each mixed with the next one; after the last comes the first.

    Args:
        pictures: uint8 N x 3 x H x W, changed in place by CutMix; N = count, or count + 1 where the last one is a
            partner only.
        drawn: the mix.
        count: number of images to return.
    """
    if drawn.share == 1 or not count:
        return pictures[:count]
    following = torch.arange(1, count + 1, device=pictures.device) % len(pictures)
    if drawn.box is None:
        own, others = pictures[:count].float(), pictures[following].float()
        return torch.lerp(others, own, drawn.share).round_().to(torch.uint8)
    top, left, tall, wide = drawn.box
    inside = (..., slice(top, top + tall), slice(left, left + wide))
    mixed = pictures[:count]
    mixed[inside] = pictures[inside][following]
    return mixed
