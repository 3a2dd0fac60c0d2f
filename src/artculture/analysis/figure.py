"""Findings (a figure with its data and numbers) and the folder that an analysis writes them to."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from artculture.analysis import plotting_style
from artculture.utils.io import replacing, write_json, write_text
from artculture.utils.spreadsheets import write_csv

# Version of the layout of analysis.json; increase it with every incompatible change.
FINDINGS_FORMAT = 1
INDEX = "analysis.json"


@dataclass(frozen=True)
class Finding:
    """One result of an analysis.

    Attributes:
        name: stem of its file names, snake_case.
        title: a heading.
        caption: sentences that say what is shown, how to read it and what follows.
        figure: None where the data do not allow one.
        tables: data behind the figure, by file stem; written as CSV.
        numbers: key numbers, JSON values.
        page: a self-contained interactive HTML page.
        alt: alternative text of the figure.
    """

    name: str
    title: str
    caption: str
    figure: Figure | None = None
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    numbers: dict[str, Any] = field(default_factory=dict)
    page: str | None = None
    alt: str = ""


def write_findings(folder: Path, findings: Iterable[Finding], about: dict[str, Any]) -> Path:
    """Write the files of all findings, then the index `analysis.json` that lists them.

    Args:
        folder: created if missing; files of the same names are replaced.
        findings: in the order of the report; each is written before the next is taken, so that memory holds one.
        about: provenance (checkpoint, data, versions), JSON values.

    Returns:
        The path of the index.
    """
    folder.mkdir(parents=True, exist_ok=True)
    entries = [_write(folder, finding) for finding in findings]
    # The index is written last, so that it never lists missing files.
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
        write_csv(table, folder / f"{stem}.csv")
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
