import csv

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from artculture.utils.spreadsheets import protected, restored, write_csv
from artculture.utils.tables import read_text_csv

FORMULAS = [
    "=cmd|'/c calc'!A1",
    "+1+cmd",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "'=1",
    "''@a",
    "-",
    "\N{FULLWIDTH EQUALS SIGN}1",
    "-1-",
]
HARMLESS = ["-5", "+0.5e-3", "1=2", "a@b", "'s-Gravenhage", "", "' =1", "Œuvre"]


@pytest.mark.parametrize("cell", FORMULAS)
def test_a_formula_is_written_as_text(cell):
    assert protected(cell) == f"'{cell}"
    assert restored(protected(cell)) == cell


@pytest.mark.parametrize("cell", [*HARMLESS, 5, -1.5, None, True])
def test_other_cells_stay_as_they_are(cell):
    assert protected(cell) is cell
    assert restored(cell) is cell


@given(st.text())
def test_every_text_is_read_back(cell):
    assert restored(protected(cell)) == cell


def test_a_table_is_read_back_with_its_columns(tmp_path):
    cells = [*FORMULAS[:4], *HARMLESS[:4]]
    table = pd.DataFrame({"=culture": cells, "share": [-0.5] * len(cells)})
    write_csv(table, tmp_path / "a.csv")
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert header == ["'=culture", "share"]
    assert not [row[0] for row in rows if row[0][:1] in ("=", "@") or row[0] in ("-2+3", "+1+cmd")]
    assert {row[1] for row in rows} == {"-0.5"}
    assert read_text_csv(tmp_path / "a.csv")["=culture"].tolist() == cells


def test_all_tables_are_written_by_one_module(request):
    source = request.config.rootpath / "src"
    writers = {path.name for path in source.rglob("*.py") if "to_csv(" in path.read_text(encoding="utf-8")}
    # The others hash a table's text, or write what `protected_table` returns.
    assert writers == {"spreadsheets.py", "manifest.py", "members.py", "writing.py"}
