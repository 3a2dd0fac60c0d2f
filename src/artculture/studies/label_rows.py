"""Scores of each label of runs that learn several, or one with an order, as the tables show them."""

import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from artculture.evaluation.intervals import Interval, effective_sample_size, interval_over_seeds, sample_overlap
from artculture.studies.paper import word
from artculture.studies.predictions import correct, read_predictions

SCORES = ("top1", "macro_recall")
HEADERS = ("Architecture", "Scheduler", "Method", "Label", "Classes", "Test paintings", "Top-1", "Macro recall", "MAE")
TITLE = "Labels"
NOTE = (
    "Each label on the test paintings that have it, in percent with 95 % intervals as above. MAE: mean absolute error "
    "in classes, of labels whose classes have an order."
)
FIRST_COLUMN = re.compile(r"label_(.+)_top1")


@dataclass(frozen=True)
class LabelRow:
    """A label of a row of the table of results; shares are in 0..1.

    Attributes:
        names: architecture, scheduler and method with its variant, as shown.
        label: name of the label.
        classes, test_paintings: how many.
        top1, macro_recall: with intervals.
        mae: mean absolute error in classes; None for a label without an order.
    """

    names: tuple[str, str, str]
    label: str
    classes: int
    test_paintings: int
    top1: tuple[float, Interval]
    macro_recall: tuple[float, Interval]
    mae: float | None

    @property
    def cells(self) -> list[str]:
        """The cells of `HEADERS`."""
        shares = [
            f"{100 * share:.2f} [{100 * low:.1f}, {100 * high:.1f}]"
            for share, (low, high) in (self.top1, self.macro_recall)
        ]
        counts = [str(self.classes), str(self.test_paintings)]
        return [*self.names, self.label, *counts, *shares, "" if self.mae is None else f"{self.mae:.2f}"]


def labels_in(result: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the numbers of each label of a result.json, the primary one first; none of a run of one plain label."""
    return {result["label"]: result, **result.get("labels", {})} if "label" in result else {}


def label_columns(labels: Sequence[Mapping[str, Mapping[str, Any]]], folders: Sequence[Path]) -> dict[str, Any]:
    """Return columns `label_<name>_…` of a row of the summary: mean scores over its runs, with intervals.

    Args:
        labels: of each run, as `labels_in` gives them.
        folders: the run directories.
    """
    row: dict[str, Any] = {}
    for place, name in enumerate(labels[0]):
        numbers = [each[name] for each in labels if name in each]
        tables = [read_predictions(folder, name if place else None) for folder in folders] if len(numbers) > 1 else []
        shared = sample_overlap([correct(table[table["split"] == "test"]) for table in tables])
        prefix = f"label_{name}"
        for score in SCORES:
            values = np.array([each[f"test_{score}"] for each in numbers], dtype=np.float64)
            known = [_paintings(each, f"test_{score}") for each in numbers]
            low, high = interval_over_seeds(values, 1 / float(np.mean(1 / np.array(known))), shared)
            row |= {f"{prefix}_{score}": float(values.mean()), f"{prefix}_{score}_low": float(low)}
            row[f"{prefix}_{score}_high"] = float(high)
        row[f"{prefix}_classes"] = len(numbers[0]["classes"])
        row[f"{prefix}_test_paintings"] = max(each["counts"]["test"] for each in numbers)
        if all("test_mae" in each for each in numbers):
            row[f"{prefix}_mae"] = float(np.mean([each["test_mae"] for each in numbers]))
    return row


def _paintings(numbers: Mapping[str, Any], score: str) -> float:
    """Return the number of paintings that is equivalent to a score's interval."""
    low, high = numbers["intervals"][score]
    return min(effective_sample_size(numbers[score], (low, high)), float(numbers["counts"]["test"]))


def share_columns(summary: pd.DataFrame) -> list[str]:
    """Return the columns of `label_columns` that are shares in 0..1."""
    return [
        column
        for column in summary.columns
        if re.fullmatch(rf"label_.+_({'|'.join(SCORES)})(_low|_high)?", str(column))
    ]


def label_rows(summary: pd.DataFrame) -> list[LabelRow]:
    """Return a row for each label of each row of a summary that has any."""
    names = [match[1] for column in summary.columns if (match := FIRST_COLUMN.fullmatch(str(column)))]
    records = summary.to_dict("records")
    return [_row(row, name) for row in records for name in names if pd.notna(row[f"label_{name}_top1"])]


def _row(row: Mapping[Hashable, Any], name: str) -> LabelRow:
    prefix = f"label_{name}"
    method = word(row["method"]) + (f" · {row['variant']}" if row["variant"] else "")
    top1, macro_recall = (
        (row[f"{prefix}_{score}"], (row[f"{prefix}_{score}_low"], row[f"{prefix}_{score}_high"])) for score in SCORES
    )
    mae = row.get(f"{prefix}_mae")
    return LabelRow(
        (word(row["architecture"]), word(row["scheduler"]), method),
        name,
        int(row[f"{prefix}_classes"]),
        int(row[f"{prefix}_test_paintings"]),
        top1,
        macro_recall,
        None if mae is None or pd.isna(mae) else float(mae),
    )
