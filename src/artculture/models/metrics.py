"""Macro recall, and metrics of the user's own in addition to the built-in ones."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import Metric, MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score, MulticlassRecall

from artculture.models.tasks import Task
from artculture.utils.errors import InputError
from artculture.utils.targets import TARGET, accepted, instantiate


class MacroRecall(MulticlassRecall):
    """Mean recall of the classes that have pictures, also called balanced accuracy.

    The macro average of torchmetrics (1.9) also counts a class without pictures as 0 once it is predicted.
    """

    def __init__(self, classes: int) -> None:
        super().__init__(classes, average="none", validate_args=False)

    def compute(self) -> Tensor:
        found, _, _, missed = self._final_state()
        occurs = found + missed > 0
        return (found[occurs] / (found + missed)[occurs]).mean()


class KnownTop1(Metric):
    """Top-1 accuracy over the paintings that have a label, for which the host never waits for the device."""

    full_state_update = False
    right: Tensor
    known: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("right", torch.tensor(0), dist_reduce_fx="sum")
        self.add_state("known", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, logits: Tensor, labels: Tensor) -> None:
        self.right = self.right + (logits.argmax(dim=1) == labels).sum()
        self.known = self.known + (labels >= 0).sum()

    def compute(self) -> Tensor:
        return self.right / self.known.clamp_min(1)


class OrdinalError(Metric):
    """Mean absolute error in classes: how many classes the predicted one is away from the label."""

    full_state_update = False
    distance: Tensor
    pictures: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("distance", torch.tensor(0), dist_reduce_fx="sum")
        self.add_state("pictures", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, logits: Tensor, labels: Tensor) -> None:
        self.distance = self.distance + (logits.argmax(dim=1) - labels).abs().sum()
        self.pictures = self.pictures + len(labels)

    def compute(self) -> Tensor:
        return self.distance / self.pictures


def metric_prefix(tasks: Sequence[Task], place: int, stage: str) -> str:
    """Return how the names of a label's metrics begin: `val/`, of further labels `val/<label>/`."""
    return f"{stage}/{tasks[place].name}/" if place else f"{stage}/"


def training_metrics(tasks: Sequence[Task]) -> dict[str, Metric]:
    """Return top-1 accuracy of each label, by names without dots, which a label may have."""
    if len(tasks) > 1:
        return {f"top1_{place}" if place else "top1": KnownTop1() for place in range(len(tasks))}
    # Labels are a manifest's: looking whether they are classes would make the host wait at every step.
    return {"top1": MulticlassAccuracy(len(tasks[0].classes), average="micro", validate_args=False)}


def stage_metrics(tasks: Sequence[Task], nodes: Mapping[str, Mapping[str, Any]], stage: str) -> list[MetricCollection]:
    """Return the metrics of a split for each label; names of further labels' metrics have the label in them.

    Args:
        tasks: of the network, the primary label's first.
        nodes: of further metrics, as of `build_metrics`.
        stage: `val` or `test`.
    """
    collections = []
    for place, task in enumerate(tasks):
        n = len(task.classes)
        metrics: dict[str, Metric | MetricCollection] = {
            "top1": MulticlassAccuracy(n, average="micro", validate_args=False),
            "top3": MulticlassAccuracy(n, top_k=min(3, n), average="micro", validate_args=False),
            "macro_f1": MulticlassF1Score(n, average="macro", validate_args=False),
            "macro_recall": MacroRecall(n),
            **({"mae": OrdinalError()} if task.ordinal else {}),
            **build_metrics(nodes, n),
        }
        prefix = metric_prefix(tasks, place, stage)
        # torchmetrics makes one of metrics whose counts are equal after the first batch: by chance, too.
        collections.append(MetricCollection(metrics, prefix=prefix, compute_groups=False))
    return collections


def build_metrics(nodes: Mapping[str, Mapping[str, Any]], classes: int) -> dict[str, Metric]:
    """Return torchmetrics by name, each updated with logits N x classes and labels int64 N.

    Args:
        nodes: name to `_target_` and arguments; `num_classes` is passed where the signature has it.
        classes: number of classes.

    Raises:
        InputError: a target can't be imported, rejects its arguments, or makes something else than a metric.
    """
    metrics = {}
    for name, node in nodes.items():
        metric = instantiate(node, **accepted(node, {"num_classes": classes}))
        if not isinstance(metric, Metric):
            raise InputError(f"metrics.{name}: `{node[TARGET]}` made a {type(metric).__name__}, not a Metric")
        metrics[name] = metric
    return metrics


def metric_results(
    nodes: Mapping[str, Mapping[str, Any]],
    logits: NDArray[np.float64],
    labels: NDArray[np.int64],
    split: NDArray[np.str_],
    classes: int,
) -> dict[str, float]:
    """Return further metrics of predictions, as `<split>_<name>`.

    Args:
        nodes: as of `build_metrics`.
        logits: N x classes.
        labels: N.
        split: `val` or `test`, N.
        classes: number of classes.
    """
    found = {}
    for part in dict.fromkeys(split.tolist()):
        chosen = split == part
        for name, metric in build_metrics(nodes, classes).items():
            metric.update(torch.from_numpy(logits[chosen]).float(), torch.from_numpy(labels[chosen]))
            found[f"{part}_{name}"] = float(metric.compute())
    return found
