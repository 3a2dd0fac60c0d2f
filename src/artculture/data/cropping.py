"""Boxes of pictures that become square images: the centre, the whole picture with borders, or all of it stretched."""

from collections.abc import Sequence
from typing import get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from artculture.config.schema.data import Fit

FITS: tuple[Fit, ...] = get_args(Fit)
# Top, left, height and width in pixels, int64 N x 4; a box may reach beyond its picture.
Boxes = NDArray[np.int64]


def centre_boxes(shapes: NDArray[np.int64], size: int) -> Boxes:
    """Return the central square of each image (height, width: int64 N x 2), rounded as in torchvision's CenterCrop."""
    corners = np.rint((shapes - size) / 2).astype(np.int64)
    return np.concatenate([corners, np.full_like(shapes, size)], axis=1)


def evaluation_boxes(shapes: NDArray[np.int64], size: int, fit: Fit) -> Boxes:
    """Return what evaluation shows of pictures (height, width: int64 N x 2)."""
    if fit == "stretch":
        return whole_boxes(shapes)
    # A letterboxed picture has a longer side of `size`: the square around it.
    return centre_boxes(shapes, size)


def whole_boxes(shapes: NDArray[np.int64]) -> Boxes:
    """Return all of each image."""
    return np.concatenate([np.zeros_like(shapes), shapes], axis=1)


def write_crop(
    out: Tensor,
    pixels: NDArray[np.uint8],
    box: Sequence[int],
    mirrored: bool,
    interpolation: str,
    fill: Sequence[int],
) -> None:
    """Crop, flip and resize one image into another.

    Args:
        out: uint8 3 x H x W, written to.
        pixels: uint8 H x W x 3.
        box: what to show; beyond the image it is filled.
        mirrored: whether it is flipped horizontally.
        interpolation: `bilinear` or `bicubic`.
        fill: colour, 0 to 255.
    """
    top, left, tall, wide = box
    height, width = pixels.shape[:2]
    rows, columns = slice(max(0, top), min(height, top + tall)), slice(max(0, left), min(width, left + wide))
    if (rows.stop - rows.start, columns.stop - columns.start) != (tall, wide):
        # Beyond the picture: the part that it covers is written into its place among the fill.
        across = (rows.start - top, rows.stop - top), (columns.start - left, columns.stop - left)
        out[:] = torch.tensor(fill, dtype=torch.uint8).view(3, 1, 1)
        (y0, y1), (x0, x1) = map(_scaled, across, (tall, wide), out.shape[1:])
        out = out[:, y0:y1, out.shape[2] - x1 : out.shape[2] - x0] if mirrored else out[:, y0:y1, x0:x1]
    if not out.numel():
        return
    # One copy, of the crop alone, because the memory map is read-only. Flipping in numpy would copy byte by byte.
    part = torch.from_numpy(np.array(pixels[rows, columns], order="C"))
    # Add the batch axis before permuting: torch then detects channels_last and uses its faster kernels.
    kept = part[None].permute(0, 3, 1, 2)
    if mirrored:
        kept = kept.flip(3)
    if kept.shape[2:] != out.shape[1:]:
        kept = interpolate(kept, out.shape[1:], mode=interpolation, antialias=True)
    out.copy_(kept[0])


def _scaled(at: tuple[int, int], of: int, side: int) -> tuple[int, int]:
    """Return the pixels of a result that an interval of a box covers, at least one where it covers any."""
    first, last = (round(place * side / of) for place in at)
    return (min(first, side - 1), max(last, first + 1)) if at[1] > at[0] else (0, 0)
