"""CSV files read back: whole, or one message that names the file and the mend."""

import csv
from pathlib import Path
from typing import Any

import pandas as pd

from artculture.errors import InputError, reason_of


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
        raise InputError(f"{path} is not a readable CSV file: {reason_of(error)}{after}") from error
    if not isinstance(table.index, pd.RangeIndex):
        raise InputError(f"{path} is not a readable CSV file: its lines have more fields than its header{after}")
    return table


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
