"""State of a training that is neither the module's nor the optimizer's, in a checkpoint and back."""

import copy
from typing import Any, cast

import lightning as L
import torch
import torch.distributed as dist
from lightning.pytorch.callbacks import Callback
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities.distributed import gather_all_tensors

from artculture.data.datamodule import position
from artculture.models.classifier import CultureClassifier
from artculture.training.acceleration.step_execution import StepExecution


def states_of(metric: Metric) -> dict[str, Tensor]:
    """Return a metric's states of all ranks, stacked along a new first dimension."""
    states = {key: cast(Tensor, value) for key, value in metric.metric_state.items()}
    if not dist.is_available() or not dist.is_initialized():
        return {key: value[None].clone() for key, value in states.items()}
    return {key: torch.stack(gather_all_tensors(value)) for key, value in states.items()}


def restore_states(metric: Metric, states: dict[str, Tensor], rank: int, world_size: int) -> None:
    """Restore a metric's state per rank; where the world size has changed, rank 0 gets the sum of all."""
    for key, value in states.items():
        own = value[rank] if len(value) == world_size else value.sum(dim=0) * (rank == 0)
        setattr(metric, key, own.to(metric.device))


class MetricState(Callback):
    """Saves the training metrics within an epoch; at its end they are logged and reset."""

    def __init__(self) -> None:
        self._uncounted: tuple[Any, Any] | None = None

    def on_train_batch_start(self, *_: Any) -> None:
        self._uncounted = None

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        # Lightning calls the callbacks, and so the one that saves, before the module counts the batch.
        self._uncounted = outputs, batch

    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        checkpoint["training_metrics"] = {}
        if position(trainer).batches == 0:
            return
        module = cast(CultureClassifier, pl_module)
        metrics = copy.deepcopy(module.train_metrics)
        if self._uncounted is not None:
            module.count(metrics, *self._uncounted)
        checkpoint["training_metrics"] = {name: states_of(cast(Metric, metrics[name])) for name in metrics}

    def on_load_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        metrics = cast(CultureClassifier, pl_module).train_metrics
        for name, states in checkpoint.get("training_metrics", {}).items():
            restore_states(cast(Metric, metrics[name]), states, trainer.global_rank, trainer.world_size)


class SplitState(Callback):
    """Saves how many pictures at once fit into memory, since a split batch rounds differently.

    Args:
        execution: the strategy of the trainer.
    """

    def __init__(self, execution: StepExecution) -> None:
        self.execution = execution

    def state_dict(self) -> dict[str, int | None]:
        execution = self.execution
        return {"training": execution.training_parts.largest, "evaluation": execution.evaluation_parts.largest}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.execution.training_parts.largest = state_dict["training"]
        self.execution.evaluation_parts.largest = state_dict["evaluation"]
