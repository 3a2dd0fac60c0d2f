"""Table 2 as a page shows it, its row of dots, and the headline of a study in a sentence."""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from artculture.studies.paper import word
from artculture.studies.table import notes

# Summary's name to the table's header.
ACCURACIES = {"validation": "Validation accuracy", "top1": "Top-1 accuracy", "top3": "Top-3 accuracy"}


@dataclass(frozen=True)
class Accuracy:
    """In percent; `paper` is the paper's own number where it has such a row."""

    value: float
    low: float
    high: float
    paper: float | None


@dataclass(frozen=True)
class TableRow:
    """A row of Table 2; `variant` is what tells it from the others, `best` the best validation accuracy on its data."""

    architecture: str
    scheduler: str
    method: str
    variant: str
    seeds: int
    weights: str
    data: str
    accuracies: dict[str, Accuracy]
    best: bool

    @property
    def label(self) -> str:
        return f"{self.architecture}, {self.method.lower()}, {self.scheduler}"


@dataclass(frozen=True)
class Headline:
    """What a study says about one data set: its best row, and the levels that it must beat, in percent.

    Attributes:
        models: how many rows there are on these data.
        overlapping: labels of the other rows whose test intervals overlap the best one's.
    """

    row: TableRow
    models: int
    overlapping: list[str]
    chance: float
    majority: float
    test_paintings: int
    synthetic: bool

    @property
    def beats(self) -> bool:
        """Whether the whole interval lies above both levels."""
        return self.row.accuracies["top1"].low > max(self.chance, self.majority)


def common_variant(summary: pd.DataFrame) -> str:
    """What all rows changed alike: it tells none from another."""
    texts = [str(text) for text in summary["variant"]] if len(summary) else [""]
    return " ".join(part for part in texts[0].split() if all(part in text.split() for text in texts))


def without(variant: str, common: str) -> str:
    return " ".join(part for part in variant.split() if part not in common.split())


def table_rows(summary: pd.DataFrame) -> list[TableRow]:
    best = set(summary.groupby("data")["validation"].idxmax()) if len(summary) else set()
    common = common_variant(summary)
    return [_row(row, common, place in best) for place, row in enumerate(summary.to_dict("records"))]


def _row(row: dict[Hashable, Any], common: str, best: bool) -> TableRow:
    return TableRow(
        word(row["architecture"]),
        word(row["scheduler"]),
        word(row["method"]),
        without(str(row["variant"]), common),
        int(row["seeds"]),
        str(row["weights"]),
        str(row["data"]),
        {name: _accuracy(row, name) for name in ACCURACIES},
        best,
    )


def _accuracy(row: dict[Hashable, Any], name: str) -> Accuracy:
    paper = row[f"paper_{name}"]
    value, low, high = (100 * float(row[name + end]) for end in ("", "_low", "_high"))
    return Accuracy(value, low, high, None if paper is None or pd.isna(paper) else float(paper))


def headlines(summary: pd.DataFrame, rows: list[TableRow]) -> list[Headline]:
    """One headline a data set; [] where no run is finished."""
    records = summary.to_dict("records")
    return [
        Headline(
            row,
            sum(other.data == row.data for other in rows),
            [other.label for other in rows if other is not row and other.data == row.data and _overlap(other, row)],
            100 * float(record["chance"]),
            100 * float(record["majority"]),
            int(record["test_paintings"]),
            bool(record["synthetic"]),
        )
        for row, record in zip(rows, records, strict=True)
        if row.best
    ]


def _overlap(one: TableRow, other: TableRow) -> bool:
    a, b = one.accuracies["top1"], other.accuracies["top1"]
    return a.low <= b.high and b.low <= a.high


def table_notes(summary: pd.DataFrame) -> Iterator[list[tuple[str, bool]]]:
    """The table's notes, each as pieces of text and whether they are strong (`**` in the notes)."""
    common = common_variant(summary)
    if common:
        yield [(f"All rows: {common.replace(' ', ', ')}.", False)]
    for note in notes(summary, {}):
        yield [(piece, place % 2 == 1) for place, piece in enumerate(note.split("**")) if piece]
