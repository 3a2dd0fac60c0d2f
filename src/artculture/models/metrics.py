"""Macro recall, and metrics of the user's own in addition to the built-in ones."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.classification import MulticlassRecall

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
