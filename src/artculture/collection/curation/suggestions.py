"""Labels that `artculture audit` suggests, shown on the review page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from artculture.collection.curation.exclusions import match_decisions, read_decisions
from artculture.collection.curation.keyword_rules import Flag

COLUMNS = ("object_id", "source", "label", "suggested", "p_label", "p_suggested", "likely_error")
RULE = "label error"


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


def with_suggestions(flags: Sequence[Sequence[Flag]], found: Mapping[int, Suggestion]) -> list[list[Flag]]:
    """Return the flags with one more for each likely label error."""
    return [
        [*own, found[place].flag()] if place in found and found[place].likely else [*own]
        for place, own in enumerate(flags)
    ]
