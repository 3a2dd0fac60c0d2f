"""From cached pixels to what the network sees: values that say how, and the functions made of them."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor
from torchvision.transforms import v2

Transform = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Preprocessing:
    """What the weights were trained with, and so what they expect.

    Attributes:
        image_size: side of the square crop, pixels.
        resize: shorter side before the centre crop, pixels.
        interpolation: `bilinear` or `bicubic`.
        mean, std: a colour channel, for values in 0..1.
    """

    image_size: int
    resize: int
    interpolation: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def at_size(self, image_size: int | None) -> "Preprocessing":
        """The same for another crop size, with the same share of the picture in the crop."""
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
    """uint8 3 x H x W (shorter side `resize`) to its centre, uint8 3 x size x size."""
    crop: Transform = v2.CenterCrop(preprocessing.image_size)
    return crop


def normalise(batch: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """uint8 N x 3 x H x W to float32 with the weights' mean and deviation, on the batch's device."""
    values = batch.float()
    rows = values.permute(0, 2, 3, 1)
    if not rows.is_contiguous():
        return values.div_(255).sub_(mean.view(1, 3, 1, 1)).div_(std.view(1, 3, 1, 1))
    # channels_last: numbers for a whole row of pixels, for three at a time would keep a CPU from its wide registers.
    width = values.shape[3]
    rows.view(-1, 3 * width).div_(255).sub_(mean.repeat(width)).div_(std.repeat(width))
    return values
