"""Statistics of a backbone's stages, in addition to the vector that it ends in.

Mean and standard deviation of a channel over a picture say which textures and colours are in it, as in the style loss
of Huang and Belongie 2017, "Arbitrary Style Transfer in Real-time with Adaptive Instance Normalization" (arXiv
1703.06868); the last stage, trained to name objects, has lost much of that.
"""

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

# The last ones: a vision transformer has a stage for each block.
MOST_STAGES = 4
SMALLEST_VARIANCE = 1e-6


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


def vector_with_statistics(backbone: nn.Module, pictures: Tensor) -> Tensor:
    """Return the backbone's vector, then mean and standard deviation of the channels of each stage, N x features."""
    outputs: dict[str, Tensor] = {}

    def keep(name: str) -> Any:
        return lambda _module, _inputs, output: outputs.__setitem__(name, output)

    chosen = stages(backbone)
    hooks = [backbone.get_submodule(name).register_forward_hook(keep(name)) for name, _ in chosen]
    try:
        vector = cast(Tensor, backbone(pictures))
    finally:
        for hook in hooks:
            hook.remove()
    return torch.cat([vector, *(part for name, channels in chosen for part in _statistics(outputs[name], channels))], 1)


def vector_length(backbone: nn.Module, image_size: int) -> int:
    """Return the number of features of `vector_with_statistics` for pictures of a size."""
    training = backbone.training
    with torch.inference_mode():
        length = vector_with_statistics(backbone.eval(), torch.zeros(1, 3, image_size, image_size)).shape[1]
    backbone.train(training)
    return int(length)


def _statistics(output: Tensor, channels: int | None) -> Sequence[Tensor]:
    """Return mean and standard deviation of each channel of a map, or of tokens; nothing for what is neither."""
    if not isinstance(output, Tensor) or output.ndim not in (3, 4):
        return ()
    last = output.ndim == 3 or (channels is not None and output.shape[1] != channels)
    axes = [axis for axis in range(1, output.ndim) if axis != (output.ndim - 1 if last else 1)]
    variance, mean = torch.var_mean(output.float(), axes, correction=0)
    return mean, (variance + SMALLEST_VARIANCE).sqrt()
