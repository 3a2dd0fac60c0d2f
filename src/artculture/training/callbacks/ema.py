"""An exponential moving average of the weights, which is what is validated and predicted with."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn

from artculture.models.classifier import CultureClassifier
from artculture.models.network import Network


class WeightEma(Callback):
    """Averages the network's weights after every optimizer step, and validates with the average.

    Training continues with the weights themselves. Statistics of BatchNorm are averaged as the weights are. At step
    t the decay is at most (1 + t) / (10 + t), so that the random start is soon forgotten in a short training.

    Lightning's `WeightAveraging` (2.6) leaves the average out of a checkpoint of weights alone, waits for the GPU at
    every step, and averages what is frozen.

    Args:
        decay: share of the average that stays at each step.
    """

    def __init__(self, decay: float) -> None:
        self.decay = decay
        self._average: dict[str, Tensor] = {}
        self._weights: dict[str, Tensor] = {}
        self._step = 0

    def state_dict(self) -> dict[str, Any]:
        return {"average": self._average}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._average = state_dict["average"]

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._step = trainer.global_step
        # They share the network's memory, which stays during a training: no state dict is needed at each step.
        self._weights = weights = _weights(pl_module)
        # A run that continues one without an average begins with its weights.
        self._average = {key: self._average.get(key, value).to(value, copy=True) for key, value in weights.items()}

    @torch.no_grad()
    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *args: Any) -> None:
        if trainer.global_step == self._step:  # gradients are being accumulated
            return
        self._step = trainer.global_step
        decay = min(self.decay, (1 + self._step) / (10 + self._step))
        weights = self._weights
        averaged = [key for key, value in weights.items() if value.is_floating_point()]
        update = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        update([self._average[key] for key in averaged], [weights[key] for key in averaged], self._step)
        for key in weights.keys() - set(averaged):
            self._average[key].copy_(weights[key])

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._swap()

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._swap()

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Put the average into the module, and its own weights back at the end."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        # In place: a recorded CUDA graph and the optimizer keep their tensors.
        for key, value in self._weights.items():
            own = value.clone()
            value.copy_(self._average[key])
            self._average[key].copy_(own)


def _weights(module: L.LightningModule) -> dict[str, Tensor]:
    """Return the weights and statistics that training may change."""
    network: Network = cast(CultureClassifier, module).network
    return {key: value for key, value in network.state_dict().items() if network.may_change(key)}
