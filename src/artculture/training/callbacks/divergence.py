"""End a run whose loss or weights are not finite any more, before a checkpoint stores them."""

import math
from dataclasses import dataclass
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from artculture.models.optimizers import learning_rates
from artculture.training.distributed.process_group import SINGLE_PROCESS, ProcessGroup
from artculture.utils.errors import WorkError

# Steps between two checks of whether the loss is still finite.
CHECK_EVERY_STEPS = 50
# A loss so many times that of guessing does not recover.
DIVERGED_TIMES_CHANCE = 1000


@dataclass(frozen=True)
class BadLoss:
    """The first non-finite or diverged loss.

    Attributes:
        step: optimizer steps before it.
        loss: its value.
    """

    step: int
    loss: float


class LossWatch:
    """Remembers on the device the first step whose loss is not finite or above a limit, without waiting for it.

    Args:
        limit: a loss that no training recovers from.
    """

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self._step: Tensor | None = None
        self._loss: Tensor | None = None
        self._fetched: tuple[Tensor, torch.cuda.Event] | None = None

    def see(self, loss: Tensor, step: int) -> None:
        if self._step is None or self._loss is None:
            self._step = torch.full((), -1, device=loss.device)
            self._loss = torch.zeros((), device=loss.device)
        first = (self._step < 0) & ~(loss <= self.limit)  # no comparison with NaN is true
        # Filled on the device: a number from the host would be copied there, and waited for.
        self._step = torch.where(first, torch.full_like(self._step, step), self._step)
        self._loss = torch.where(first, loss, self._loss)

    def found(self) -> BadLoss | None:
        """Return what was seen so far; waits for the device."""
        if self._step is None or self._loss is None:
            return None
        return _bad(torch.stack([self._step.cpu().double(), self._loss.cpu().double()]))  # MPS has no float64

    def found_before(self) -> BadLoss | None:
        """Return what was seen up to the last call, for which a GPU does not wait; of a CPU all that was seen."""
        if self._step is None or self._loss is None or not self._step.is_cuda:
            return self.found()
        before = self._fetched
        numbers = torch.stack([self._step.double(), self._loss.double()]).to("cpu", non_blocking=True)
        self._fetched = numbers, torch.cuda.Event()  # type: ignore[no-untyped-call]
        self._fetched[1].record()
        if before is None:
            return None
        before[1].synchronize()
        return _bad(before[0])


def _bad(numbers: Tensor) -> BadLoss | None:
    step, loss = numbers.tolist()
    return None if step < 0 else BadLoss(int(step), loss)


class DivergenceGuard(Callback):
    """Raises `WorkError` at a non-finite or diverged loss; within an epoch it checks every 50 steps.

    Args:
        limit: training loss that no training recovers from; infinite to check for non-finite numbers alone.
        process_group: the run's processes, which check together.
    """

    def __init__(self, limit: float = math.inf, process_group: ProcessGroup = SINGLE_PROCESS) -> None:
        self.watch, self.process_group = LossWatch(limit), process_group

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if len(batch[1]):  # a device may have no picture of a small last batch
            self.watch.see(outputs["mean_loss"], trainer.global_step - 1)
        if batch_idx % CHECK_EVERY_STEPS == CHECK_EVERY_STEPS - 1:
            self._check(trainer, self.watch.found_before())

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._check(trainer, self.watch.found())
        # A trainer that validates nothing, such as a benchmark's, has none.
        if not math.isfinite(trainer.callback_metrics.get("val/loss", 0.0)):
            raise _diverged(trainer, f"the validation loss after epoch {trainer.current_epoch + 1} is not finite")

    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        self._check(trainer, self.watch.found())
        for name, value in checkpoint["state_dict"].items():
            if value.is_floating_point() and not _finite(value):
                raise _diverged(trainer, f"{name} is not finite after step {trainer.global_step}")

    def _check(self, trainer: L.Trainer, own: BadLoss | None) -> None:
        found = [bad for bad in self.process_group.all_gather(own) if bad is not None]
        if found:
            first = min(found, key=lambda bad: bad.step)
            raise _diverged(trainer, f"the training loss is {first.loss:.3g} at step {first.step}")


def _finite(values: Tensor) -> bool:
    # The sum alone takes a third of the time, and is finite only if all values are.
    return bool(values.sum().isfinite()) or bool(values.isfinite().all())


def _diverged(trainer: L.Trainer, what: str) -> WorkError:
    shown = ", ".join(f"{part} {rate:.3g}" for part, rate in learning_rates(trainer.optimizers[0]).items())
    return WorkError(
        f"diverged: {what} (epoch {trainer.current_epoch + 1}; learning rates: {shown}). Take a smaller "
        "method.head_lr and method.backbone_lr, trainer.gradient_clip=1, or trainer.precision=32; the last good "
        "checkpoint is kept"
    )
