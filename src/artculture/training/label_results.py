"""The results of a run for each of its labels, from the logits of its best checkpoint."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from artculture.data.selection import Selection
from artculture.evaluation.calibration import calibration_results, softmax
from artculture.models.metrics import metric_results
from artculture.training.result import accuracy_part, label_predictions, prediction_table


@dataclass(frozen=True)
class LabelResult:
    """What a run reaches for one label.

    Attributes:
        name: of the label.
        selection: the paintings that have it, with it as the only one.
        predictions: calibrated, as `prediction_table` makes them; `row` is one of `selection`.
        numbers: part of result.json.
        further: whether it is not the primary label.
    """

    name: str
    selection: Selection
    predictions: pd.DataFrame
    numbers: dict[str, Any]
    further: bool

    @property
    def table(self) -> pd.DataFrame:
        """What is written of the predictions; the labels of a further column are not called cultures."""
        return label_predictions(self.predictions, further=self.further)

    @property
    def temperature(self) -> float:
        return float(self.numbers["temperature"])


def results_by_label(
    selection: Selection,
    rows: NDArray[np.int64],
    logits: NDArray[np.float64],
    metrics: Mapping[str, Mapping[str, Any]],
) -> Iterator[LabelResult]:
    """Yield the result of each label, the primary one first.

    Args:
        selection: all paintings of the run.
        rows: of those that were predicted.
        logits: of each, of all labels side by side.
        metrics: further metrics, as of `build_metrics`.
    """
    start = 0
    for column in selection.columns:
        one, kept = selection.of_label(column.name)
        known, end = column.known[rows], start + len(column.classes)
        own, scores = np.searchsorted(kept, rows[known]), logits[known, start:end]
        labels, split = one.labels[own], one.split[own]
        calibration = calibration_results(scores, labels, split)
        yield LabelResult(
            column.name,
            one,
            prediction_table(one, own, softmax(scores, calibration["temperature"])),
            {
                # Losses are the network's own, as the history's: before calibration, which changes no accuracy.
                **accuracy_part(prediction_table(one, own, softmax(scores)), one),
                **calibration,
                **metric_results(metrics, scores, labels, split, len(column.classes)),
            },
            further=start > 0,
        )
        start = end
