"""One epoch of training as every side gets it: the same pictures, network, sizes and device."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from artculture.config.schema.train import TrainConfig
from artculture.models.backbones import make_backbone
from artculture.models.heads import build_head
from artculture.models.network import Network
from artculture.training.factory import backbone_choice, plain_section
from artculture.training.numeric_choice import channels_last
from benchmarks.speed.plan import Plan

# torchvision's and timm's default; given to ours too.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
RATE, MOMENTUM, DECAY = 0.01, 0.9, 1e-4


@dataclass(frozen=True)
class Job:
    """What a peer is asked to do.

    Attributes:
        plan: device, sizes and workers.
        config: names network and head.
        root: folder with `train/<class>/*.jpg`; its pictures are one epoch.
        batch_size: pictures a batch.
        image_size: side of the crops.
        classes: number of logits.
        crop_scale, crop_ratio: of the random resized crop.
        ours: whether the peer gets our precision and memory format.
        frozen: whether the head alone trains.
    """

    plan: Plan
    config: TrainConfig
    root: Path
    batch_size: int
    image_size: int
    classes: int
    crop_scale: tuple[float, float]
    crop_ratio: tuple[float, float]
    ours: bool = False
    frozen: bool = False

    @classmethod
    def of(cls, plan: Plan, config: TrainConfig, root: Path, **changes: Any) -> "Job":
        """The job that a config of ours describes."""
        augment = config.augment
        assert augment.crop_scale is not None
        assert augment.crop_ratio is not None
        values: dict[str, Any] = {
            "batch_size": config.data.batch_size,
            "image_size": config.data.image_size,
            "classes": len(list((root / "train").iterdir())),
            "crop_scale": tuple(augment.crop_scale),
            "crop_ratio": tuple(augment.crop_ratio),
            "frozen": config.method.name == "transfer",
        }
        return cls(plan, config, root, **{**values, **changes})

    @property
    def device(self) -> torch.device:
        return self.plan.device

    @property
    def channels_last(self) -> bool:
        return self.ours and channels_last(self.config)

    def network(self) -> Network:
        """A new network on the device, in training mode."""
        architecture = self.config.architecture
        backbone = make_backbone(*backbone_choice(architecture))
        network = Network(backbone.module, build_head(plain_section(self.config.head), backbone.features, self.classes))
        if self.frozen:
            network.freeze_backbone()
        if self.channels_last:
            network.to(memory_format=torch.channels_last)
        return network.to(self.device).train()

    def autocast(self) -> AbstractContextManager[object]:
        lower = self.ours and self.plan.gains
        return torch.autocast(self.device.type, torch.bfloat16) if lower else nullcontext()

    def moved(self, pictures: Tensor) -> Tensor:
        pictures = pictures.to(self.device, non_blocking=True)
        return pictures.contiguous(memory_format=torch.channels_last) if self.channels_last else pictures

    def logits(self, network: Network, pictures: Tensor) -> Tensor:
        """The forward pass; a frozen backbone's without a graph, as tutorials write it."""
        if not self.frozen:
            return cast(Tensor, network(pictures))
        with torch.no_grad():
            features = network.backbone(pictures)
        return cast(Tensor, network.head(features))


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch on one core, for figures a core."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
