"""A model in timm's registry, chosen with `architecture=timm architecture.name=narrow_resnet`."""

from typing import Any

from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from timm.models.resnet import BasicBlock, ResNet
from torch import nn

# What the pictures are prepared to, and the name of the last layer.
default_cfgs = generate_default_cfgs({"narrow_resnet": {"input_size": (3, 64, 64), "classifier": "fc"}})


@register_model
def narrow_resnet(pretrained: bool = False, **options: Any) -> nn.Module:
    """A ResNet of about 50,000 parameters."""
    layers = {"block": BasicBlock, "layers": [1, 1, 1, 1], "channels": [8, 16, 24, 32], "stem_width": 8}
    return build_model_with_cfg(ResNet, "narrow_resnet", pretrained, **layers, **options)
