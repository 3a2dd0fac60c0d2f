"""Depthwise convolutions of a bfloat16 training on a CPU, computed in float32."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn


class Float32Depthwise(Callback):
    """Computes large or strided depthwise convolutions in float32 where their gradient is needed.

    oneDNN (torch 2.14) has no fast kernel for the gradient of their weights in bfloat16: it takes two to five times as
    long as in float32, and half of a training step of EfficientNet-Lite0. Stride 1 with 3 x 3 is fast, and so are all
    of them without a gradient.
    """

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        for layer in slow_in_bfloat16(pl_module):
            layer.forward = partial(_forward, layer)  # type: ignore[method-assign]

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        for layer in slow_in_bfloat16(pl_module):
            layer.__dict__.pop("forward", None)

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        self.on_train_end(trainer, pl_module)


@contextmanager
def depthwise_in_float32(module: nn.Module) -> Iterator[None]:
    """Compute as the callback does, inside a block."""
    layers = slow_in_bfloat16(module)
    for layer in layers:
        layer.forward = partial(_forward, layer)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for layer in layers:
            layer.__dict__.pop("forward", None)


def slow_in_bfloat16(module: nn.Module) -> list[nn.Conv2d]:
    """Return the depthwise convolutions that have a stride or more than 3 x 3 weights a channel."""
    layers = [layer for layer in module.modules() if isinstance(layer, nn.Conv2d)]
    depthwise = [layer for layer in layers if layer.groups == layer.in_channels > 1]
    return [layer for layer in depthwise if max(layer.stride) > 1 or max(layer.kernel_size) > 3]


def _forward(layer: nn.Conv2d, given: Tensor) -> Tensor:
    usual = type(layer).forward
    if not torch.is_grad_enabled() or not (given.requires_grad or layer.weight.requires_grad):
        return usual(layer, given)
    with torch.autocast("cpu", enabled=False):
        return usual(layer, given.float()).to(given.dtype)
