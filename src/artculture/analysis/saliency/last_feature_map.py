"""The last spatial feature map of a backbone: locate it, read it, and replace it in the forward pass."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from artculture.models.classifier import CultureClassifier
from artculture.utils.errors import InputError

# Last spatial modules of torchvision's networks: the last stage of ResNet, all convolutions of VGG and AlexNet.
TORCHVISION_MODULES = {"resnet50": "layer4", "vgg16_bn": "features", "alexnet": "features"}

# Every timm classifier computes `forward_head(forward_features(images))`.
FEATURES_METHOD = "forward_features"

Change = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class FeatureMapLocation:
    """Location and layout of a feature map in a backbone.

    Attributes:
        name: submodule whose output is the map, or `forward_features` for the method of that name.
        layout: `NCHW`, `NHWC`, or `tokens` (N x (h * w) x channels, row-major).
        prefix: number of tokens before the patches (class, distillation and register tokens).
        architecture: name for error messages.
    """

    name: str
    layout: str
    prefix: int
    architecture: str

    def read(self, output: Tensor) -> Tensor:
        """Return the map N x channels x h x w of the output at this location."""
        if self.layout == "NCHW":
            return output
        if self.layout == "NHWC":
            return output.permute(0, 3, 1, 2)
        side, prefix = self._grid(output.shape[1])
        return output[:, prefix:].transpose(1, 2).reshape(len(output), -1, side, side)

    def write(self, output: Tensor, maps: Tensor) -> Tensor:
        """Return a copy of the output in which the map is replaced by `maps`, N x channels x h x w."""
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
        raise _no_map(self.architecture, f"its {tokens} tokens are not a square grid")


def locate_feature_map(classifier: CultureClassifier) -> FeatureMapLocation:
    """Locate the last spatial map, directly before the pooling.

    Raises:
        InputError: the backbone has no such map.
    """
    name = classifier.hyper["backbone"]
    if classifier.hyper["library"] == "torchvision":
        return FeatureMapLocation(TORCHVISION_MODULES[name], "NCHW", 0, name)
    backbone: Any = classifier.network.backbone
    output = _first_output(classifier, name)
    if not isinstance(output, Tensor) or output.ndim not in (3, 4):
        raise _no_map(name, "its last features are not a single map")
    if output.ndim == 4:
        layout = "NHWC" if getattr(backbone, "output_fmt", "NCHW") == "NHWC" else "NCHW"
        return FeatureMapLocation(FEATURES_METHOD, layout, 0, name)
    prefix = getattr(backbone, "num_prefix_tokens", None)
    # MLP mixers mix all positions and Hiera reorders them. Only models for which timm counts the prefix tokens keep
    # the patches in row-major order.
    if prefix is None:
        raise _no_map(name, "timm does not declare that its tokens are image patches in row-major order")
    location = FeatureMapLocation(FEATURES_METHOD, "tokens", prefix, name)
    location.read(output)  # Raises for tokens that are not a square grid.
    return location


def locate_gradient_map(classifier: CultureClassifier) -> FeatureMapLocation:
    """Locate the last spatial map with a gradient of the logits at all positions.

    It is the last spatial map, except if the head reads only the class token: after the last attention the other
    tokens have no gradient, so the normalised input of the last block is used.

    Raises:
        InputError: the backbone has no such map.
    """
    location = locate_feature_map(classifier)
    backbone: Any = classifier.network.backbone
    if location.layout != "tokens" or getattr(backbone, "global_pool", "") != "token":
        return location
    blocks = getattr(backbone, "blocks", None)
    if not blocks or not hasattr(blocks[-1], "norm1"):
        raise _no_map(location.architecture, "its last block has no normalised input")
    return FeatureMapLocation(f"blocks.{len(blocks) - 1}.norm1", "tokens", location.prefix, location.architecture)


def last_feature_maps(classifier: CultureClassifier, images: Tensor) -> Tensor:
    """Compute the last spatial maps of images.

    Args:
        classifier: run in eval mode; its modes are restored.
        images: uint8 N x 3 x H x W.

    Returns:
        float32 N x channels x h x w, on the classifier's device.

    Raises:
        InputError: the backbone has no such map.
    """
    location, seen = locate_feature_map(classifier), list[Tensor]()

    def keep(output: Tensor) -> Tensor:
        seen.append(location.read(output).float().clone())
        return output

    with torch.no_grad(), eval_mode(classifier), replaced_output(classifier, location.name, keep):
        classifier(images.to(classifier.device))
    return seen[-1]


@contextmanager
def replaced_output(classifier: CultureClassifier, name: str, change: Change) -> Iterator[None]:
    """Pass an output of the backbone through `change` inside the `with` block.

    Args:
        classifier: its backbone is modified temporarily.
        name: as `FeatureMapLocation.name`.
        change: maps the output at the location to its replacement.
    """
    backbone: Any = classifier.network.backbone
    if name != FEATURES_METHOD:
        # A forward hook that returns a value replaces the output of the module.
        hook = backbone.get_submodule(name).register_forward_hook(lambda _module, _inputs, output: change(output))
        try:
            yield
        finally:
            hook.remove()
        return
    # forward_features is a method, not a module, so hooks do not apply: shadow it with an instance attribute.
    original = backbone.forward_features
    backbone.forward_features = lambda *args, **kwargs: change(original(*args, **kwargs))
    try:
        yield
    finally:
        del backbone.forward_features


@contextmanager
def eval_mode(module: nn.Module) -> Iterator[None]:
    """Set a module to eval mode inside the `with` block, then restore the mode of each submodule."""
    before = {part: part.training for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for part, training in before.items():
            part.training = training


def _first_output(classifier: CultureClassifier, name: str) -> Any:
    """Return the output of `forward_features` for one blank image."""
    if not hasattr(classifier.network.backbone, FEATURES_METHOD):
        raise _no_map(name, "it has no features before its pooling")
    size = classifier.preprocessing.image_size
    blank = torch.zeros(1, 3, size, size, device=classifier.device)
    with torch.no_grad(), eval_mode(classifier):
        return cast(Any, classifier.network.backbone).forward_features(blank)


def _no_map(architecture: str, why: str) -> InputError:
    return InputError(
        f"architecture {architecture} has no spatial feature map: {why}. Feature maps and Grad-CAM support "
        "convolutional networks and vision transformers with a grid of patches"
    )
