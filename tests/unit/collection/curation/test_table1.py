import pandas as pd
import pytest

from artculture.collection.curation.table1 import (
    PAPER,
    is_of_the_museum,
    markdown,
    small_cultures,
    table1,
    title,
    write_table1,
)
from artculture.utils.label_words import LabelWords


def test_the_papers_own_sums():
    total = table1([], [])[-1]
    assert (total.paper_initial, total.paper_final) == (7318, 6663)


def test_counts_stand_next_to_the_papers_in_its_order(tmp_path):
    initial = ["Japanese"] * 1150 + ["Flemish"] * 109 + ["Korean"] * 3
    rows = table1(initial, initial[60:])
    assert [row.culture for row in rows] == [*PAPER, "Korean", "All"]
    by_name = {row.culture: row.cells for row in rows}
    assert by_name["Japanese"] == ("Japanese", "1150", "1090", "1149", "1084", "+1", "+6")
    assert by_name["Flemish"] == ("Flemish", "109", "109", "109", "106", "0", "+3")
    assert by_name["Korean"] == ("Korean", "3", "3", "", "", "", "")
    assert by_name["British"][5] == "\N{MINUS SIGN}300"


def test_a_collection_of_ones_own_is_not_compared_with_the_paper(tmp_path):
    rows = table1(["Cubism", "Cubism", "Rococo"], ["Cubism", "Rococo"], paper=False)
    assert [row.culture for row in rows] == ["Cubism", "Rococo", "All"]
    style = LabelWords("style")
    assert title(rows, style) == "Paintings per style"
    text = markdown(rows, 1, style)
    assert text.startswith("| Style | Initial | Final |")
    assert text.endswith("Every style has at least 1 paintings.\n")
    write_table1(rows, 100, tmp_path, style)
    assert list(pd.read_csv(tmp_path / "table1.csv")) == ["culture", "initial", "final"]


@pytest.mark.parametrize(
    ("sources", "compared"), [(["met"], True), (["met", "met"], True), (["met", "rijksmuseum"], False), ([""], False)]
)
def test_only_the_mets_paintings_are_compared_with_the_paper(sources, compared):
    assert is_of_the_museum(sources) is compared


def test_small_cultures_are_named():
    rows = table1(["Dutch"] * 150 + ["German"] * 99, ["Dutch"] * 100 + ["German"] * 99)
    small = small_cultures(rows, 100)
    assert "German (99)" in small
    assert "Flemish (0)" in small
    assert not any(name.startswith(("Dutch", "All")) for name in small)
    assert "German (99)" in markdown(rows, 100)


def test_a_culture_is_no_markup():
    text = markdown(table1(["<script>a</script>", "x|y"], []), 100)
    assert "| &lt;script&gt;a&lt;/script&gt; | 1 | 0 |" in text
    assert "| x\\|y | 1 | 0 |" in text
    assert "<script" not in text


def test_the_files_hold_whole_numbers(tmp_path):
    write_table1(table1(["Dutch", "Korean"], ["Dutch"]), 100, tmp_path)
    written = pd.read_csv(tmp_path / "table1.csv").set_index("culture")
    assert written.loc["Dutch"].tolist() == [1, 1, 429, 412, -428, -411]
    assert "Korean,1,0,,,,\n" in (tmp_path / "table1.csv").read_text()
    assert "| **All** | **2** | **1** | **7318** | **6663** |" in (tmp_path / "table1.md").read_text()
