"""Rows of Table 2 and the headline result of a study, as the report shows them."""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from artculture.studies.comparison import BETTER, NOT_COMPARED, NOT_WORSE, best_rows
from artculture.studies.paper import word
from artculture.studies.table import difference, label_words, notes, repeats
from artculture.training.identity import NONE
from artculture.utils.label_words import CULTURE_WORDS, LabelWords

# Column prefix of the summary to header of the table.
ACCURACIES = {
    "validation": "Validation accuracy",
    "top1": "Top-1 accuracy",
    "top3": "Top-3 accuracy",
    "macro_recall": "Macro recall",
}

# Standings of rows than which the best is not shown to be better.
UNDECIDED = (NOT_WORSE, NOT_COMPARED)


@dataclass(frozen=True)
class Accuracy:
    """An accuracy with its interval, in percent; `paper` is the paper's value if it has such a row."""

    value: float
    low: float
    high: float
    paper: float | None


@dataclass(frozen=True)
class TableRow:
    """A row of Table 2; `variant` distinguishes it from the others, `best` marks the best validation accuracy.

    `repeats` says how many folds and seeds it has, `standing` and `difference` what the paired test says
    (`compare_with_best`, `difference`).
    """

    architecture: str
    scheduler: str
    method: str
    variant: str
    seeds: int
    repeats: str
    weights: str
    data: str
    accuracies: dict[str, Accuracy]
    best: bool
    standing: str
    difference: str

    @property
    def label(self) -> str:
        scheduler = "" if self.scheduler == word(NONE) else f", {self.scheduler}"
        return f"{self.architecture}, {self.method.lower()}{scheduler}"


@dataclass(frozen=True)
class Headline:
    """Headline result on one data set: the best row of the table and the baselines, in percent.

    Attributes:
        models: number of rows on this data set.
        not_worse: labels of the other rows that the paired test finds neither significantly worse nor better.
        better: labels of the rows that it finds significantly better.
        chance: accuracy of uniform guessing.
        majority: accuracy of always predicting the most frequent class.
        words: what a class is called.
    """

    row: TableRow
    models: int
    not_worse: list[str]
    better: list[str]
    chance: float
    majority: float
    test_paintings: int
    synthetic: bool
    words: LabelWords = CULTURE_WORDS

    @property
    def beats_baselines(self) -> bool:
        """Whether the whole interval lies above both baselines."""
        return self.row.accuracies["top1"].low > max(self.chance, self.majority)

    @property
    def verdict(self) -> str:
        """Which baselines the result beats, as the end of a sentence; only those that it does not beat are denied."""
        low = self.row.accuracies["top1"].low
        guessing = f"guessing ({self.chance:.1f} %)"
        frequent = f"always predicting the most frequent {self.words.one} ({self.majority:.1f} %)"
        if self.beats_baselines:
            return f"is significantly better than {guessing} and than {frequent}"
        if low <= self.chance:
            return f"is not significantly better than {guessing}"
        return f"is significantly better than {guessing}, but not than {frequent}"

    @property
    def sentence(self) -> str:
        """The result in plain words, for a terminal."""
        top1 = self.row.accuracies["top1"]
        models = f"The best of {self.models} models by validation" if self.models > 1 else "The model"
        pictures = "synthetic test pictures" if self.synthetic else "test paintings"
        return (
            f"{models} ({self.row.label}) classifies {top1.value:.1f} % of the {pictures} of {self.row.data} correctly "
            f"[{top1.low:.1f}, {top1.high:.1f}]: it {self.verdict}."
        )


def common_variant(summary: pd.DataFrame) -> str:
    """Return the part of the variant that is common to all rows."""
    texts = [str(text) for text in summary["variant"]] if len(summary) else [""]
    return " ".join(part for part in texts[0].split() if all(part in text.split() for text in texts))


def without(variant: str, common: str) -> str:
    """Return the variant without its common part."""
    return " ".join(part for part in variant.split() if part not in common.split())


def table_rows(summary: pd.DataFrame) -> list[TableRow]:
    """Return the rows of Table 2 for a study's summary."""
    best = set(best_rows(summary)) if len(summary) else set()
    common = common_variant(summary)
    return [_row(row, common, place in best) for place, row in enumerate(summary.to_dict("records"))]


def _row(row: dict[Hashable, Any], common: str, best: bool) -> TableRow:
    return TableRow(
        word(row["architecture"]),
        word(row["scheduler"]),
        word(row["method"]),
        without(str(row["variant"]), common),
        int(row["seeds"]),
        repeats(row),
        str(row["weights"]),
        str(row["data"]),
        {name: _accuracy(row, name) for name in ACCURACIES},
        best,
        str(row["standing"]),
        difference(row),
    )


def _accuracy(row: dict[Hashable, Any], name: str) -> Accuracy:
    paper = row.get(f"paper_{name}")
    value, low, high = (100 * float(row[name + end]) for end in ("", "_low", "_high"))
    return Accuracy(value, low, high, None if paper is None or pd.isna(paper) else float(paper))


def headlines(summary: pd.DataFrame, rows: list[TableRow]) -> list[Headline]:
    """Return one headline per data set; [] if no run is finished."""
    records, words = summary.to_dict("records"), label_words(summary)
    return [
        Headline(
            row,
            sum(other.data == row.data for other in rows),
            [_distinct(other, rows) for other in rows if other.data == row.data and other.standing in UNDECIDED],
            [_distinct(other, rows) for other in rows if other.data == row.data and other.standing == BETTER],
            100 * float(record["chance"]),
            100 * float(record["majority"]),
            int(record["test_paintings"]),
            bool(record["synthetic"]),
            words,
        )
        for row, record in zip(rows, records, strict=True)
        if row.best
    ]


def _distinct(row: TableRow, rows: list[TableRow]) -> str:
    """Return the label of a row, with its variant where another row has the same label."""
    shared = sum(other.label == row.label for other in rows) > 1
    return f"{row.label} ({row.variant})" if shared and row.variant else row.label


def table_notes(summary: pd.DataFrame) -> Iterator[list[tuple[str, bool]]]:
    """Yield the table's notes, each as pieces of text and whether they are bold (`**` in the notes)."""
    common = common_variant(summary)
    if common:
        yield [(f"All rows: {common.replace(' ', ', ')}.", False)]
    for note in notes(summary, {}):
        yield [(piece, place % 2 == 1) for place, piece in enumerate(note.split("**")) if piece]
