"""Preprocessing of cached pixels for a network, as values and as functions."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from artculture.config.schema.data import Fit
from artculture.data.cropping import evaluation_boxes, write_crop

Transform = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Preprocessing:
    """Preprocessing that the weights were trained with.

    Attributes:
        image_size: side of the square crop, pixels.
        resize: shorter side before the centre crop, pixels.
        interpolation: `bilinear` or `bicubic`.
        mean, std: per colour channel, for values in 0..1.
        fit: how a picture that is not square becomes one (see `artculture.data.cropping`).
    """

    image_size: int
    resize: int
    interpolation: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    fit: Fit = "crop"

    def at_size(self, image_size: int | None, fit: Fit | None = None) -> "Preprocessing":
        """Return the preprocessing for another size, or another way to make pictures square; None for its own.

        The ratio of crop to shorter side stays; a whole picture has the size itself.
        """
        size, fit = image_size or self.image_size, fit or self.fit
        if (size, fit) == (self.image_size, self.fit):
            return self
        resize = max(size, round(self.resize * size / self.image_size)) if fit == "crop" else size
        return replace(self, image_size=size, resize=resize, fit=fit)

    @property
    def fill(self) -> tuple[int, int, int]:
        """The mean colour, for what no picture covers."""
        red, green, blue = (int(255 * level) for level in self.mean)
        return red, green, blue

    def as_plain(self) -> dict[str, Any]:
        values = asdict(self)
        return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}

    @classmethod
    def from_plain(cls, values: dict[str, Any]) -> "Preprocessing":
        plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return cls(**plain)


def eval_transform(preprocessing: Preprocessing) -> Transform:
    """Return a transform of decoded pixels, uint8 3 x H x W, to the image of evaluation, uint8 3 x size x size."""
    size, fit = preprocessing.image_size, preprocessing.fit

    def transform(picture: Tensor) -> Tensor:
        ((top, left, tall, wide),) = evaluation_boxes(np.array([picture.shape[1:]]), size, fit).tolist()
        out = torch.empty((3, size, size), dtype=torch.uint8)
        pixels = picture.permute(1, 2, 0).numpy()
        write_crop(out, pixels, (top, left, tall, wide), False, preprocessing.interpolation, preprocessing.fill)
        return out

    return transform


def normalise(batch: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Convert uint8 N x 3 x H x W to float32, normalised by the weights' mean and std, on the batch's device."""
    values = batch.float()
    rows = values.permute(0, 2, 3, 1)
    if not rows.is_contiguous():
        return values.div_(255).sub_(mean.view(1, 3, 1, 1)).div_(std.view(1, 3, 1, 1))
    # channels_last: broadcast over a whole row of pixels; broadcasting over 3 channels would prevent vectorisation.
    width = values.shape[3]
    rows.view(-1, 3 * width).div_(255).sub_(mean.repeat(width)).div_(std.repeat(width))
    return values
