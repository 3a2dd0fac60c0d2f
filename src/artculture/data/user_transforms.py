"""Transforms of the user's own or of a library, applied to each training image with exact random numbers."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from artculture.data.counter_rng import derived_seed
from artculture.data.transforms import Transform
from artculture.utils.errors import InputError
from artculture.utils.targets import TARGET, instantiate

# Separates these seeds from those of other draws.
STREAM = 2


class UserTransforms:
    """Transforms of single images, in order.

    Random numbers that a transform takes from torch's generator are a function of (seed, epoch, row) alone, so that a
    resumed run, another number of loader processes or of devices draws the same ones.

    Args:
        nodes: `_target_` and arguments of each transform: of an image, uint8 3 x H x W, to another of the same shape.
        seed: of the run.

    Raises:
        InputError: a target can't be imported, or rejects its arguments.
    """

    def __init__(self, nodes: Sequence[Mapping[str, Any]], seed: int) -> None:
        self.names = [str(node[TARGET]) for node in nodes]
        self.transforms: list[Transform] = [instantiate(node) for node in nodes]
        self.seed = seed

    def __call__(self, pictures: Tensor, epoch: int, rows: NDArray[np.int64]) -> Tensor:
        """Return the transformed images, uint8 N x 3 x H x W; on a GPU a picture at a time, too.

        Raises:
            InputError: a transform changes the shape or the type of an image.
        """
        with _restored_generators(pictures.device):
            for picture, row in zip(pictures, rows.tolist(), strict=True):
                _seed(derived_seed(self.seed, STREAM, epoch, row), pictures.device)
                picture.copy_(self._transformed(picture))
        return pictures

    def _transformed(self, picture: Tensor) -> Tensor:
        changed = picture
        for name, transform in zip(self.names, self.transforms, strict=True):
            changed = transform(changed)
            if not isinstance(changed, Tensor) or (changed.dtype, changed.shape) != (picture.dtype, picture.shape):
                found = f"{changed.dtype} {tuple(changed.shape)}" if isinstance(changed, Tensor) else repr(changed)[:80]
                raise InputError(
                    f"augment.transforms: `{name}` made {found} of {picture.dtype} {tuple(picture.shape)}; it must "
                    "keep type and shape, as pictures are cropped before it and normalised after it"
                )
        return changed


@contextmanager
def _restored_generators(device: torch.device) -> Iterator[None]:
    # Dropout draws from the same generators.
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield


def _seed(seed: int, device: torch.device) -> None:
    # torch.manual_seed also seeds every other device, which takes longer than a transform.
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.default_generators[device.index or 0].manual_seed(seed)
