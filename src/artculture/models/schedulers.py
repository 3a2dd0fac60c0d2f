"""Learning-rate schedules: the paper's two, a cosine with warm-up, or a scheduler of the user's own."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, ReduceLROnPlateau, StepLR

from artculture.utils.targets import accepted, instantiate, is_target

Scheduler = LRScheduler | ReduceLROnPlateau


def steps_each_batch(node: Mapping[str, Any]) -> bool:
    """Return whether a scheduler is stepped after every batch, instead of after every epoch."""
    return bool(node.get("interval") == "step") if is_target(node) else node["name"] == "cosine"


def depends_on_length(node: Mapping[str, Any]) -> bool:
    """Return whether a scheduler's learning rates follow from the number of epochs or steps of the whole training."""
    if not is_target(node):
        return bool(node["name"] == "cosine")
    arguments = {key: value for key, value in node.items() if key != "interval"}
    return any(accepted(arguments, {name: 1}) for name in ("total_steps", "steps_per_epoch", "epochs"))


def build_scheduler(node: Mapping[str, Any], optimizer: Optimizer, steps_per_epoch: int, epochs: int) -> Scheduler:
    """Return the scheduler that a config section describes.

    Args:
        node: `name` (`step`, `plateau` or `cosine`) with its values, or a `_target_` that takes the optimizer first.
            Such a node may have `interval` (`epoch`, the default, or `step`), and gets `total_steps`,
            `steps_per_epoch` and `epochs` where its signature has them.
        optimizer: with the first learning rates.
        steps_per_epoch: optimizer steps of an epoch.
        epochs: of the whole training.

    Raises:
        InputError: the target can't be imported, or rejects its arguments.
    """
    if is_target(node):
        arguments = {key: value for key, value in node.items() if key != "interval"}
        # OneCycleLR takes either the number of all steps or its two factors.
        lengths = {"total_steps": epochs * (steps_per_epoch if steps_each_batch(node) else 1)}
        found = accepted(arguments, lengths) or accepted(
            arguments, {"steps_per_epoch": steps_per_epoch, "epochs": epochs}
        )
        return cast(Scheduler, instantiate(arguments, optimizer, **found))
    if node["name"] == "step":
        return StepLR(optimizer, step_size=node["k"], gamma=node["gamma"])
    if node["name"] == "plateau":
        return ReduceLROnPlateau(optimizer, mode="min", factor=node["gamma"], patience=node["k"])
    return _cosine(optimizer, node["warmup_epochs"] * steps_per_epoch, epochs * steps_per_epoch, node["floor"])


def _cosine(optimizer: Optimizer, warmup: int, total: int, floor: float) -> LambdaLR:
    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        progress = min(1.0, (step - warmup) / max(1, total - warmup))
        return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress))

    return LambdaLR(optimizer, factor)


def reductions(node: Mapping[str, Any], first: float, now: float) -> int:
    """Return how often `plateau` has reduced a learning rate."""
    return round(math.log(now / first) / math.log(node["gamma"]))


def continue_with(
    node: Mapping[str, Any], scheduler: Scheduler, rates: Sequence[float], step: int, reduced: int
) -> None:
    """Set other constants in a restored built-in scheduler, and the learning rates that follow in its optimizer.

    Args:
        node: its section of the config, with the new constants.
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
        gamma, k = node["gamma"], node["k"]
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
