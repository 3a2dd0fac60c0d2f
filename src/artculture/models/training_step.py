"""The training step of the LightningModule: in parts where memory is short, replayed as a graph on a GPU."""

import logging
from typing import Any, cast

import lightning as L
import torch
from torch import Tensor, nn

from artculture.data.counter_rng import derived_seed
from artculture.data.dataset import Batch
from artculture.models import split_batch
from artculture.models.cuda_graph import CapturedStep
from artculture.models.divergence import LossWatch
from artculture.models.losses import MeanLoss
from artculture.models.network import Network
from artculture.models.split_batch import Parts, is_out_of_memory
from artculture.utils.errors import WorkError, reason_of

log = logging.getLogger(__name__)


class TrainingStep(L.LightningModule):
    """How a batch becomes gradients and a step of the optimiser.

    Attributes:
        hyper: the module's arguments, with `seed`.
        network: what trains.
        train_loss: mean loss of logits and labels.
        train_mean_loss, train_top1: of the epoch so far.
        parts: how many pictures at once.
        watch: on the loss.
        halve_when_full: whether a batch that does not fit into memory is worked through in parts.
        captures: whether a GPU's step is replayed as one graph, where that can be done; the numbers are the same.
    """

    hyper: dict[str, Any]
    network: Network
    train_loss: nn.Module
    train_mean_loss: MeanLoss
    train_top1: Any
    parts: Parts
    watch: LossWatch

    def __init__(self) -> None:
        super().__init__()
        self.halve_when_full = self.captures = True
        self._captured: CapturedStep | None = None
        self._replayed = self._stepped = False
        self._done: tuple[Tensor, Tensor, Tensor] | None = None

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        self._seed_step()

    def _seed_step(self) -> None:
        # Dropout as a function of (seed, step): a resumed run draws what the undisturbed one would have drawn.
        seed = derived_seed(self.hyper["seed"], 1, self.global_step, self.global_rank)
        # torch.manual_seed would also note, with a trace of the stack, what devices are to draw that nobody uses.
        torch.default_generator.manual_seed(seed)
        if self.device.type == "cuda":
            torch.cuda.default_generators[self.device.index or 0].manual_seed(seed)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of a batch, or of its last part: gradients of the parts before it are there already."""
        given, labels, _ = batch
        self._gradients_ready, self._batch_length = False, len(labels)
        captured = self._captured_for(given, labels)
        self._replayed = captured is not None
        if captured is not None:
            loss, logits = captured.replay(given, labels)
            self._done = loss, logits, labels
        else:
            loss = self._launched(given, labels)
        if batch_idx + 1 == self.trainer.num_training_batches:
            # Once an epoch is enough for sums, and what Lightning does for it takes the host longer than the step.
            self.log("train/loss", self.train_mean_loss, on_step=False, on_epoch=True, batch_size=len(labels))
            self.log("train/top1", self.train_top1, on_step=False, on_epoch=True)
        devices = self.trainer.world_size
        if devices == 1:
            return loss
        # Gradients are averaged over devices: with this they are the mean over the whole batch's pictures.
        pictures_in_all: int = cast(Any, self.trainer).datamodule.images_in_batch(batch_idx)
        return loss * (devices * len(labels) / pictures_in_all)

    def _launched(self, given: Tensor, labels: Tensor) -> Tensor:
        sizes = self._sizes(len(labels))
        if len(sizes) > 1:
            cast(Any, self.optimizers()).optimizer.zero_grad()
        losses, all_logits = [], []
        for part, truth in zip(torch.split(given, sizes), torch.split(labels, sizes), strict=True):
            logits = self(part)
            # A device without a picture of a small last batch takes part in the step all the same.
            loss: Tensor = self.train_loss(logits, truth) * (len(truth) / len(labels)) if len(labels) else logits.sum()
            losses.append(loss.detach())
            all_logits.append(logits.detach())
            if len(losses) < len(sizes):
                with torch.autocast(loss.device.type, enabled=False):  # as Lightning goes backward
                    self.trainer.strategy.backward(loss, None)
        self._done = (torch.stack(losses).sum(), torch.cat(all_logits), labels)
        return loss

    def _sizes(self, pictures: int) -> list[int]:
        # Of several devices none may take a batch in parts: gradients are reduced as they come.
        return [pictures] if self.trainer.world_size > 1 else self.parts.sizes(pictures)

    def _captured_for(self, given: Tensor, labels: Tensor) -> CapturedStep | None:
        """The graph of a batch's step; None where its kernels are launched one by one."""
        # A gradient scaler would have to scale the loss within the graph.
        possible = self.captures and self.trainer.world_size == 1 and self.trainer.precision != "16-mixed"
        if not (possible and self.parts.largest is None and _on_gpu(given)):
            return None
        if self._captured is not None and len(given) <= self._captured.pictures:
            # An epoch's last batch may be smaller: a graph for it alone would be launched once an epoch.
            return self._captured if self._captured.fits(given) else None
        if not self._stepped:
            return None  # a launch's first step makes the optimiser's memory, which a graph might leave no room for
        self._captured, reason = None, ""
        try:
            self._captured = CapturedStep(self.network, self.loss_of, given, labels)
        except RuntimeError as error:
            reason = reason_of(error)
        if self._captured is None:
            self.captures = False
            log.warning(
                "the step can't be replayed as one graph (%s): its kernels are launched one by one, which takes longer",
                reason,
            )
            split_batch.give_back()
        self._seed_step()  # what the rehearsals drew, the step draws again
        return self._captured

    def give_back_graph(self) -> bool:
        """Free the graph's memory for good, after memory ran out beside it; whether there was one."""
        if self._captured is None:
            return False
        self._captured, self._done, self.captures = None, None, False
        for parameter in self.network.parameters():
            parameter.grad = None
        split_batch.give_back()
        log.warning("out of memory beside the graph of the step: it is given up, its kernels are launched one by one")
        return True

    def loss_of(self, given: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The mean loss and the logits of a batch as `forward` takes it."""
        logits = self(given)
        return self.train_loss(logits, labels), logits

    def backward(self, loss: Tensor, *args: Any, **named: Any) -> None:
        if not self._replayed:
            super().backward(loss, *args, **named)

    def optimizer_zero_grad(self, epoch: int, batch_idx: int, optimizer: Any) -> None:
        # Lightning zeroes between the step's loss and its gradients: too late where there are gradients already.
        if not self._replayed and len(self._sizes(self._batch_length)) == 1:
            optimizer.zero_grad()

    def on_before_optimizer_step(self, optimizer: Any) -> None:
        self._gradients_ready = True

    def optimizer_step(self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Any = None) -> None:
        """One step, tried again with smaller parts where memory runs out before anything has changed."""
        while True:
            try:
                super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
                break
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                if self._gradients_ready:
                    raise WorkError(f"no memory for the optimiser itself ({reason_of(error)})") from error
                reason = reason_of(error)
            # Outside of the `except`: its traceback holds what is to be freed.
            if not self.give_back_graph():
                self.parts.halve(
                    self._batch_length, reason, allowed=self.halve_when_full and self.trainer.world_size == 1
                )
            self._seed_step()
        self._stepped = True
        assert self._done is not None
        loss, logits, labels = self._done
        if len(labels) == 0:
            return
        self.watch.see(loss, self.global_step)
        self.train_mean_loss.update(loss, len(labels))
        self.train_top1.update(logits, labels)

    def on_train_end(self) -> None:
        self._captured = None  # with the memory of its own


def _on_gpu(given: Tensor) -> bool:
    return given.is_cuda
