"""Backbones: the networks of torchvision and timm without their last linear layer, or a module of the user's own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import torch
import torchvision
from torch import Tensor, nn
from torchvision.models import WeightsEnum

from artculture.config.schema.data import Fit
from artculture.data.transforms import Preprocessing
from artculture.utils.errors import InputError, choices_hint, reason_of
from artculture.utils.targets import TARGET, instantiate, locate

TORCHVISION: dict[str, tuple[Callable[..., nn.Module], type[WeightsEnum], str]] = {
    "resnet50": (torchvision.models.resnet50, torchvision.models.ResNet50_Weights, "fc"),
    "vgg16_bn": (torchvision.models.vgg16_bn, torchvision.models.VGG16_BN_Weights, "classifier.6"),
    "alexnet": (torchvision.models.alexnet, torchvision.models.AlexNet_Weights, "classifier.6"),
}

# The paper is of 2020: its ResNet50 started from what torchvision now calls V1.
IMAGENET_MEMBER = "IMAGENET1K_V1"

# Our names for models that timm calls otherwise.
TIMM_NAMES = {"efficientnet_lite0": "tf_efficientnet_lite0"}

# How timm's names of the ways to make a picture square are ours.
TIMM_FITS: dict[str, Fit] = {"center": "crop", "squash": "stretch", "border": "letterbox"}

# Of a backbone of the user's own that has no attribute `preprocessing`: the usual one of ImageNet.
USUAL_PREPROCESSING = Preprocessing(224, 256, "bilinear", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

# The library of classifiers of vectors that others computed; `features` of its options is their length.
EMBEDDINGS = "embeddings"
LIBRARIES = ("torchvision", "timm", "custom", EMBEDDINGS)

Node = Mapping[str, Any]


@dataclass(frozen=True)
class Backbone:
    """A network that ends in a vector.

    Attributes:
        module: pictures N x 3 x H x W to N x features.
        features: length of the vector.
        last_layer: name of the linear layer that was taken away, as it stands in files of weights.
        preprocessing: what its pretrained weights expect.
        arguments: of a model of timm: those of `timm.create_model` that it was made with.
    """

    module: nn.Module
    features: int
    last_layer: str
    preprocessing: Preprocessing
    arguments: Mapping[str, Any] = field(default_factory=dict)


def make_backbone(
    name: str,
    library: str,
    node: Node | None = None,
    options: Mapping[str, Any] | None = None,
    image_size: int | None = None,
) -> Backbone:
    """Return a backbone with random weights.

    Args:
        name: of the architecture.
        library: `torchvision`, `timm` or `custom`.
        node: of a custom backbone: `_target_` and its arguments.
        options: of a model of timm: further arguments of `timm.create_model`.
        image_size: pixels, for models that are made for one size; None for the one of their weights.

    Raises:
        InputError: a name that the library does not have, options that the model does not take, or a custom backbone
            that can't be made.
    """
    _check_library(library, node)
    if library == EMBEDDINGS:
        facts = dict(options or {})
        return Backbone(nn.Identity(), int(facts["features"]), "", USUAL_PREPROCESSING, facts)
    if node is not None:
        return _custom(name, node)
    return _torchvision(name) if library == "torchvision" else _timm(name, dict(options or {}), image_size)


def preprocessing_of(name: str, library: str, node: Node | None = None) -> Preprocessing:
    """Return what the pretrained weights of a backbone expect, without building it; arguments as `make_backbone`."""
    _check_library(library, node)
    if library == EMBEDDINGS:
        return USUAL_PREPROCESSING
    if node is not None:
        found = getattr(locate(node[TARGET]), "preprocessing", USUAL_PREPROCESSING)
        return found if isinstance(found, Preprocessing) else USUAL_PREPROCESSING
    if library == "torchvision":
        return _enum_preprocessing(torchvision_member(name, IMAGENET_MEMBER))
    return _timm_preprocessing(timm_config(name))


def _check_library(library: str, node: Node | None) -> None:
    if library not in LIBRARIES:
        raise InputError(f"library={library}: {choices_hint(library, LIBRARIES)}")
    if library == "custom" and node is None:
        raise InputError("a custom backbone needs its `_target_` and arguments (backbone_node)")


def torchvision_member(name: str, member: str) -> WeightsEnum:
    if name not in TORCHVISION:
        raise InputError(f"architecture.name={name}: {choices_hint(name, TORCHVISION)}")
    members = TORCHVISION[name][1].__members__
    if member not in members:
        raise InputError(f"architecture.weights={member}: {choices_hint(member, members)}")
    return cast(WeightsEnum, members[member])


def _enum_preprocessing(weights: WeightsEnum) -> Preprocessing:
    given: Any = weights.transforms()
    return Preprocessing(
        given.crop_size[0],
        given.resize_size[0],
        given.interpolation.value,
        tuple(given.mean),
        tuple(given.std),
    )


class _PoolWhereNeeded(nn.Module):
    """Adaptive average pooling that does nothing to a map that has its size already.

    Same values, and at the usual 224 px no need for a backward pass that has no deterministic form on CUDA
    (pytorch/pytorch#50198).
    """

    def __init__(self, pool: nn.AdaptiveAvgPool2d) -> None:
        super().__init__()
        self.pool = pool
        size = pool.output_size
        self.size = (size, size) if isinstance(size, int) else size

    def forward(self, x: Tensor) -> Tensor:
        return x if tuple(x.shape[-2:]) == self.size else cast(Tensor, self.pool(x))


def start_by_he(module: nn.Module) -> None:
    """Draw convolutions and linear layers as He et al. (2015) do.

    torchvision does so for ResNet and VGG, but leaves AlexNet at torch's default, a third of that variance: through
    eight layers without normalisation so little of the picture arrives that it hardly learns from scratch.
    """
    for layer in module.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def _torchvision(name: str) -> Backbone:
    preprocessing = _enum_preprocessing(torchvision_member(name, IMAGENET_MEMBER))
    build, _, last_layer = TORCHVISION[name]
    # Blocks that start as the identity (Goyal et al. 2017, section 5.1): without pretrained weights a ResNet then
    # learns within tens of steps what otherwise takes it hundreds.
    module = build(weights=None, **({"zero_init_residual": True} if name == "resnet50" else {}))
    if name == "alexnet":
        start_by_he(module)
    parent, _, child = last_layer.rpartition(".")
    features = cast(nn.Linear, module.get_submodule(last_layer)).in_features
    setattr(module.get_submodule(parent), child, nn.Identity())
    if name != "resnet50":
        module.avgpool = _PoolWhereNeeded(cast(nn.AdaptiveAvgPool2d, module.avgpool))
    return Backbone(module, features, last_layer, preprocessing)


def _custom(name: str, node: Node) -> Backbone:
    module, preprocessing = instantiate(node), preprocessing_of(name, "custom", node)
    if not isinstance(module, nn.Module):
        raise InputError(f"architecture.backbone: `{node[TARGET]}` made a {type(module).__name__}, not a torch module")
    size = preprocessing.image_size
    training = module.training
    with torch.inference_mode():
        vectors = module.eval()(torch.zeros(1, 3, size, size))
    module.train(training)
    if not isinstance(vectors, Tensor) or vectors.ndim != 2:
        shape = tuple(vectors.shape) if isinstance(vectors, Tensor) else type(vectors).__name__
        raise InputError(
            f"architecture.backbone: `{node[TARGET]}` maps a picture 1 x 3 x {size} x {size} to {shape}; a backbone "
            "gives vectors, 1 x features"
        )
    return Backbone(module, vectors.shape[1], "", preprocessing)


def timm_config(name: str) -> dict[str, Any]:
    """timm's description of a model's default pretrained weights.

    Raises:
        InputError: no such model.
    """
    import timm  # takes a second

    known = TIMM_NAMES.get(name, name)
    if not timm.is_model(known):
        raise InputError(f"architecture.name={name} is no model of timm: {choices_hint(name, timm.list_models())}")
    config = timm.get_pretrained_cfg(known)
    return config.to_dict() if config else {}


def timm_configs(name: str) -> list[dict[str, Any]]:
    """timm's descriptions of all the pretrained weights that it has for a model."""
    import timm  # takes a second

    known = TIMM_NAMES.get(name, name).partition(".")[0]
    return [timm.get_pretrained_cfg(entry).to_dict() for entry in timm.list_pretrained(f"{known}.*")]


def _timm_preprocessing(config: dict[str, Any]) -> Preprocessing:
    size = config.get("input_size", (3, 224, 224))[-1]
    interpolation = config.get("interpolation", "bicubic")
    fit = TIMM_FITS.get(config.get("crop_mode", "center"), "crop")
    return Preprocessing(
        size,
        round(size / config.get("crop_pct", 0.875)) if fit == "crop" else size,
        interpolation if interpolation in ("bilinear", "bicubic") else "bicubic",
        tuple(config.get("mean", (0.485, 0.456, 0.406))),
        tuple(config.get("std", (0.229, 0.224, 0.225))),
        fit,
    )


def _timm(name: str, options: dict[str, Any], image_size: int | None) -> Backbone:
    config = timm_config(name)
    preprocessing = _timm_preprocessing(config)
    known = TIMM_NAMES.get(name, name)
    sized = image_size not in (None, preprocessing.image_size) and config.get("fixed_input_size")
    arguments = {"img_size": image_size, **options} if sized else options
    try:
        module = _created(known, arguments)
    except TypeError as error:
        # Some models of one size can't be made for another.
        arguments = options
        try:
            module = _created(known, arguments)
        except TypeError:
            given = ", ".join(f"{key}={value}" for key, value in options.items())
            raise InputError(
                f"architecture.name={name} does not take {given} ({reason_of(error)}): change architecture.args, or "
                "architecture.drop_path=0"
            ) from error
    classifier = config.get("classifier", "classifier")
    last_layer = classifier if isinstance(classifier, str) else classifier[0]
    # With num_classes=0 some of timm's models keep a hidden layer before the classifier: its width then counts.
    features = getattr(module, "head_hidden_size", None) or module.num_features
    return Backbone(module, cast(int, features), last_layer, preprocessing, arguments)


def _created(known: str, arguments: Mapping[str, Any]) -> nn.Module:
    import timm

    return cast(nn.Module, timm.create_model(known, pretrained=False, num_classes=0, **arguments))
