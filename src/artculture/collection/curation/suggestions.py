"""What `artculture audit` found, shown on the review page: label errors, outliers and copies with two labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path

import pandas as pd

from artculture.collection.curation.exclusions import match_decisions, read_decisions
from artculture.collection.curation.keyword_rules import Flag

COLUMNS = ("object_id", "source", "label", "suggested", "p_label", "p_suggested", "likely_error")
RULE = "label error"
LABELS, OUTLIERS, CONFLICTS = "label_errors.csv", "outliers.csv", "conflicts.csv"
OUTLIER_COLUMNS = ("object_id", "source", "label", "distance", "nearest_object_id", "nearest_label")
PAIR = ("object_id", "source", "label")
CONFLICT_COLUMNS = (*PAIR, *(f"other_{name}" for name in PAIR), "distance")
# Of all paintings, the share that is flagged as outliers; all are ranked.
OUTLIER_SHARE = 0.02


@dataclass(frozen=True)
class Suggestion:
    """The audit's judgement of one label; rank 0 is the least credible one."""

    object_id: str
    source: str
    label: str
    suggested: str
    p_label: str
    p_suggested: str
    likely: bool
    rank: int

    def flag(self) -> Flag:
        """Return the flag that the page shows."""
        return Flag(RULE, f"{self.suggested} has probability {self.p_suggested}, {self.label} {self.p_label}")


@dataclass(frozen=True)
class Finding:
    """A flagged painting of another list of the audit.

    Attributes:
        object_id, source: the painting.
        flag: what the page shows; None for a painting that is only ranked.
        rank: place in the list; 0 is the most suspicious one.
        suggested: the other label of its copy; None in lists that suggest none.
    """

    object_id: str
    source: str
    flag: Flag | None
    rank: int
    suggested: str | None = None


@dataclass(frozen=True)
class AuditFindings:
    """Lists of an audit, by position in a manifest.

    Attributes:
        labels: judgement of each label.
        outliers: place of each painting among the outliers.
        conflicts: near-duplicates with two labels; of several of one painting the most similar one.
    """

    labels: dict[int, Suggestion] = field(default_factory=dict)
    outliers: dict[int, Finding] = field(default_factory=dict)
    conflicts: dict[int, Finding] = field(default_factory=dict)

    def orders(self) -> list[str]:
        """Return the orders of the page that the lists give."""
        return [name for name, found in self._lists().items() if found]

    def ranks(self, place: int) -> dict[str, int]:
        """Return the place of a painting in each of `orders`."""
        return {name: found[place].rank for name, found in self._lists().items() if place in found}

    def _lists(self) -> "dict[str, Mapping[int, Suggestion | Finding]]":
        return {"suspicious": self.labels, "outliers": self.outliers, "conflicts": self.conflicts}

    def suggested(self, place: int) -> str | None:
        """Return the label that is suggested for a painting."""
        if place in self.labels and self.labels[place].likely:
            return self.labels[place].suggested
        return self.conflicts[place].suggested if place in self.conflicts else None

    def flags(self, place: int) -> list[Flag]:
        """Return the flags of a painting."""
        label, others = self.labels.get(place), [self.outliers.get(place), self.conflicts.get(place)]
        own = [label.flag()] if label is not None and label.likely else []
        return own + [other.flag for other in others if other is not None and other.flag is not None]


def read_findings(path: Path, table: pd.DataFrame) -> AuditFindings:
    """Read an audit's lists.

    Args:
        path: the audit's folder, or its `label_errors.csv`; the other lists are read where they lie next to it.
        table: the manifest's table.

    Raises:
        InputError: no such file, not a CSV, or a column missing.
    """
    labels = path / LABELS if path.is_dir() else path
    outliers, conflicts = labels.with_name(OUTLIERS), labels.with_name(CONFLICTS)
    return AuditFindings(
        read_suggestions(labels, table),
        _matched(table, _outliers(_rows(outliers, OUTLIER_COLUMNS))),
        _matched(table, _conflicts(_rows(conflicts, CONFLICT_COLUMNS))),
    )


def _rows(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    required = [name for name in columns if not name.endswith("source")]
    return read_decisions(path, columns, required, path.stem, "artculture audit writes it")


def _matched(table: pd.DataFrame, found: list[Finding]) -> dict[int, Finding]:
    return match_decisions(table, found).by_row


def _outliers(rows: list[dict[str, str]]) -> list[Finding]:
    flagged = ceil(OUTLIER_SHARE * len(rows))
    found = []
    for rank, row in enumerate(rows):
        nearest = f"{row['nearest_object_id']} ({row['nearest_label']})"
        reason = f"{rank + 1} of {len(rows)} by its distance from others ({row['distance']}); nearest: {nearest}"
        flag = Flag("outlier", reason) if rank < flagged else None
        found.append(Finding(row["object_id"], row["source"], flag, rank))
    return found


def _conflicts(rows: list[dict[str, str]]) -> list[Finding]:
    found = []
    for rank, row in enumerate(rows):
        for own, other in (("", "other_"), ("other_", "")):
            label = row[f"{other}label"]
            flag = Flag("two labels", f"{label} as {row[f'{other}object_id']}, its copy ({row['distance']} bits apart)")
            found.append(Finding(row[f"{own}object_id"], row[f"{own}source"], flag, rank, label))
    return found


def read_suggestions(path: Path, table: pd.DataFrame) -> dict[int, Suggestion]:
    """Read an audit's `label_errors.csv`; return its judgement of each painting of a manifest, by position.

    Raises:
        InputError: no such file, not a CSV, or a column missing.
    """
    required = [name for name in COLUMNS if name != "source"]  # which is "" in folders of class folders
    rows = read_decisions(path, COLUMNS, required, "label_errors", "artculture audit writes it")
    found = [
        Suggestion(
            **{k: v for k, v in row.items() if k != "likely_error"}, likely=row["likely_error"] == "True", rank=n
        )
        for n, row in enumerate(rows)
    ]
    return match_decisions(table, found).by_row
