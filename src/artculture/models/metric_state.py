"""What a metric has summed up amid an epoch, of every device, into a checkpoint and back."""

from typing import cast

import torch
import torch.distributed as dist
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities.distributed import gather_all_tensors


def sums_of(metric: Metric) -> dict[str, Tensor]:
    """A metric's states with one more dimension in front, the devices'."""
    states = {key: cast(Tensor, value) for key, value in metric.metric_state.items()}
    if not dist.is_available() or not dist.is_initialized():
        return {key: value[None].clone() for key, value in states.items()}
    return {key: torch.stack(gather_all_tensors(value)) for key, value in states.items()}


def set_sums(metric: Metric, sums: dict[str, Tensor], rank: int, devices: int) -> None:
    """Give a device its own sums back, or the first one those of all where their number has changed."""
    for key, value in sums.items():
        own = value[rank] if len(value) == devices else value.sum(dim=0) * (rank == 0)
        setattr(metric, key, own.to(metric.device))
