"""A watch on the loss that does not make the device wait for the host."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class BadLoss:
    """The first loss that was none.

    Attributes:
        step: optimiser steps before it.
        loss: its value: not a number, infinite, or beyond all sense.
    """

    step: int
    loss: float


class LossWatch:
    """Remembers on the device the first step whose loss is not finite or above a limit.

    Args:
        limit: a loss that no training comes back from.
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
        """What was seen so far; waits for the device."""
        if self._step is None or self._loss is None:
            return None
        return _bad(torch.stack([self._step.cpu().double(), self._loss.cpu().double()]))  # MPS has no float64

    def found_before(self) -> BadLoss | None:
        """What was seen up to the last time that this was asked, for which a GPU does not wait; a CPU has it all."""
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
