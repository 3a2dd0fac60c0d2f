"""Learning-rate schedules: the paper's two and a cosine with warm-up."""

import math
from dataclasses import dataclass

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
