"""Feature maps as in the paper: the last map summed over its channels, overlaid on the painting."""

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
    """Sum the magnitudes of feature maps over their channels and rescale them to 0..1 per image.

    After a ReLU, as in the networks of the paper, magnitudes equal values. Maps of transformers have both signs, which
    would cancel: after a LayerNorm their plain sum is nearly constant.

    Args:
        maps: feature maps, float N x channels x h x w.

    Returns:
        float32 N x h x w; zeros for an image whose map is constant.
    """
    return rescale(maps.float().abs().sum(dim=1))


def rescale(values: Tensor, floor: float | None = None) -> NDArray[np.float32]:
    """Rescale values N x h x w linearly per image: its maximum becomes 1, its minimum (or `floor`) 0."""
    low = values.amin(dim=(1, 2), keepdim=True) if floor is None else torch.full_like(values[:, :1, :1], floor)
    span = values.amax(dim=(1, 2), keepdim=True) - low
    # A range within rounding error counts as constant.
    constant = span <= 1e-6 * values.abs().amax(dim=(1, 2), keepdim=True)
    result: NDArray[np.float32] = ((values - low) / span).masked_fill(constant, 0.0).cpu().numpy().astype(np.float32)
    return result


def upscale(heats: NDArray[np.float32], size: tuple[int, int], *, smooth: bool = True) -> NDArray[np.float32]:
    """Resize heat maps N x h x w to `size` (height, width) bicubically, clamped to 0..1 (bicubic overshoots).

    Without `smooth`, each cell keeps its value and becomes a rectangle.
    """
    given = torch.from_numpy(heats)[:, None]
    if smooth:
        larger = F.interpolate(given, size=size, mode="bicubic", align_corners=False)
    else:
        larger = F.interpolate(given, size=size, mode="nearest-exact")
    result: NDArray[np.float32] = larger.clamp(0, 1)[:, 0].numpy()
    return result


def peak(heat_map: NDArray[np.float32]) -> tuple[float | None, float | None]:
    """Return the position (x, y) of the maximum as fractions of width and height from the top left; None for zeros."""
    if not heat_map.any():
        return None, None
    y, x = np.unravel_index(int(heat_map.argmax()), heat_map.shape)
    height, width = heat_map.shape
    return round((float(x) + 0.5) / width, 4), round((float(y) + 0.5) / height, 4)


def overlay(picture: NDArray[np.uint8], heat_map: NDArray[np.float32], *, smooth: bool = True) -> Image.Image:
    """Overlay a heat map on a painting that is faded towards grey, so that its colours do not mix with the heat map's.

    Args:
        picture: uint8 height x width x 3.
        heat_map: float32 h x w in 0..1, of any size.
        smooth: interpolate between the cells of the map (bicubic); False shows its cells.
    """
    height, width = picture.shape[:2]
    large = upscale(heat_map[None], (height, width), smooth=smooth)[0]
    grey = picture @ LUMINANCE
    faded = 0.6 * grey[..., None] + 0.2 * picture
    # At most 50 % opaque, so that the painting stays visible; the exponent makes weak activations visible too.
    opacity = 0.5 * large[..., None] ** 0.7
    mixed = (1 - opacity) * faded + opacity * 255 * colormaps[HEAT_COLOURS](large)[..., :3]
    return Image.fromarray(mixed.round().clip(0, 255).astype(np.uint8))


def overlays(classifier: CultureClassifier, images: Tensor) -> list[Image.Image]:
    """Return each image with its feature map overlaid.

    Args:
        classifier: run in eval mode; its modes are restored.
        images: uint8 N x 3 x H x W.

    Returns:
        RGB images of the same size.

    Raises:
        InputError: the backbone has no spatial map.
    """
    heats = activation_heatmap(last_feature_maps(classifier, images))
    shown = images.permute(0, 2, 3, 1).cpu().numpy()
    return [overlay(picture, heat_map) for picture, heat_map in zip(shown, heats, strict=True)]
