"""Learning-rate schedules: the paper's two and a cosine with warm-up."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, ReduceLROnPlateau, StepLR


@dataclass(frozen=True)
class Schedule:
    """Which schedule and its constants (see conf/scheduler).

    Attributes:
        name: `step`, `plateau` or `cosine`.
        gamma: factor of `step` and `plateau`.
        k: epochs of `step`, patience of `plateau`.
        warmup_epochs: epochs of linear warm-up of `cosine`.
        floor: last learning rate of `cosine` as a share of the first.
    """

    name: str
    gamma: float | None = None
    k: int | None = None
    warmup_epochs: int | None = None
    floor: float | None = None

    @property
    def by_step(self) -> bool:
        """Whether it moves after every optimiser step rather than after every epoch."""
        return self.name == "cosine"


def _gamma_and_k(schedule: Schedule) -> tuple[float, int]:
    if schedule.gamma is None or schedule.k is None:
        raise ValueError(f"the schedule {schedule.name} needs gamma and k")
    return schedule.gamma, schedule.k


def reductions(schedule: Schedule, first: float, now: float) -> int:
    """How often `plateau` has reduced a learning rate."""
    gamma, _ = _gamma_and_k(schedule)
    return round(math.log(now / first) / math.log(gamma))


def continue_with(
    schedule: Schedule, scheduler: LRScheduler | ReduceLROnPlateau, rates: Sequence[float], step: int, reduced: int
) -> None:
    """Give a scheduler that was restored other constants, and its optimizer the learning rates that these lead to.

    Args:
        schedule: its constants from now on.
        scheduler: at the end of an epoch, or of a step.
        rates: the first learning rate of each parameter group.
        step: optimizer steps done, of `cosine`.
        reduced: reductions done, of `plateau`.
    """
    restored = cast(Any, scheduler)
    if isinstance(scheduler, LambdaLR):
        restored.base_lrs, restored.last_epoch = list(rates), step
        now = [rate * factor(step) for rate, factor in zip(rates, scheduler.lr_lambdas, strict=True)]
    else:
        gamma, k = _gamma_and_k(schedule)
        if isinstance(scheduler, StepLR):
            restored.base_lrs, restored.gamma, restored.step_size = list(rates), gamma, k
            reduced = scheduler.last_epoch // k
        else:
            restored.factor, restored.patience = gamma, k
        now = [_reduced(rate, gamma, reduced) for rate in rates]
    for group, first, rate in zip(scheduler.optimizer.param_groups, rates, now, strict=True):
        group["lr"] = rate
        if "initial_lr" in group:
            group["initial_lr"] = first
    restored._last_lr = now


def _reduced(rate: float, gamma: float, times: int) -> float:
    # One by one, as torch does: gamma ** times rounds otherwise.
    for _ in range(times):
        rate *= gamma
    return rate


def make_scheduler(
    schedule: Schedule, optimizer: Optimizer, steps_an_epoch: int, epochs: int
) -> LRScheduler | ReduceLROnPlateau:
    if schedule.name == "step":
        gamma, k = _gamma_and_k(schedule)
        return StepLR(optimizer, step_size=k, gamma=gamma)
    if schedule.name == "plateau":
        gamma, k = _gamma_and_k(schedule)
        return ReduceLROnPlateau(optimizer, mode="min", factor=gamma, patience=k)
    warmup = (schedule.warmup_epochs or 0) * steps_an_epoch
    total, floor = epochs * steps_an_epoch, schedule.floor or 0.0

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        progress = min(1.0, (step - warmup) / max(1, total - warmup))
        return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress))

    return LambdaLR(optimizer, factor)
