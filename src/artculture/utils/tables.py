"""Reading of CSV files, with one message that names the file and the fix."""

import csv
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from artculture.utils.errors import InputError, reason_of


def read_csv(path: Path, fix: str = "", **options: Any) -> pd.DataFrame:
    """Read a CSV file with a header.

    Args:
        path: the file.
        fix: advice if the file can't be read.
        options: passed to `pandas.read_csv`.

    Raises:
        InputError: it is missing or damaged, or its lines have more fields than its header.
    """
    after = f"; {fix}" if fix else ""
    try:
        table: pd.DataFrame = pd.read_csv(path, **{"encoding": "utf-8-sig", **options})
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing{after}") from error
    except (ValueError, csv.Error, OSError, OverflowError) as error:  # pandas' own errors are ValueErrors
        reason = with_file_line(reason_of(error), path)
        raise InputError(f"{path} is not a readable CSV file: {reason}{after}") from error
    if not isinstance(table.index, pd.RangeIndex):
        raise InputError(f"{path} is not a readable CSV file: its lines have more fields than its header{after}")
    return table


@dataclass(frozen=True)
class FileLines:
    """Line numbers of the records of a CSV file, for messages; the file is parsed at the first use.

    Records and lines differ: quoted cells may span lines, and blank lines are no records.

    Attributes:
        path: the file; None for a table without a file.
    """

    path: Path | None = None

    @cached_property
    def _starts(self) -> list[int]:
        return [] if self.path is None else [line for line, blank in _starts(self.path) if not blank][1:]

    def __call__(self, record: int) -> str:
        """Return `line 42` for a record (0 is the first below the header), or `record 7` if its line is unknown."""
        return f"line {self._starts[record]}" if record < len(self._starts) else f"record {record + 1}"


def _starts(path: Path) -> list[tuple[int, bool]]:
    """Return (first line, is blank) of each record including the header; empty if the file can't be parsed."""
    found, before = [], 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            for record in reader:
                found.append((before + 1, not record))
                before = reader.line_num
    except (OSError, ValueError, csv.Error):
        return []
    return found


def with_file_line(reason: str, path: Path) -> str:
    """Replace the record number in a pandas message ("line 2" and "row 1" both count records) by the line number."""
    found = re.search(r"(in line|at row) (\d+)", reason)
    starts = _starts(path) if found else []
    record = int(found[2]) - (found[1] == "in line") if found else 0
    if found is None or record >= len(starts):
        return reason
    return f"{reason[: found.start()]}{found[1][:2]} line {starts[record][0]}{reason[found.end() :]}"


def read_text_csv(path: Path, fix: str = "") -> pd.DataFrame:
    """Read a CSV file with every cell as text, empty cells too."""
    return read_csv(path, fix, dtype=str, keep_default_na=False)


def read_own_csv(path: Path, fix: str, **options: Any) -> pd.DataFrame:
    """Read a CSV file written by this project, whose last line ends with a newline.

    Raises:
        InputError: as `read_csv`, or the file is truncated.
    """
    table = read_csv(path, fix, **options)
    with path.open("rb") as file:
        file.seek(-1, 2)
        if file.read() != b"\n":
            raise InputError(f"{path} is cut off in its last line; {fix}")
    return table
