"""Test-time augmentation: several images of one picture, whose probabilities are averaged."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from artculture.config.schema.checkpoint_commands import TestTimeView
from artculture.data.cropping import write_crop
from artculture.data.decoding import Decoding
from artculture.data.transforms import Preprocessing, eval_transform
from artculture.evaluation.calibration import softmax
from artculture.evaluation.inference import InferenceModel
from artculture.models.finite import check_predictions_finite

# Sides of an image that is not square are multiples of it, as most networks need; pixels.
STEP = 32


@dataclass(frozen=True)
class TestTimeViews:
    """Views of a picture.

    Attributes:
        preprocessing: of the classifier.
        kinds: `crops` (squares along the longer side), `whole` (all of it, not square) or, with neither, the image of
            evaluation; `flip` adds the mirror image of each.
    """

    __test__ = False  # not a class of tests

    preprocessing: Preprocessing
    kinds: Sequence[TestTimeView]

    @property
    def decoding(self) -> Decoding:
        """How pictures are decoded for `of`, as of `read_pixels`, with the side of the preprocessing."""
        return "strip" if {"crops", "whole"} & set(self.kinds) else self.preprocessing.fit

    def of(self, pixels: NDArray[np.uint8]) -> list[Tensor]:
        """Return the views, each uint8 3 x H x W, of decoded pixels, H x W x 3."""
        views: list[Tensor] = []
        if "crops" in self.kinds:
            size = self.preprocessing.image_size
            views += [self._view(pixels, box, size, size) for box in crop_boxes(*pixels.shape[:2])]
        if "whole" in self.kinds:
            height, width = pixels.shape[:2]
            views.append(self._view(pixels, (0, 0, height, width), *whole_shape(height, width, self.size)))
        if not views:
            views.append(eval_transform(self.preprocessing)(torch.from_numpy(np.array(pixels)).permute(2, 0, 1)))
        return [*views, *(view.flip(2) for view in views)] if "flip" in self.kinds else views

    @property
    def size(self) -> int:
        return self.preprocessing.image_size

    def _view(self, pixels: NDArray[np.uint8], box: Sequence[int], tall: int, wide: int) -> Tensor:
        out = torch.empty((3, tall, wide), dtype=torch.uint8)
        write_crop(out, pixels, box, False, self.preprocessing.interpolation, self.preprocessing.fill)
        return out


def crop_boxes(height: int, width: int) -> list[tuple[int, int, int, int]]:
    """Return squares of the shorter side, evenly spaced along the longer one, as few as cover the picture."""
    side, longer = min(height, width), max(height, width)
    count = math.ceil(longer / side)
    starts = np.linspace(0, longer - side, count).round().astype(int).tolist()
    return [(0, start, side, side) if width >= height else (start, 0, side, side) for start in starts]


def whole_shape(height: int, width: int, size: int) -> tuple[int, int]:
    """Return height and width of about size^2 pixels with a picture's aspect ratio, in multiples of `STEP`."""
    ratio = (width / height) ** 0.5
    tall, wide = (max(1, round(side / STEP)) * STEP for side in (size / ratio, size * ratio))
    return tall, wide


def mean_probabilities(logits: Iterable[NDArray[Any]], temperature: float = 1.0) -> NDArray[np.float64]:
    """Return the mean over views of the probabilities, float64 N x classes, of N arrays of logits, views x classes."""
    return np.stack([softmax(each, temperature).mean(axis=0) for each in logits])


def view_logits(
    model: InferenceModel, pictures: Iterable[Sequence[Tensor]], batch_size: int
) -> list[NDArray[np.float32]]:
    """Return the logits of each picture's views, float32 views x classes; of several labels side by side.

    Views of one shape share a forward pass.
    """
    kept = list(pictures)
    places = [(picture, view) for picture, views in enumerate(kept) for view in range(len(views))]
    places.sort(key=lambda place: tuple(kept[place[0]][place[1]].shape))
    width = sum(len(output.classes) for output in model.outputs)
    out = [np.empty((len(views), width), dtype=np.float32) for views in kept]
    start = 0
    while start < len(places):
        shape = kept[places[start][0]][places[start][1]].shape
        batch = [place for place in places[start : start + batch_size] if kept[place[0]][place[1]].shape == shape]
        found = model.features_and_logits(torch.stack([kept[picture][view] for picture, view in batch]))[1].numpy()
        check_predictions_finite(found, model.name)
        for (picture, view), logits in zip(batch, found, strict=True):
            out[picture][view] = logits
        start += len(batch)
    return out
