"""The paper's feature maps: the last map summed over its channels, laid over the painting."""

import numpy as np
import torch
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from artculture.analysis.saliency.last_feature_map import last_feature_maps
from artculture.models.classifier import CultureClassifier

HEAT_COLOURS = "inferno"
LUMINANCE = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601


def activation_heatmap(maps: Tensor) -> NDArray[np.float32]:
    """How much a network makes of each place: magnitudes summed over channels, rescale to 0..1 a picture.

    Behind a ReLU, as in the paper's networks, magnitudes are the values themselves. Maps of transformers have both
    signs, which would cancel: behind a LayerNorm their plain sum is nearly the same everywhere.

    Args:
        maps: float N x channels x h x w.

    Returns:
        float32 N x h x w; zeros for a picture whose map is the same everywhere.
    """
    return rescale(maps.float().abs().sum(dim=1))


def rescale(values: Tensor, floor: float | None = None) -> NDArray[np.float32]:
    """Values N x h x w rescale so that each picture's largest becomes 1 and its smallest (or `floor`) 0."""
    low = values.amin(dim=(1, 2), keepdim=True) if floor is None else torch.full_like(values[:, :1, :1], floor)
    span = values.amax(dim=(1, 2), keepdim=True) - low
    # Differences that rounding alone can make are no differences.
    even = span <= 1e-6 * values.abs().amax(dim=(1, 2), keepdim=True)
    result: NDArray[np.float32] = ((values - low) / span).masked_fill(even, 0.0).cpu().numpy().astype(np.float32)
    return result


def upscale(heats: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Heat N x h x w at `size` (height, width) by bicubic interpolation, kept within 0..1."""
    larger = F.interpolate(torch.from_numpy(heats)[:, None], size=size, mode="bicubic", align_corners=False)
    result: NDArray[np.float32] = larger.clamp(0, 1)[:, 0].numpy()
    return result


def peak(heat_map: NDArray[np.float32]) -> tuple[float | None, float | None]:
    """Middle of the hottest place as shares of width and height, from the top left; None where all is cold."""
    if not heat_map.any():
        return None, None
    y, x = np.unravel_index(int(heat_map.argmax()), heat_map.shape)
    height, width = heat_map.shape
    return round((float(x) + 0.5) / width, 4), round((float(y) + 0.5) / height, 4)


def overlay(picture: NDArray[np.uint8], heat_map: NDArray[np.float32]) -> Image.Image:
    """Blend a heat map over a painting that is faded towards grey, so that warm colours are the heat map's.

    Args:
        picture: height x width x 3.
        heat_map: h x w in 0..1, of any size.
    """
    height, width = picture.shape[:2]
    large = upscale(heat_map[None], (height, width))[0]
    grey = picture @ LUMINANCE
    faded = 0.6 * grey[..., None] + 0.2 * picture
    # At most half opaque, and sooner than in proportion: what lies under the heat map stays visible.
    opacity = 0.5 * large[..., None] ** 0.7
    mixed = (1 - opacity) * faded + opacity * 255 * colormaps[HEAT_COLOURS](large)[..., :3]
    return Image.fromarray(mixed.round().clip(0, 255).astype(np.uint8))


def overlays(classifier: CultureClassifier, pictures: Tensor) -> list[Image.Image]:
    """Each picture with its feature map over it.

    Args:
        classifier: left as it is.
        pictures: uint8 N x 3 x H x W.

    Returns:
        RGB images of the pictures' size.

    Raises:
        InputError: a backbone without a last spatial map.
    """
    heats = activation_heatmap(last_feature_maps(classifier, pictures))
    shown = pictures.permute(0, 2, 3, 1).cpu().numpy()
    return [overlay(picture, heat_map) for picture, heat_map in zip(shown, heats, strict=True)]
