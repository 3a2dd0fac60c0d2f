"""A finding: one figure with its data and numbers, and the folder that holds all findings of an analysis."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from artculture.analysis import plotting_style
from artculture.utils.io import replacing, write_json, write_text

# What analysis.json means; raised when that changes.
FINDINGS_FORMAT = 1
INDEX = "analysis.json"


@dataclass(frozen=True)
class Finding:
    """One thing that an analysis found.

    Attributes:
        name: stem of its files, snake_case.
        title: a heading.
        caption: plain sentences: what is shown, how to read it, what it says.
        figure: the picture of it.
        tables: its data; file stem to table, written as CSV.
        numbers: its key numbers, plain values.
        page: a self-contained interactive HTML page of it.
        alt: what the figure shows, for those who can't see it.
    """

    name: str
    title: str
    caption: str
    figure: Figure | None = None
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    numbers: dict[str, Any] = field(default_factory=dict)
    page: str | None = None
    alt: str = ""


def write_findings(folder: Path, findings: list[Finding], about: dict[str, Any]) -> Path:
    """Write every finding's files, and last the index `analysis.json` that names them.

    Args:
        folder: made where it is missing; files of the same names are replaced.
        findings: in the order of the report.
        about: where they come from (checkpoint, data, versions …), plain values.

    Returns:
        The index.
    """
    folder.mkdir(parents=True, exist_ok=True)
    entries = [_write(folder, finding) for finding in findings]
    index = folder / INDEX
    write_json(index, {"format": FINDINGS_FORMAT, "about": about, "findings": entries})
    return index


def _write(folder: Path, finding: Finding) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": finding.name,
        "title": finding.title,
        "caption": finding.caption,
        "alt": finding.alt or finding.title,
        "numbers": finding.numbers,
        "tables": [],
    }
    for stem, table in finding.tables.items():
        with replacing(folder / f"{stem}.csv") as temporary:
            table.to_csv(temporary, index=False, lineterminator="\n")
        entry["tables"].append(f"{stem}.csv")
    if finding.figure is not None:
        for kind in ("png", "svg"):
            entry[kind] = f"{finding.name}.{kind}"
            with replacing(folder / entry[kind]) as temporary:
                plotting_style.save(finding.figure, temporary, kind)
    if finding.page is not None:
        entry["page"] = f"{finding.name}.html"
        write_text(folder / entry["page"], finding.page)
    return entry
