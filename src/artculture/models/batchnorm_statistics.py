"""Statistics of BatchNorm for a backbone that stays as it was drawn."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def has_batchnorm(module: nn.Module) -> bool:
    return any(isinstance(part, _BatchNorm) for part in module.modules())


@torch.no_grad()
def settle_statistics(backbone: nn.Module, batches: Iterable[Tensor]) -> None:
    """Give a random backbone the mean and variance of what its layers meet, as training would have.

    Frozen at random, its BatchNorm layers would pass everything through unnormalised, and a deep residual network's
    features grow without bound: no head can learn from them. Pretrained weights bring statistics of their own.

    Args:
        backbone: changed in place, in its buffers alone; its mode is restored.
        batches: normalised pictures float N x 3 x H x W, each on the backbone's device.
    """
    layers = [part for part in backbone.modules() if isinstance(part, _BatchNorm)]
    before = [(layer, layer.training, layer.momentum) for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.train()
        layer.momentum = None  # the plain average over all batches
    try:
        for batch in batches:
            backbone(batch)
    finally:
        for layer, training, momentum in before:
            layer.train(training)
            layer.momentum = momentum
