"""Train the head first, then the last stage of the backbone, then all of it."""

from typing import cast

import lightning as L
from lightning.pytorch.callbacks import Callback
from torch import nn
from torch.optim import Optimizer

from artculture.models.classifier import CultureClassifier
from artculture.models.network import Share
from artculture.training.acceleration.step_execution import StepExecution


class GradualUnfreezing(Callback):
    """Holds the backbone, or all but its last stage, for the first epochs.

    What is held is in eval mode and gets no gradient in the optimizer's step, so it gets no weight decay or momentum
    either. On one device its gradient is not computed, so that these epochs are faster; in DDP, where what requires a
    gradient may not change, it is computed and dropped. What is held follows from the epoch alone, so a run resumes
    exactly.

    Args:
        last_stage: first epoch, from 0, in which the last stage trains; None for when all of the backbone does.
        everything: first epoch in which all of the backbone trains; None for never.
    """

    def __init__(self, last_stage: int | None, everything: int | None) -> None:
        self.last_stage, self.everything = last_stage, everything
        self._held: tuple[nn.Parameter, ...] = ()
        self._stage: Share | None = None
        self._trainable: tuple[nn.Parameter, ...] = ()  # some backbones have fixed parameters

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        backbone = cast(CultureClassifier, pl_module).network.backbone
        self._trainable = tuple(parameter for parameter in backbone.parameters() if parameter.requires_grad)
        self._hold(trainer, pl_module)  # an epoch that is resumed has no start of its own

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._hold(trainer, pl_module)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._require_gradients()
        self._stage = None

    def on_before_optimizer_step(self, trainer: L.Trainer, pl_module: L.LightningModule, optimizer: Optimizer) -> None:
        for parameter in self._held:
            parameter.grad = None

    def trains(self, epoch: int) -> Share:
        """Return how much of the backbone trains in an epoch."""
        if self.everything is not None and epoch >= self.everything:
            return "everything"
        return "last stage" if self.last_stage is not None and epoch >= self.last_stage else "nothing"

    def _hold(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        stage = self.trains(trainer.current_epoch)
        if stage == self._stage:
            return
        self._stage = stage
        self._held = cast(CultureClassifier, module).network.hold_backbone(all_but=stage)
        if trainer.world_size == 1:
            self._require_gradients(but_for=self._held)
        cast(StepExecution, trainer.strategy).forget_graph()

    def _require_gradients(self, but_for: tuple[nn.Parameter, ...] = ()) -> None:
        held = {id(parameter) for parameter in but_for}
        for parameter in self._trainable:
            parameter.requires_grad = id(parameter) not in held
