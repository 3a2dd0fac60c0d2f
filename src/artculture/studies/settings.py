"""What a run's choices amount to: the preprocessing, pooling, optimizer and precision that `plan=true` shows."""

from collections.abc import Sequence

import torch

from artculture.config.schema.model import Optimizer, Probe
from artculture.config.schema.train import TrainConfig
from artculture.models.backbones import make_backbone, preprocessing_of
from artculture.training.factory import backbone_choice, backbone_options
from artculture.training.numeric_choice import expected_precision
from artculture.utils import hardware
from artculture.utils.targets import node_name


def described_settings(configs: Sequence[TrainConfig]) -> list[str]:
    """Return one line for each way in which some runs train."""
    return list(dict.fromkeys(_described(config) for config in configs))


def _described(config: TrainConfig) -> str:
    architecture, data = config.architecture, config.data
    given = preprocessing_of(*backbone_choice(architecture)).at_size(data.image_size, data.fit)
    parts = [f"{given.image_size} px ({given.fit}, {given.interpolation})"]
    if pooling := _pooling(config, given.image_size):
        parts.append(f"pooling {pooling}")
    if isinstance(config.method, Probe):
        statistics = config.method.stage_statistics
        parts.append(config.method.classifier + (f" with {statistics} of stages" if statistics != "none" else ""))
        return f"{architecture.name} {config.method.name}: {', '.join([*parts, 'precision 32-true'])}"
    backbone = f", backbone {config.method.backbone_lr:g}" if config.method.backbone_lr else ""
    parts.append(f"{node_name(config.optimizer)}: head {config.method.head_lr:g}{backbone}")
    if isinstance(config.optimizer, Optimizer):
        parts.append(f"weight decay {config.optimizer.weight_decay:g}")
        if config.optimizer.layer_decay is not None:
            parts.append(f"layer decay {config.optimizer.layer_decay:g}")
    accelerator = "gpu" if config.trainer.accelerator == "auto" and hardware.visible_gpus() else "cpu"
    accelerator = accelerator if config.trainer.accelerator == "auto" else config.trainer.accelerator
    parts.append(f"precision {expected_precision(config, accelerator)}")
    return f"{architecture.name} {config.method.name}: {', '.join(parts)}"


def _pooling(config: TrainConfig, image_size: int) -> str:
    """Return the pooling of a model of timm; "" where it does not say."""
    if config.architecture.library != "timm":
        return ""
    with torch.device("meta"):
        options = backbone_options(config.architecture)
        module = make_backbone(*backbone_choice(config.architecture), options, image_size).module
    pooling = getattr(module, "global_pool", None) or getattr(getattr(module, "head", None), "global_pool", "")
    if not isinstance(pooling, str):
        pooling = getattr(pooling, "pool_type", "")
    return str(pooling)
