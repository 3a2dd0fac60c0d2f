"""Relabel lists: the paintings whose label a curator corrected."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from artculture.collection.curation.exclusions import Matched, read_decisions
from artculture.utils.errors import choices_hint
from artculture.utils.spreadsheets import write_csv
from artculture.utils.text import normal_label

log = logging.getLogger(__name__)

# The label is not called `label`: the audit's table, where that is the old one, can't be taken for such a list.
COLUMNS = ("object_id", "source", "new_label", "note")


@dataclass(frozen=True)
class Relabel:
    """The new label of one painting."""

    object_id: str
    source: str = ""
    new_label: str = ""
    note: str = ""


def read_relabels(path: Path) -> list[Relabel]:
    """Read a list; the columns `object_id` and `new_label` are required, and the list may be empty.

    Raises:
        InputError: no such file, not a CSV, a required column missing, or a row without its value.
    """
    rows = read_decisions(path, COLUMNS, ("object_id", "new_label"), "relabel")
    return [Relabel(**{**row, "new_label": normal_label(row["new_label"])}) for row in rows]


def write_relabels(relabels: Iterable[Relabel], path: Path) -> None:
    """Write a list in a fixed order, so that two versions can be compared line by line."""
    rows = sorted((r.source, r.object_id, r.new_label, r.note) for r in relabels)
    write_csv(pd.DataFrame(rows, columns=["source", "object_id", "new_label", "note"])[list(COLUMNS)], path)


def relabelled(table: pd.DataFrame, matched: Matched[Relabel]) -> pd.DataFrame:
    """Return the table with the new labels; one that no painting has had is logged, as it may be a mistake."""
    labels = table["culture"].astype(object).to_numpy(copy=True)
    known = set(labels.tolist())
    for place, relabel in matched.by_row.items():
        labels[place] = relabel.new_label
    for name in sorted({relabel.new_label for relabel in matched.by_row.values()} - known):
        log.warning("the relabels make a new label %s (%s)", name, choices_hint(name, sorted(known)))
    return table.assign(culture=labels)
