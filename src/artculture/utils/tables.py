"""Reading of CSV files, with one message that names the file and the fix."""

import codecs
import csv
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import pandas as pd

from artculture.utils.errors import InputError, reason_of
from artculture.utils.spreadsheets import restored_table

# Separators that spreadsheets write; a header has more of its own than of the others.
DELIMITERS = (",", ";", "\t")
HEADER_BYTES = 1 << 16
NOT_UTF8 = (
    "{where} is not UTF-8 text, but probably Latin-1 or Windows-1252: save it as `CSV UTF-8` (in Excel: Save As, CSV "
    "UTF-8), or convert it with `iconv -f WINDOWS-1252 -t UTF-8`"
)


@dataclass(frozen=True)
class CsvFormat:
    """Format of a CSV file: its separator and its encoding."""

    delimiter: str = ","
    encoding: str = "utf-8-sig"

    def options(self) -> dict[str, str]:
        """Return the arguments of `pandas.read_csv`."""
        return {"sep": self.delimiter, "encoding": self.encoding}


def csv_format(path: Path) -> CsvFormat:
    """Return the format of a CSV file, by its byte-order mark and its header; the default if it can't be read."""
    try:
        with path.open("rb") as file:
            start = file.read(HEADER_BYTES)
    except OSError:
        return CsvFormat()
    encoding = "utf-16" if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    header = re.sub(r'"[^"]*"', "", start.decode(encoding, "replace").lstrip("\r\n")).partition("\n")[0]
    return CsvFormat(max(DELIMITERS, key=header.count), encoding)


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
        raise InputError(f"{path} is not a readable CSV file: {csv_error(error, path)}{after}") from error
    if not isinstance(table.index, pd.RangeIndex):
        raise InputError(f"{path} is not a readable CSV file: its lines have more fields than its header{after}")
    return restored_table(table)


def csv_error(error: Exception, path: Path) -> str:
    """Return the reason why a CSV file can't be read, with its line in the file."""
    if isinstance(error, UnicodeError):
        return NOT_UTF8.format(where=_first_line_not_utf8(path))
    return with_file_line(reason_of(error), path)


def _first_line_not_utf8(path: Path) -> str:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return f"line {number}"
    return "it"


@dataclass(frozen=True)
class FileLines:
    """Line numbers of the records of a CSV or JSON Lines file, for messages; the file is parsed at the first use.

    Records and lines differ: quoted cells may span lines, and lines without any text are no records.

    Attributes:
        path: the file; None for a table without a file.
        header: whether the first record is a header.
    """

    path: Path | None = None
    header: bool = True

    @cached_property
    def _starts(self) -> list[int]:
        return [] if self.path is None else [line for line, blank in _starts(self.path) if not blank][self.header :]

    def __call__(self, record: int) -> str:
        """Return `line 42` for a record (0 is the first below the header), or `record 7` if its line is unknown."""
        return f"line {self._starts[record]}" if record < len(self._starts) else f"record {record + 1}"


def _starts(path: Path) -> list[tuple[int, bool]]:
    """Return (first line, is blank) of each record including the header; empty if the file can't be parsed."""
    found, before = [], 0
    form = csv_format(path)
    with suppress(OSError, ValueError, csv.Error), path.open(encoding=form.encoding, newline="") as file:
        if path.suffix == ".jsonl":
            return [(number, not line.strip()) for number, line in enumerate(file, 1)]
        reader = _reader(file, form)
        for record in reader:
            found.append((before + 1, not any(record) and len(record) != 1))
            before = reader.line_num
        return found
    return []


def _reader(file: TextIO, form: CsvFormat) -> Any:
    return csv.reader(file, delimiter=form.delimiter)


def first_records(path: Path, count: int) -> Iterator[list[str]]:
    """Yield the first records of a CSV file that are not blank, the header included; none if it can't be parsed."""
    form = csv_format(path)
    with suppress(OSError, ValueError, csv.Error), path.open(encoding=form.encoding, newline="") as file:
        yield from islice(filter(None, _reader(file, form)), count)


def with_file_line(reason: str, path: Path) -> str:
    """Replace the record number in a pandas message ("line 2" and "row 1" both count records) by the line number."""
    found = re.search(r"(in line|at row) (\d+)", reason)
    starts = _starts(path) if found else []
    record = int(found[2]) - (found[1] == "in line") if found else 0
    if found is None or record >= len(starts):
        return reason
    return f"{reason[: found.start()]}{found[1][:2]} line {starts[record][0]}{reason[found.end() :]}"


def read_text_csv(path: Path, fix: str = "", **options: Any) -> pd.DataFrame:
    """Read a CSV file with every cell as text, empty and missing cells as ""; rows without any text are left out.

    The separator may be a comma, a semicolon or a tab, and the encoding UTF-8 or UTF-16 with a byte-order mark.
    """
    table = read_csv(path, fix, dtype=str, keep_default_na=False, **csv_format(path).options(), **options)
    # Spreadsheets write empty rows below a table as separators alone.
    empty = (table == "").all(axis=1) & (len(table.columns) > 1)
    return table[~empty].reset_index(drop=True) if empty.any() else table


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
