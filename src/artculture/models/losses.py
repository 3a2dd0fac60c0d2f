"""Loss functions, and the mean loss over pictures."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, cast

import torch
from torch import Tensor, nn
from torchmetrics import Metric

from artculture.models.balance import build_balanced_loss
from artculture.utils.targets import instantiate, is_target

UNBALANCED: Mapping[str, Any] = MappingProxyType({"name": "none"})


def build_loss(
    node: Mapping[str, Any],
    balance: Mapping[str, Any] = UNBALANCED,
    class_counts: Sequence[int] | None = None,
) -> nn.Module:
    """Return the loss that a config section describes: logits N x classes and labels int64 N to their mean loss.

    Args:
        node: `name: cross_entropy` with its values, or a `_target_`.
        balance: section of what corrects for classes with few paintings; of no effect on a `_target_`.
        class_counts: number of training paintings of each class, where the balance needs them.

    Raises:
        InputError: the target can't be imported, or rejects its arguments; the balance lacks counts.
    """
    if is_target(node):
        return cast(nn.Module, instantiate(node))
    return build_balanced_loss(balance, node["label_smoothing"], class_counts)


def training_loss(
    loss: nn.Module, logits: Tensor, labels: Tensor, partners: Tensor | None = None, share: Tensor | None = None
) -> Tensor:
    """Return the mean loss of a batch, whose images may be mixed.

    Args:
        loss: maps logits and labels to their mean loss.
        logits: float32 N x classes.
        labels: int64 N.
        partners: labels of the images that they are mixed with; None where they are not.
        share: share of their own label, float32 N, equal in a batch.
    """
    own: Tensor = loss(logits, labels)
    if partners is None or share is None:
        return own
    # Two losses instead of soft labels, which not every loss takes.
    return torch.lerp(loss(logits, partners), own, share[0].to(own.dtype))


class MeanLoss(Metric):
    """Averages batches' mean losses, each by its number of pictures, over all devices.

    Of several labels it is the sum over them of the mean over the pictures that have each.

    torchmetrics' own MeanMetric either looks for NaN, for which the host waits at every step, or (1.9, with
    `nan_strategy="disable"`) forgets the weights.
    """

    full_state_update = False
    total: Tensor
    pictures: Tensor

    def __init__(self, labels: int = 1) -> None:
        super().__init__()
        shape = () if labels == 1 else (labels,)
        self.add_state("total", torch.zeros(shape), dist_reduce_fx="sum")
        self.add_state("pictures", torch.zeros(shape, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, loss: Tensor, pictures: int | Tensor) -> None:
        self.total = self.total + loss * pictures
        self.pictures = self.pictures + pictures

    def compute(self) -> Tensor:
        if self.total.ndim == 0:
            return self.total / self.pictures
        return (self.total / self.pictures.clamp_min(1)).sum()
