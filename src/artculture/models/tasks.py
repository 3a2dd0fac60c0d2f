"""Several labels on one backbone: a head, a loss and a mask of missing labels for each.

Logits of all labels are side by side, N x (sum of classes). Labels are int64 N for a single one, N x labels for
several, with -1 where one is missing. Only this module knows how they belong together.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from artculture.models.balance import build_balanced_loss
from artculture.models.heads import build_head
from artculture.utils.errors import InputError
from artculture.utils.targets import instantiate, is_target


@dataclass(frozen=True)
class Task:
    """A label that a head predicts.

    Attributes:
        name: of the label's column.
        classes: names in label order.
        ordinal: whether the order of the classes has a meaning.
        class_counts: number of training paintings of each class; None if unknown.
        share: of the training paintings that have this label.
    """

    name: str
    classes: tuple[str, ...]
    ordinal: bool = False
    class_counts: tuple[int, ...] | None = None
    share: float = 1.0

    def as_plain(self) -> dict[str, Any]:
        counts = None if self.class_counts is None else list(self.class_counts)
        return {**vars(self), "classes": list(self.classes), "class_counts": counts}


def tasks_of(
    sections: Sequence[Mapping[str, Any]] | None, classes: Sequence[str], class_counts: Sequence[int] | None, name: str
) -> tuple[Task, ...]:
    """Return the tasks that sections describe; without any the single one of these classes, of this name."""
    if not sections:
        return (Task(name, tuple(classes), False, None if class_counts is None else tuple(class_counts)),)
    tasks = [{**section, "classes": tuple(section["classes"])} for section in sections]
    return tuple(Task(**task) for task in tasks)


def labels_section(tasks: Sequence[Task], temperatures: Sequence[float]) -> dict[str, Any]:
    """Return what a checkpoint says of its labels beyond the classes; nothing of a single one without an order."""
    if len(tasks) == 1 and not tasks[0].ordinal:
        return {}
    labels = [
        {"name": task.name, "classes": list(task.classes), "ordinal": task.ordinal, "temperature": temperature}
        for task, temperature in zip(tasks, temperatures, strict=True)
    ]
    return {"labels": labels}


def temperatures_in(said: Mapping[str, Any]) -> list[float]:
    """Return the temperature of each label, from what a checkpoint says under `artculture`; 1.0 where it says nothing.

    Raises:
        InputError: it says something else than a positive number.
    """
    values = [said.get("temperature", 1.0), *(label["temperature"] for label in said.get("labels", [])[1:])]
    for value in values:
        if not isinstance(value, (int, float)) or not math.isfinite(value) or value <= 0:
            raise InputError(f"the temperature {value!r} is not a positive number: train again")
    return [float(value) for value in values]


class Heads(nn.Module):
    """A head per label, whose logits are side by side.

    Args:
        heads: vectors N x features to logits N x classes of each label.
    """

    def __init__(self, heads: Sequence[nn.Module]) -> None:
        super().__init__()
        self.heads = nn.ModuleList(heads)

    def forward(self, features: Tensor) -> Tensor:
        return torch.cat([head(features) for head in self.heads], dim=1)


def build_heads(node: Mapping[str, Any], features: int, tasks: Sequence[Task]) -> nn.Module:
    """Return the head of a single label, or `Heads`, each as `build_head` makes it."""
    heads = [build_head(node, features, len(task.classes)) for task in tasks]
    return heads[0] if len(heads) == 1 else Heads(heads)


def by_task(tasks: Sequence[Task], logits: Tensor, labels: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Return the logits and labels of each task.

    Args:
        tasks: of the network.
        logits: N x (sum of classes).
        labels: int64 N for a single task, N x tasks for several.
    """
    if len(tasks) == 1:
        return [(logits, labels)]
    sizes = [len(task.classes) for task in tasks]
    return list(zip(torch.split(logits, sizes, dim=1), labels.unbind(dim=1), strict=True))


