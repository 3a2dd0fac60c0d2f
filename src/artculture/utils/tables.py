"""CSV files read back: whole, or one message that names the file and the mend."""

import csv
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from artculture.utils.errors import InputError, reason_of


def read_csv(path: Path, mend: str = "", **options: Any) -> pd.DataFrame:
    """A table from a CSV file with a header.

    Args:
        path: the file.
        mend: what to do where it can't be read.
        options: as of `pandas.read_csv`.

    Raises:
        InputError: it is not there, no CSV, or its lines have more fields than its header.
    """
    after = f"; {mend}" if mend else ""
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
    """Names the place of a record in its CSV file; the file is parsed for it at the first use, so only for a message.

    A record's number is not its line: quoted cells may span lines, and blank lines are no records.

    Attributes:
        path: the file; None for a table that comes from none.
    """

    path: Path | None = None

    @cached_property
    def _starts(self) -> list[int]:
        return [] if self.path is None else [line for line, blank in _starts(self.path) if not blank][1:]

    def __call__(self, record: int) -> str:
        """`line 42` for a record (0 is the first below the header); `record 7` where its line can't be told."""
        return f"line {self._starts[record]}" if record < len(self._starts) else f"record {record + 1}"


def _starts(path: Path) -> list[tuple[int, bool]]:
    """The line on which each record begins, the header's too, and whether it is blank; [] where it can't be parsed."""
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
    """What pandas' parser says of a file, whose "line 2" and "row 1" both count records, with the line of the file."""
    found = re.search(r"(in line|at row) (\d+)", reason)
    starts = _starts(path) if found else []
    place = int(found[2]) - (found[1] == "in line") if found else 0
    if found is None or place >= len(starts):
        return reason
    return f"{reason[: found.start()]}{found[1][:2]} line {starts[place][0]}{reason[found.end() :]}"


def read_text_csv(path: Path, mend: str = "") -> pd.DataFrame:
    """The same with every cell as text, empty ones too."""
    return read_csv(path, mend, dtype=str, keep_default_na=False)


def read_own_csv(path: Path, mend: str, **options: Any) -> pd.DataFrame:
    """The same of a file that we wrote: its last line is ended.

    Raises:
        InputError: as `read_csv`, and a file that was cut off.
    """
    table = read_csv(path, mend, **options)
    with path.open("rb") as file:
        file.seek(-1, 2)
        if file.read() != b"\n":
            raise InputError(f"{path} is cut off in its last line; {mend}")
    return table
