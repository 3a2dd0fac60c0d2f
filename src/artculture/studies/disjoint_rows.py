"""The rows of a study that were trained with and without `data.disjoint`, and what their accuracies differ by."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from math import hypot
from typing import Any

import pandas as pd

from artculture.evaluation.intervals import Interval
from artculture.studies.paper import word

# Of the variant of a run with `data.disjoint`.
PREFIX = "disjoint="
DIFFERENCE_COLUMNS = ["shared_top1", "disjoint_difference", "disjoint_difference_low", "disjoint_difference_high"]
HEADERS = ("Architecture", "Scheduler", "Method", "Top-1, any split", "Top-1, disjoint", "Difference")


@dataclass(frozen=True)
class DisjointRow:
    """A row with and without `data.disjoint`; accuracies are top-1 of the test split with intervals, in 0..1.

    Attributes:
        names: architecture, scheduler and method with its variant, as shown.
        column: the column whose values are each in one split.
        mixed: accuracy where they are in several splits.
        disjoint: accuracy where each is in one.
        difference: `disjoint` - `mixed`.
    """

    names: tuple[str, str, str]
    column: str
    mixed: tuple[float, Interval]
    disjoint: tuple[float, Interval]

    @property
    def difference(self) -> tuple[float, Interval]:
        """Return the difference with its interval, for independent test splits.

        Newcombe 1998, Statistics in Medicine 17:873-890, method 10: it combines the intervals of the two proportions.
        """
        (mixed, (mixed_low, mixed_high)), (disjoint, (low, high)) = self.mixed, self.disjoint
        value = disjoint - mixed
        below, above = hypot(disjoint - low, mixed_high - mixed), hypot(high - disjoint, mixed - mixed_low)
        return value, (value - below, value + above)

    @property
    def cells(self) -> list[str]:
        """The cells of `HEADERS`, in percent and percentage points."""
        both = (self.mixed, self.disjoint)
        shown = [f"{100 * share:.2f} [{100 * low:.1f}, {100 * high:.1f}]" for share, (low, high) in both]
        value, (low, high) = self.difference
        return [*self.names, *shown, f"{100 * value:+.2f} [{100 * low:+.1f}, {100 * high:+.1f}]"]


def disjoint_rows(summary: pd.DataFrame) -> list[DisjointRow]:
    """Return the rows of a summary that are there with and without `data.disjoint`, in its order."""
    return list(_by_position(summary).values())


def with_differences(summary: pd.DataFrame) -> pd.DataFrame:
    """Return the summary with `shared_top1`, of the same row without `data.disjoint`, and the difference from it.

    The columns are `DIFFERENCE_COLUMNS`; they are only there if the summary has such rows, and empty in others.
    """
    found = _by_position(summary)
    if not found:
        return summary
    empty: list[float | None] = [None] * len(DIFFERENCE_COLUMNS)
    cells = [[row.mixed[0], row.difference[0], *row.difference[1]] for row in found.values()]
    filled = dict(zip(found, cells, strict=True))
    columns = pd.DataFrame([filled.get(place, empty) for place in range(len(summary))], columns=DIFFERENCE_COLUMNS)
    return pd.concat([summary, columns.astype("float64").set_index(summary.index)], axis=1)


def _by_position(summary: pd.DataFrame) -> dict[int, DisjointRow]:
    records = summary.to_dict("records")
    mixed = {_key(row): row for row in records if not _column(row)}
    pairs = {place: (row, mixed.get(_key(row))) for place, row in enumerate(records) if _column(row)}
    return {place: _row(row, other) for place, (row, other) in pairs.items() if other is not None}


def _row(disjoint: Mapping[Hashable, Any], mixed: Mapping[Hashable, Any]) -> DisjointRow:
    method = word(mixed["method"]) + (f" · {mixed['variant']}" if mixed["variant"] else "")
    names = (word(mixed["architecture"]), word(mixed["scheduler"]), method)
    return DisjointRow(names, _column(disjoint), _top1(mixed), _top1(disjoint))


def _top1(row: Mapping[Hashable, Any]) -> tuple[float, Interval]:
    return row["top1"], (row["top1_low"], row["top1_high"])


def _key(row: Mapping[Hashable, Any]) -> tuple[str, ...]:
    rest = [part for part in str(row["variant"]).split() if not part.startswith(PREFIX)]
    return (row["data"], row["architecture"], row["scheduler"], row["method"], *rest)


def _column(row: Mapping[Hashable, Any]) -> str:
    parts = [part.removeprefix(PREFIX) for part in str(row["variant"]).split() if part.startswith(PREFIX)]
    return parts[0] if parts else ""


def disjoint_title(rows: Sequence[DisjointRow]) -> str:
    """Return the heading of the table."""
    return f"Without a shared {' or '.join(dict.fromkeys(row.column for row in rows))}"


def disjoint_note(rows: Sequence[DisjointRow]) -> str:
    """Return the note below the table."""
    columns = " or ".join(dict.fromkeys(row.column for row in rows))
    return (
        f"The same rows with data.disjoint={columns}, where no {columns} is in two splits. The difference, in "
        f"percentage points, is what a row owes to recognising a known {columns}, apart from the different test split. "
        "Its 95 % interval takes the two test splits for independent."
    )