def known_by_task(tasks: Sequence[Task], logits: Tensor, labels: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the logits and labels of each task where the label is known; of several tasks the host waits for it."""
    for scores, truth in by_task(tasks, logits, labels):
        known = slice(None) if len(tasks) == 1 else truth >= 0
        yield scores[known], truth[known]


def mean_losses(loss: nn.Module, parts: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, int | Tensor]:
    """Return the mean loss and the number of pictures of a single label, or of each of several, N.

    Args:
        loss: logits and labels to their mean loss.
        parts: as of `known_by_task`.
    """
    losses = [loss(scores, truth) if len(truth) else scores.sum() for scores, truth in parts]
    if len(parts) == 1:
        return losses[0], len(parts[0][1])
    return torch.stack(losses), torch.tensor([len(truth) for _, truth in parts], device=losses[0].device)


class TaskLosses(nn.Module):
    r"""Sum over the labels of their mean loss.

    With the share :math:`s_t` of training paintings that have label t, and the N paintings of a batch,

    .. math:: \sum_t \frac{1}{s_t N} \sum_{n: y_{nt}\,\mathrm{known}} \ell_t(x_n, y_{nt})

    Its mean over an epoch is the sum of the means over the paintings that have each label. A batch is divided by the
    labels that it has on average, not by those that it has: so a batch can be divided among devices, some of which may
    have no label of a task.

    Args:
        tasks: of the network.
        losses: of each task: a loss per painting; or a mean loss, in `means`.
        means: tasks whose loss returns a mean.
    """

    def __init__(self, tasks: Sequence[Task], losses: Sequence[nn.Module], means: Sequence[bool]) -> None:
        super().__init__()
        self.tasks, self.losses, self.means = tuple(tasks), nn.ModuleList(losses), tuple(means)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        total = logits.new_zeros(())
        for task, loss, mean, (scores, truth) in zip(
            self.tasks, self.losses, self.means, by_task(self.tasks, logits, labels), strict=True
        ):
            part = _mean_of_known(loss, scores, truth) if mean else _masked_mean(loss, scores, truth)
            total = total + part / task.share
        return total


def _masked_mean(loss: nn.Module, scores: Tensor, truth: Tensor) -> Tensor:
    """Return the sum over the known labels, divided by the batch, without waiting for the device."""
    losses = loss(scores, truth.clamp_min(0))
    return torch.where(truth >= 0, losses, torch.zeros_like(losses)).mean()


def _mean_of_known(loss: nn.Module, scores: Tensor, truth: Tensor) -> Tensor:
    """Return the same of a loss of the user's own, of which only a mean can be had."""
    known = truth >= 0
    if not known.any():
        return scores.sum() * 0  # every head takes part in every step
    return cast(Tensor, loss(scores[known], truth[known])) * known.float().mean()


def build_task_losses(node: Mapping[str, Any], balance: Mapping[str, Any], tasks: Sequence[Task]) -> nn.Module:
    """Return the training loss of some tasks: logits and labels as of `by_task` to a scalar.

    Args:
        node: section of the loss: `name: cross_entropy` with its values, or a `_target_` that returns a mean; ordinal
            tasks have their own.
        balance: section of what corrects for classes with few paintings.
        tasks: of the network.

    Raises:
        InputError: the target can't be imported, or rejects its arguments; the balance lacks counts.
    """
    own = [is_target(node) and not task.ordinal for task in tasks]
    if len(tasks) == 1:
        return _build_loss(node, balance, tasks[0], "mean")
    losses = [_build_loss(node, balance, task, "none") for task in tasks]
    return TaskLosses(tasks, losses, own)


def _build_loss(node: Mapping[str, Any], balance: Mapping[str, Any], task: Task, reduction: str) -> nn.Module:
    if is_target(node) and not task.ordinal:
        return cast(nn.Module, instantiate(node))
    smoothing = 0.0 if is_target(node) else node["label_smoothing"]
    return build_balanced_loss(balance, smoothing, task.class_counts, ordinal=task.ordinal, reduction=reduction)
