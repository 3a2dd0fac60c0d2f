"""Exclusion lists: the paintings that a curator removed, with reasons."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import pandas as pd

from artculture.utils.errors import InputError, choices_hint
from artculture.utils.spreadsheets import write_csv
from artculture.utils.tables import FileLines, read_text_csv

COLUMNS = ("object_id", "source", "reason", "note")


class Decision(Protocol):
    """What is decided about one painting; an empty source is any."""

    @property
    def object_id(self) -> str: ...

    @property
    def source(self) -> str: ...


D = TypeVar("D", bound=Decision)


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
    return [Exclusion(**row) for row in read_decisions(path, COLUMNS, ("object_id",), "exclusion")]


def read_decisions(
    path: Path, columns: Sequence[str], required: Sequence[str], kind: str, origin: str = "the review page exports one"
) -> list[dict[str, str]]:
    """Read a list of decisions, one a row.

    Args:
        path: a CSV file.
        columns: those to read; one that the file lacks is "".
        required: columns with a value in each row.
        kind: of list, for messages.
        origin: where such a list comes from, for messages.

    Raises:
        InputError: no such file, not a CSV, a required column missing, or a row without its value.
    """
    if not path.is_file():
        raise InputError(f"no {kind} list at {path}; {origin}")
    table = read_text_csv(path, f"write it again: {origin}")
    for name in required:
        if name not in table:
            raise InputError(f"{path} lacks the column `{name}` ({choices_hint(name, table.columns)})")
    rows = [{c: str(row.get(c, "")).strip() for c in columns} for row in table.to_dict("records")]
    for record, row in enumerate(rows):
        for name in required:
            if not row[name]:
                raise InputError(f"{path} {FileLines(path)(record)}: `{name}` is empty")
    return rows


def write_exclusions(exclusions: Iterable[Exclusion], path: Path) -> None:
    """Write a list in a fixed order, so that two versions can be compared line by line."""
    rows = sorted((e.source, e.object_id, e.reason, e.note) for e in exclusions)
    table = pd.DataFrame(rows, columns=["source", "object_id", "reason", "note"])[list(COLUMNS)]
    write_csv(table, path)


@dataclass(frozen=True)
class Matched(Generic[D]):
    """Decisions found in a manifest.

    Attributes:
        by_row: position in the table → decision, in the table's order.
        unknown: decisions that match no painting.
        ambiguous: decisions without a source, whose id exists in several sources.
    """

    by_row: dict[int, D]
    unknown: list[D]
    ambiguous: list[D]


MatchedExclusions = Matched[Exclusion]


def match_decisions(table: pd.DataFrame, decisions: Sequence[D]) -> Matched[D]:
    """Match decisions to paintings; of several for one painting, the first one counts."""
    places: dict[str, dict[str, int]] = {}
    for place, (source, object_id) in enumerate(zip(table["source"], table["object_id"], strict=True)):
        places.setdefault(object_id, {})[source] = place
    found: dict[int, D] = {}
    unknown, ambiguous = [], []
    for decision in decisions:
        here = places.get(decision.object_id, {})
        if decision.source in here:
            found.setdefault(here[decision.source], decision)
        # A given source must match; without one, the id must be unique.
        elif decision.source or not here:
            unknown.append(decision)
        elif len(here) > 1:
            ambiguous.append(decision)
        else:
            found.setdefault(next(iter(here.values())), decision)
    return Matched(dict(sorted(found.items())), unknown, ambiguous)
