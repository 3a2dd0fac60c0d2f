"""Preprocessing of cached pixels for a network, as values and as functions."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor
from torchvision.transforms import v2

Transform = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Preprocessing:
    """Preprocessing that the weights were trained with.

    Attributes:
        image_size: side of the square crop, pixels.
        resize: shorter side before the centre crop, pixels.
        interpolation: `bilinear` or `bicubic`.
        mean, std: per colour channel, for values in 0..1.
    """

    image_size: int
    resize: int
    interpolation: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def at_size(self, image_size: int | None) -> "Preprocessing":
        """Return the preprocessing for another crop size, with the same ratio of crop to shorter side."""
        if image_size is None or image_size == self.image_size:
            return self
        resize = max(image_size, round(self.resize * image_size / self.image_size))
        return Preprocessing(image_size, resize, self.interpolation, self.mean, self.std)

    def as_plain(self) -> dict[str, Any]:
        values = asdict(self)
        return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}

    @classmethod
    def from_plain(cls, values: dict[str, Any]) -> "Preprocessing":
        plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return cls(**plain)


def eval_transform(preprocessing: Preprocessing) -> Transform:
    """Return a transform of uint8 3 x H x W (shorter side `resize`) to its centre crop, uint8 3 x size x size."""
    crop: Transform = v2.CenterCrop(preprocessing.image_size)
    return crop


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
