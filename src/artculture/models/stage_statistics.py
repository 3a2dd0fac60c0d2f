"""Statistics of a backbone's stages, in addition to the vector that it ends in.

Mean and standard deviation of a channel over a picture say which textures and colours are in it, as in the style loss
of Huang and Belongie 2017, "Arbitrary Style Transfer in Real-time with Adaptive Instance Normalization" (arXiv
1703.06868); the last stage, trained to name objects, has lost much of that. Covariances say which of them are in the
same places, as in Gatys et al. 2016, "Image Style Transfer Using Convolutional Neural Networks"; their square root is
used, as in Li et al. 2018, "Towards Faster Training of Global Covariance Pooling Networks by Iterative Matrix Square
Root Normalization" (arXiv 1712.01034), since a few directions hold most of the variance.
"""

import math
from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

import torch
from torch import Tensor, nn

from artculture.config.schema.model import StageStatistics

# The last ones: a vision transformer has a stage for each block.
MOST_STAGES = 4
SMALLEST_VARIANCE = 1e-6
# Directions of a covariance at most; the number of features grows with their square.
DIRECTIONS = 48
NEWTON_STEPS = 5  # as in Li et al. 2018


def stages(backbone: nn.Module) -> list[tuple[str, int | None]]:
    """Return the names of the modules with which stages end and their numbers of channels, if known.

    A model of timm says so (`feature_info`); of another one they are the parts that have parameters.
    """
    listed = getattr(backbone, "feature_info", None)
    infos: list[dict[str, Any]] = getattr(listed, "info", listed) or []
    known = dict(backbone.named_modules())
    found: list[tuple[str, int | None]] = [
        (str(info["module"]), info.get("num_chs")) for info in infos if info.get("module") in known
    ]
    if not found:
        found = [(name, None) for name, part in backbone.named_children() if any(True for _ in part.parameters())]
    return found[-MOST_STAGES:]


def vector_with_statistics(backbone: nn.Module, pictures: Tensor, kind: StageStatistics) -> Tensor:
    """Return the backbone's vector, then statistics of the channels of each stage, N x features.

    Args:
        backbone: takes pictures N x 3 x H x W.
        pictures: what it takes.
        kind: `moments` (mean and standard deviation of each channel), `covariances` (these, and the square root of the
            covariance, its upper half, of at most `DIRECTIONS` directions) or `none`.
    """
    outputs: dict[str, Tensor] = {}

    def keep(name: str) -> Any:
        return lambda _module, _inputs, output: outputs.__setitem__(name, output)

    if kind == "none":
        return cast(Tensor, backbone(pictures))
    chosen = stages(backbone)
    hooks = [backbone.get_submodule(name).register_forward_hook(keep(name)) for name, _ in chosen]
    try:
        parts = [cast(Tensor, backbone(pictures))]
    finally:
        for hook in hooks:
            hook.remove()
    with _full_precision(pictures.device.type):
        for name, channels in chosen:
            values = _by_channel(outputs[name], channels)
            if values is not None:
                variance, mean = torch.var_mean(values, 1, correction=0)
                parts += [mean, (variance + SMALLEST_VARIANCE).sqrt()]
                if kind == "covariances":
                    parts.append(_root_of_covariance(values - mean[:, None]))
        return torch.cat(parts, 1)


def statistics_key(kind: StageStatistics) -> str:
    """Return what identifies the statistics in the name of a cache; empty for none."""
    return "" if kind == "none" else f" {kind} {DIRECTIONS} {NEWTON_STEPS} {SMALLEST_VARIANCE}"


def vector_length(backbone: nn.Module, image_size: int, kind: StageStatistics) -> int:
    """Return the number of features of `vector_with_statistics` for pictures of a size."""
    training = backbone.training
    with torch.inference_mode():
        length = vector_with_statistics(backbone.eval(), torch.zeros(1, 3, image_size, image_size), kind).shape[1]
    backbone.train(training)
    return int(length)


def _full_precision(device: str) -> AbstractContextManager[Any]:
    """Return a context without autocast, which is no part of an exported program where there is none."""
    return torch.autocast(device, enabled=False) if torch.is_autocast_enabled(device) else nullcontext()


def _by_channel(output: Tensor, channels: int | None) -> Tensor | None:
    """Return the values of a map or of tokens, float32 N x positions x channels; None for what is neither."""
    if not isinstance(output, Tensor) or output.ndim not in (3, 4):
        return None
    last = output.ndim == 3 or (channels is not None and output.shape[1] != channels)
    return output.float().flatten(1, -2) if last else output.float().flatten(2).mT


def _root_of_covariance(centred: Tensor) -> Tensor:
    """Return the upper half of the square root of the covariance, N x k (k + 1) / 2, of N x positions x channels."""
    channels = centred.shape[2]
    if channels > DIRECTIONS:
        centred = centred @ _directions(channels, centred.device)
    root = _square_root(centred.mT @ centred / centred.shape[1])
    size = root.shape[1]
    upper = [row * size + column for row in range(size) for column in range(row, size)]
    return root.flatten(1)[:, torch.tensor(upper, device=root.device)]


def _directions(channels: int, device: torch.device | None = None) -> Tensor:
    """Return orthonormal directions that mix all channels, channels x DIRECTIONS: of a discrete cosine transform.

    The channels of a stage have no order, so that these are as good as random ones, and the same on all machines.
    """
    places = torch.arange(channels, device=device)[:, None] + 0.5
    waves = torch.arange(1, DIRECTIONS + 1, device=device)
    return math.sqrt(2 / channels) * torch.cos(math.pi / channels * places * waves)


def _square_root(covariance: Tensor) -> Tensor:
    """Return the square roots of covariances, N x k x k, approximated by Newton-Schulz iterations.

    It converges where eigenvalues are at most 1, so that the covariance is divided by their sum before.
    """
    identity = torch.eye(covariance.shape[1], device=covariance.device)
    scale = (covariance * identity).sum((1, 2), keepdim=True) + SMALLEST_VARIANCE
    root, inverse = covariance / scale, identity.expand_as(covariance)
    for _ in range(NEWTON_STEPS):
        step = (3 * identity - inverse @ root) / 2
        root, inverse = root @ step, step @ inverse
    return root * scale.sqrt()
