"""The last map of a backbone that still has height and width: where it is, what it holds, and a way to stand in it."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from artculture.models.classifier import CultureClassifier
from artculture.utils.errors import InputError

# Where torchvision's networks end being spatial: ResNet's last stage, VGG's and AlexNet's whole convolutional part.
TORCHVISION_MODULES = {"resnet50": "layer4", "vgg16_bn": "features", "alexnet": "features"}

# timm's way in: every classifier of its is `forward_head(forward_features(pictures))`.
FEATURES_METHOD = "forward_features"

Change = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class FeatureMapLocation:
    """Where a backbone holds a map, and in which order of axes.

    Attributes:
        name: the submodule whose output it is, or `forward_features` for the method of that name.
        layout: `NCHW`, `NHWC`, or `tokens` (N x places x channels, row by row).
        prefix: tokens before the places (class, distillation and register tokens).
        architecture: for messages.
    """

    name: str
    layout: str
    prefix: int
    architecture: str

    def read(self, output: Tensor) -> Tensor:
        """The map N x channels x h x w in what the place gives."""
        if self.layout == "NCHW":
            return output
        if self.layout == "NHWC":
            return output.permute(0, 3, 1, 2)
        side, prefix = self._grid(output.shape[1])
        return output[:, prefix:].transpose(1, 2).reshape(len(output), -1, side, side)

    def write(self, output: Tensor, maps: Tensor) -> Tensor:
        """What the place gives, with another map in it."""
        if self.layout == "NCHW":
            return maps
        if self.layout == "NHWC":
            return maps.permute(0, 2, 3, 1)
        prefix = self._grid(output.shape[1])[1]
        return torch.cat([output[:, :prefix], maps.flatten(2).transpose(1, 2)], dim=1)

    def _grid(self, tokens: int) -> tuple[int, int]:
        # Some networks (CaiT, XCiT) add their class token only after the last block of patches.
        for prefix in (self.prefix, 0):
            side = math.isqrt(max(0, tokens - prefix))
            if side and side * side == tokens - prefix:
                return side, prefix
        raise _no_map(self.architecture, f"its {tokens} tokens are no square grid")


def locate_feature_map(classifier: CultureClassifier) -> FeatureMapLocation:
    """Where the last spatial map is: just before the pooling.

    Raises:
        InputError: a backbone without such a map.
    """
    name = classifier.hyper["architecture"]
    if classifier.hyper["library"] == "torchvision":
        return FeatureMapLocation(TORCHVISION_MODULES[name], "NCHW", 0, name)
    backbone: Any = classifier.network.backbone
    output = _first_output(classifier, name)
    if not isinstance(output, Tensor) or output.ndim not in (3, 4):
        raise _no_map(name, "its last features are no single map")
    if output.ndim == 4:
        layout = "NHWC" if getattr(backbone, "output_fmt", "NCHW") == "NHWC" else "NCHW"
        return FeatureMapLocation(FEATURES_METHOD, layout, 0, name)
    prefix = getattr(backbone, "num_prefix_tokens", None)
    # MLP mixers blend all places, Hiera keeps them in another order: only where timm counts the tokens before the
    # patches do the others stand row by row.
    if prefix is None:
        raise _no_map(name, "timm does not say that its tokens are the places of the picture, row by row")
    place = FeatureMapLocation(FEATURES_METHOD, "tokens", prefix, name)
    place.read(output)
    return place


def locate_gradient_map(classifier: CultureClassifier) -> FeatureMapLocation:
    """The last spatial map on which the logits depend everywhere.

    That is the last spatial map, except where the head reads a class token alone: behind the last attention no
    other token has a gradient, so there it is that block's normalised input.

    Raises:
        InputError: a backbone without such a map.
    """
    place = locate_feature_map(classifier)
    backbone: Any = classifier.network.backbone
    if place.layout != "tokens" or getattr(backbone, "global_pool", "") != "token":
        return place
    blocks = getattr(backbone, "blocks", None)
    if not blocks or not hasattr(blocks[-1], "norm1"):
        raise _no_map(place.architecture, "its last block has no normalised input to look at")
    return FeatureMapLocation(f"blocks.{len(blocks) - 1}.norm1", "tokens", place.prefix, place.architecture)


def last_feature_maps(classifier: CultureClassifier, pictures: Tensor) -> Tensor:
    """The last spatial maps of pictures.

    Args:
        classifier: left as it is; it is run in eval mode.
        pictures: uint8 N x 3 x H x W.

    Returns:
        float32 N x channels x h x w, on the classifier's device.

    Raises:
        InputError: a backbone without such a map.
    """
    place, seen = locate_feature_map(classifier), list[Tensor]()

    def keep(output: Tensor) -> Tensor:
        seen.append(place.read(output).float().clone())
        return output

    with torch.no_grad(), eval_mode(classifier), replaced_output(classifier, place.name, keep):
        classifier(pictures.to(classifier.device))
    return seen[-1]


@contextmanager
def replaced_output(classifier: CultureClassifier, name: str, change: Change) -> Iterator[None]:
    """Pass what a place of the backbone gives through `change`, while the context lasts.

    Args:
        classifier: whose backbone.
        name: as `FeatureMapLocation.name`.
        change: given the place's output, gives what goes on in its stead.
    """
    backbone: Any = classifier.network.backbone
    if name != FEATURES_METHOD:
        hook = backbone.get_submodule(name).register_forward_hook(lambda _module, _inputs, output: change(output))
        try:
            yield
        finally:
            hook.remove()
        return
    original = backbone.forward_features
    backbone.forward_features = lambda *args, **kwargs: change(original(*args, **kwargs))
    try:
        yield
    finally:
        del backbone.forward_features


@contextmanager
def eval_mode(module: nn.Module) -> Iterator[None]:
    """Every part of a module in eval mode, and afterwards each as it was."""
    before = {part: part.training for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for part, training in before.items():
            part.training = training


def _first_output(classifier: CultureClassifier, name: str) -> Any:
    """What `forward_features` gives for one blank image."""
    if not hasattr(classifier.network.backbone, FEATURES_METHOD):
        raise _no_map(name, "it has no features before its pooling")
    size = classifier.preprocessing.image_size
    blank = torch.zeros(1, 3, size, size, device=classifier.device)
    with torch.no_grad(), eval_mode(classifier):
        return cast(Any, classifier.network.backbone).forward_features(blank)


def _no_map(architecture: str, why: str) -> InputError:
    return InputError(
        f"architecture {architecture} has no last map of places to show: {why}. Feature maps and Grad-CAM are made "
        "for convolutional networks and for vision transformers with a grid of patches"
    )
