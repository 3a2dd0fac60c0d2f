"""CSV tables that no spreadsheet takes for formulas.

A cell that begins like a formula is written with an apostrophe before it, which makes it text in a spreadsheet, and
read without it. A cell that begins with apostrophes and such a character gets one more: each is read as it was.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from artculture.utils.io import replacing

# What starts a formula, also after characters that spreadsheets skip; the wide forms do in Japanese and Chinese ones.
WIDE = "\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}\N{FULLWIDTH HYPHEN-MINUS}\N{FULLWIDTH COMMERCIAL AT}"
STARTS = f"[=+\\-@\t\r\n{WIDE}]"
FORMULA = re.compile(f"'*{STARTS}")
PROTECTED = re.compile(f"'+{STARTS}")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def protected(cell: Any) -> Any:
    """Return a cell as it is written; only text that would be a formula changes."""
    if not isinstance(cell, str) or not FORMULA.match(cell) or NUMBER.fullmatch(cell):
        return cell
    return f"'{cell}"


def restored(cell: Any) -> Any:
    """Return a cell as it was before `protected`."""
    return cell[1:] if isinstance(cell, str) and PROTECTED.match(cell) else cell


def protected_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with its text cells and column names `protected`."""
    return _mapped(table, protected)


def restored_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with its text cells and column names `restored`."""
    return _mapped(table, restored)


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV atomically, with the same bytes on every platform."""
    with replacing(path) as temporary:
        protected_table(table).to_csv(temporary, index=False, lineterminator="\n")


def csv_text(table: pd.DataFrame) -> str:
    """Return a table as `write_csv` writes it."""
    return str(protected_table(table).to_csv(index=False, lineterminator="\n"))


def _mapped(table: pd.DataFrame, change: Callable[[Any], Any]) -> pd.DataFrame:
    new = table.copy(deep=False)
    for name in table.columns:
        column = table[name]
        # Columns without such cells, which are nearly all, stay as they are.
        if pd.api.types.is_numeric_dtype(column) or all(change(cell) is cell for cell in column.unique()):
            continue
        cells = column.astype(object).map(change)
        new[name] = cells if isinstance(column.dtype, pd.CategoricalDtype) else cells.astype(column.dtype)
    return new.rename(columns={name: change(name) for name in table.columns})
