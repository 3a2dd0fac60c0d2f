"""Strategies that run a training step exactly and with the memory and the launches that it needs.

They keep to Lightning's hooks of a strategy, so that the LightningModule shows the method alone:

- what a step draws (dropout) is a function of (seed, step, rank), so that a resumed run draws the same;
- on a GPU the step is replayed as one CUDA graph, where that is possible;
- a batch that does not fit into memory is split, and its gradients are accumulated;
- with several devices the loss is weighted, so that the gradient is the mean over the pictures of all of them.
"""

import logging
from collections.abc import Callable
from typing import Any, cast

import lightning as L
import torch
from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy, Strategy
from torch import Tensor

from artculture.data.counter_rng import derived_seed
from artculture.data.dataset import Batch
from artculture.models.classifier import CultureClassifier
from artculture.training.acceleration.cuda_graph import CapturedStep
from artculture.training.acceleration.split_batch import Parts, free_memory, is_out_of_memory
from artculture.utils.errors import WorkError, reason_of

log = logging.getLogger(__name__)

Outputs = dict[str, Tensor]


class StepExecution(Strategy):
    """Mixin of Lightning strategies for a `CultureClassifier`.

    Args:
        seed: of what a step draws.
        split_when_full: whether a batch that does not fit into memory is split.
        use_graphs: whether a GPU's step is replayed as one graph, where that is possible; the numbers are the same.

    Attributes:
        training_parts, evaluation_parts: how many pictures at once.
        replayed: whether the last step was a replay.
    """

    def __init__(
        self, *args: Any, seed: int = 0, split_when_full: bool = True, use_graphs: bool = True, **named: Any
    ) -> None:
        super().__init__(*args, **named)
        self.seed, self.split_when_full, self.use_graphs = seed, split_when_full, use_graphs
        self.training_parts = Parts(
            "training", "take a smaller data.batch_size or data.image_size, or trainer.precision=16-mixed"
        )
        self.evaluation_parts = Parts(
            "evaluation", "take a smaller trainer.eval_batches, data.batch_size or data.image_size"
        )
        self.replayed = False
        self._graph: CapturedStep | None = None
        self._has_stepped = self._backward_done = False
        self._batch_idx = self._batch_length = 0
        # Gradients that were computed within `training_step`: Lightning zeroes between that and `backward`.
        self._gradients: list[Tensor | None] | None = None

    @property
    def _module(self) -> CultureClassifier:
        return cast(CultureClassifier, self.lightning_module)

    @property
    def _trainer(self) -> L.Trainer:
        return self._module.trainer

    def training_step(self, batch: Batch, batch_idx: int) -> Outputs:
        """Return the module's outputs for a batch; of a split or replayed one some gradients are there already."""
        pictures, labels, _, *mixed = batch
        self._batch_idx, self._batch_length = batch_idx, len(labels)
        self._backward_done, self.replayed, self._gradients = False, False, None
        self._seed_step()
        graph = self._graph_for(pictures, labels, *mixed)
        if graph is not None:
            self.replayed = True
            with self.precision_plugin.train_step_context():
                loss, logits = graph.replay(pictures, labels, *mixed)
            return {"loss": loss, "mean_loss": loss, "logits": logits}
        sizes = [len(labels)] if self._trainer.world_size > 1 else self.training_parts.sizes(len(labels))
        if len(sizes) > 1:
            return self._split_training_step(batch, sizes)
        return cast(Outputs, super().training_step(batch, batch_idx))

    def _split_training_step(self, batch: Batch, sizes: list[int]) -> Outputs:
        parameters = list(self._module.parameters())
        for parameter in parameters:
            parameter.grad = None
        outputs = []
        for index, part in enumerate(zip(*(torch.split(values, sizes) for values in batch), strict=True)):
            found = cast(Outputs, super().training_step(part, self._batch_idx))
            found["loss"] = found["loss"] * (sizes[index] / self._batch_length)
            outputs.append(found)
            if index < len(sizes) - 1:
                super().backward(found["loss"], None)
                found["loss"] = found["loss"].detach()
        self._gradients = [parameter.grad for parameter in parameters]
        return {
            "loss": outputs[-1]["loss"],
            "mean_loss": torch.stack([found["loss"].detach() for found in outputs]).sum(),
            "logits": torch.cat([found["logits"] for found in outputs]),
        }

    def backward(self, closure_loss: Tensor, optimizer: Any, *args: Any, **named: Any) -> Tensor:
        if self.replayed:
            assert self._graph is not None
            loss = self.precision_plugin.pre_backward(closure_loss, self._module)
            self._graph.assign_gradients()
            loss = self.precision_plugin.post_backward(loss, self._module)
        else:
            loss = super().backward(self._weighted(closure_loss), optimizer, *args, **named)
            for parameter, gradient in zip(self._module.parameters(), self._gradients or [], strict=False):
                if gradient is not None:
                    parameter.grad = gradient if parameter.grad is None else parameter.grad.add_(gradient)
        self._gradients, self._backward_done = None, True
        return loss

    def _weighted(self, loss: Tensor) -> Tensor:
        devices = self._trainer.world_size
        if devices == 1:
            return loss
        # Gradients are averaged over devices: with this they are the mean over the whole batch's pictures.
        pictures: int = cast(Any, self._trainer).datamodule.images_in_batch(self._batch_idx)
        return loss * (devices * self._batch_length / pictures)

    def optimizer_step(self, optimizer: Any, closure: Callable[[], Any], model: Any = None, **named: Any) -> Any:
        """Step once; where memory runs out before anything has changed, try again with a smaller part of the batch."""
        while True:
            try:
                output = super().optimizer_step(optimizer, closure, model, **named)
                break
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                if self._backward_done:
                    raise WorkError(f"no memory for the optimizer itself ({reason_of(error)})") from error
                reason = reason_of(error)
            # Outside of the `except`: its traceback holds what is to be freed.
            self._make_room(self.training_parts, self._batch_length, reason)
        self._has_stepped = True
        return output

    def validation_step(self, batch: Batch, *args: Any) -> Any:
        return self._evaluated(super().validation_step, batch, *args)

    def test_step(self, batch: Batch, *args: Any) -> Any:
        return self._evaluated(super().test_step, batch, *args)

    def predict_step(self, batch: Batch, *args: Any) -> Any:
        return self._evaluated(super().predict_step, batch, *args)

    def _evaluated(self, step: Callable[..., Any], batch: Batch, *args: Any) -> Any:
        """Return a step's outputs for a batch, split where it does not fit; a part that is done is not repeated."""
        outputs: list[Any] = []
        done, length = 0, len(batch[1])
        while done < length or not outputs:
            size = self.evaluation_parts.sizes(length - done)[0]
            try:
                outputs.append(step(tuple(values[done : done + size] for values in batch), *args))
                done += size
                continue
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                reason = reason_of(error)
            self._make_room(self.evaluation_parts, length - done, reason)
        if len(outputs) == 1 or outputs[0] is None:
            return outputs[0]
        return tuple(torch.cat(values) for values in zip(*outputs, strict=True))

    def _make_room(self, parts: Parts, pictures: int, reason: str) -> None:
        """Free the graph's memory, or halve the pictures at once.

        Raises:
            WorkError: neither is possible.
        """
        if self._free_graph():
            return
        # Of several devices none may split a batch alone: they reduce gradients and broadcast buffers together. And
        # gradients of earlier batches must not be lost.
        alone = self._trainer.world_size == 1 and self._trainer.accumulate_grad_batches == 1
        parts.halve(pictures, reason, allowed=self.split_when_full and alone)

    def on_train_end(self) -> None:
        self._graph = None  # with the memory of its own
        super().on_train_end()

    def _seed_step(self) -> None:
        trainer = self._trainer
        seed = derived_seed(self.seed, 1, trainer.global_step, trainer.global_rank)
        # torch.manual_seed would also record a stack trace for devices that nobody uses.
        torch.default_generator.manual_seed(seed)
        device = self.root_device
        if device.type == "cuda":
            torch.cuda.default_generators[device.index or 0].manual_seed(seed)

    def _graph_for(self, pictures: Tensor, *targets: Tensor) -> CapturedStep | None:
        """Return the graph of a batch's step; None where its kernels are launched one by one."""
        trainer = self._trainer
        # A gradient scaler would have to scale the loss within the graph.
        possible = trainer.world_size == 1 and trainer.precision != "16-mixed" and trainer.accumulate_grad_batches == 1
        if not (self.use_graphs and possible and self.training_parts.largest is None and _on_gpu(pictures)):
            return None
        if self._graph is not None and len(pictures) <= self._graph.pictures:
            # An epoch's last batch may be smaller: a graph for it alone would be launched once an epoch.
            return self._graph if self._graph.fits(pictures) else None
        if not self._has_stepped:
            return None  # a launch's first step allocates the optimizer's memory, for which a graph might leave no room
        self._graph, reason = None, ""
        try:
            with self.precision_plugin.train_step_context():
                self._graph = CapturedStep(self._module.network, self._loss_and_logits, pictures, *targets)
        except RuntimeError as error:
            reason = reason_of(error)
        if self._graph is None:
            self.use_graphs = False
            log.warning(
                "the step can't be replayed as one graph (%s): its kernels are launched one by one, which takes longer",
                reason,
            )
            free_memory()
        self._seed_step()  # what the warm-up steps drew, the step draws again
        return self._graph

    def _loss_and_logits(self, pictures: Tensor, labels: Tensor, *mixed: Tensor) -> tuple[Tensor, Tensor]:
        outputs = self._module.training_step((pictures, labels, labels, *mixed), 0)
        return outputs["loss"], outputs["logits"]

    def forget_graph(self) -> None:
        """Record the step again, since another part of the network trains from now on."""
        if self._graph is not None:
            self._graph = None
            free_memory()
        self._has_stepped = False  # the next step allocates the optimizer's memory of that part

    def _free_graph(self) -> bool:
        """Free the graph's memory for good; return whether there was one."""
        if self._graph is None:
            return False
        self._graph, self.use_graphs = None, False
        for parameter in self._module.parameters():
            parameter.grad = None
        free_memory()
        log.warning("out of memory next to the graph of the step: it is freed, and kernels are launched one by one")
        return True


class ExactSingleDevice(StepExecution, SingleDeviceStrategy):
    """One device."""


class ExactDDP(StepExecution, DDPStrategy):
    """Several devices, each with its part of every batch."""


def _on_gpu(pictures: Tensor) -> bool:
    return pictures.is_cuda
