"""All saliency maps of a classifier by name, and figures of them."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from artculture.analysis.plotting_style import new_figure
from artculture.analysis.saliency.feature_maps import activation_heatmap, overlay
from artculture.analysis.saliency.grad_cam import grad_cam
from artculture.analysis.saliency.last_feature_map import last_feature_maps
from artculture.analysis.saliency.occlusion import occlusion
from artculture.analysis.saliency.rollout import attention_modules, attention_rollout
from artculture.models.classifier import CultureClassifier
from artculture.utils.errors import InputError

# Classifier, images uint8 N x 3 x H x W, class index per image; gives float32 N x h x w in 0..1.
Method = Callable[[CultureClassifier, Tensor, Tensor], NDArray[np.float32]]

METHODS: dict[str, Method] = {
    "feature_map": lambda classifier, images, _: activation_heatmap(last_feature_maps(classifier, images)),
    "grad_cam": grad_cam,
    "rollout": lambda classifier, images, _: attention_rollout(classifier, images),
    "occlusion": occlusion,
}
TITLES = {
    "feature_map": "feature map",
    "grad_cam": "Grad-CAM",
    "rollout": "attention rollout",
    "occlusion": "occlusion",
}


def explain(
    classifier: CultureClassifier, images: Tensor, targets: Tensor, methods: Sequence[str] | None = None
) -> dict[str, NDArray[np.float32]]:
    """Compute saliency maps.

    Args:
        classifier: run in eval mode.
        images: uint8 N x 3 x H x W.
        targets: class index per image, int64 N; feature maps and rollout depend on none.
        methods: of `METHODS`; None for all that the network has.

    Returns:
        By method, float32 N x h x w in 0..1.

    Raises:
        InputError: a requested method that the network does not have, or no method at all.
    """
    asked = methods or [name for name in METHODS if name != "rollout" or attention_modules(classifier)]
    found, reasons = {}, []
    for name in asked:
        try:
            found[name] = METHODS[name](classifier, images, targets)
        except InputError as error:
            if methods:
                raise
            reasons.append(str(error))
    if not found:
        raise InputError("; ".join(reasons))
    return found


def draw_explanation(
    picture: NDArray[np.uint8], maps: Mapping[str, NDArray[np.float32]], title: str, *, smooth: bool = True
) -> Figure:
    """Return a figure of a picture, H x W x 3, next to itself under each of its maps, h x w.

    The maps are interpolated between their cells if `smooth`; the titles give their size.
    """
    figure = new_figure(2.3 * (len(maps) + 1), 2.8)
    axes = figure.subplots(1, len(maps) + 1, squeeze=False)[0]
    panels = [(title, picture), *(_panel(picture, name, heat, smooth=smooth) for name, heat in maps.items())]
    for axis, (heading, pixels) in zip(axes, panels, strict=True):
        axis.imshow(pixels)
        axis.set_title(heading, fontsize=8)
        axis.set_axis_off()
    return figure


def _panel(
    picture: NDArray[np.uint8], name: str, heat: NDArray[np.float32], *, smooth: bool
) -> tuple[str, NDArray[np.uint8]]:
    rows, columns = heat.shape
    return f"{TITLES[name]}, {rows} × {columns}", np.asarray(overlay(picture, heat, smooth=smooth))
