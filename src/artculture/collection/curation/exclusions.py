"""Exclusion lists: the paintings that a curator removed, with reasons."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from artculture.utils.errors import InputError, choices_hint
from artculture.utils.spreadsheets import write_csv
from artculture.utils.tables import FileLines, read_text_csv

COLUMNS = ("object_id", "source", "reason", "note")


@dataclass(frozen=True)
class Exclusion:
    """One excluded painting."""

    object_id: str
    source: str = ""
    reason: str = ""
    note: str = ""


def read_exclusions(path: Path) -> list[Exclusion]:
    """Read a list; only the column `object_id` is required, and the list may be empty.

    Raises:
        InputError: no such file, not a CSV, no `object_id` column, or a row without one.
    """
    if not path.is_file():
        raise InputError(f"no exclusion list at {path}; the review page exports one")
    table = read_text_csv(path, "export it again from the review page")
    if "object_id" not in table:
        raise InputError(f"{path} lacks the column `object_id` ({choices_hint('object_id', table.columns)})")
    rows = [{c: str(row.get(c, "")).strip() for c in COLUMNS} for row in table.to_dict("records")]
    for record, row in enumerate(rows):
        if not row["object_id"]:
            raise InputError(f"{path} {FileLines(path)(record)}: `object_id` is empty")
    return [Exclusion(**row) for row in rows]


def write_exclusions(exclusions: Iterable[Exclusion], path: Path) -> None:
    """Write a list in a fixed order, so that two versions can be compared line by line."""
    rows = sorted((e.source, e.object_id, e.reason, e.note) for e in exclusions)
    table = pd.DataFrame(rows, columns=["source", "object_id", "reason", "note"])[list(COLUMNS)]
    write_csv(table, path)


@dataclass(frozen=True)
class MatchedExclusions:
    """Exclusions found in a manifest.

    Attributes:
        by_row: position in the table → exclusion, in the table's order.
        unknown: exclusions that match no painting.
        ambiguous: exclusions without a source, whose id exists in several sources.
    """

    by_row: dict[int, Exclusion]
    unknown: list[Exclusion]
    ambiguous: list[Exclusion]


def match_exclusions(table: pd.DataFrame, exclusions: Sequence[Exclusion]) -> MatchedExclusions:
    """Match exclusions to paintings; of several for one painting, the first one counts."""
    places: dict[str, dict[str, int]] = {}
    for place, (source, object_id) in enumerate(zip(table["source"], table["object_id"], strict=True)):
        places.setdefault(object_id, {})[source] = place
    found: dict[int, Exclusion] = {}
    unknown, ambiguous = [], []
    for exclusion in exclusions:
        here = places.get(exclusion.object_id, {})
        if exclusion.source in here:
            found.setdefault(here[exclusion.source], exclusion)
        # A given source must match; without one, the id must be unique.
        elif exclusion.source or not here:
            unknown.append(exclusion)
        elif len(here) > 1:
            ambiguous.append(exclusion)
        else:
            found.setdefault(next(iter(here.values())), exclusion)
    return MatchedExclusions(dict(sorted(found.items())), unknown, ambiguous)
