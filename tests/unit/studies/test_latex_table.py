import re

import pandas as pd
import pytest

from artculture import cli
from artculture.studies.latex_table import HEADERS, latex, latex_text
from tests.unit.studies.test_table import row

TESTED = {
    "standing": "worse", "p_holm": 0.0123, "compared_seeds": 1, "comparison_remark": "",
    **{f"{name}_difference{end}": value for name in ("top1", "macro_recall")
       for end, value in (("", -0.023), ("_low", -0.041), ("_high", 0.005))},
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a_b & 5 % of $x$ #1 {y}", r"a\_b \& 5 \% of \$x\$ \#1 \{y\}"),
        ("\\input{x}", r"\textbackslash{}input\{x\}"),
        ("[0, 1] --- ~^", r"{[}0, 1{]} -{}-{}- \textasciitilde{}\textasciicircum{}"),
        ("two\nlines\x1b", r"two lines\textbackslash{}x1b"),
    ],
)
def test_text_is_typeset_as_it_is(text, escaped):
    assert latex_text(text) == escaped


def test_rows_have_all_cells_intervals_and_marks():
    lost = {"standing": "not compared", "comparison_remark": "no test paintings in common"}
    rows = [row(standing="best", seeds=3), row(**TESTED, variant="head_lr=0.1"), row(**lost, architecture="a_b")]
    text = latex("my_study", pd.DataFrame(rows), {"x_y": "failed"})
    body = text.split(r"\midrule")[1].split(r"\bottomrule")[0].strip().splitlines()
    assert [len(re.split(r"(?<!\\)&", line)) for line in body] == [len(HEADERS)] * 3
    assert all(line.endswith(r" \\") for line in body)
    assert body[0].startswith(
        r"\textbf{ResNet50} & ReduceOnPlateau & Fine-tuned \textperiodcentered{} 3 seeds & 70.12 {[66.0, 74.0]}"
    )
    assert r"head\_lr=0.1" in body[1]
    assert r"{$-$2.30 [$-$4.1, $+$0.5]} & $0.012$ &" in body[1]
    assert r"\textbf" not in body[1] + body[2]
    assert body[2].endswith(r"n/c &  &  \\")
    assert r"Not in the table: x\_y (failed)." in text
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")


def test_a_study_without_results_is_a_table_without_rows():
    assert "Not in the table: vgg (failed)." in latex("s", pd.DataFrame(), {"vgg": "failed"})


@pytest.mark.parametrize("form", ["table", "markdown", "latex", "csv"])
def test_compare_writes_each_format(whole_study, monkeypatch, tmp_path, capsys, form):
    monkeypatch.chdir(tmp_path)
    given = ["compare", f"study.name={whole_study.name}", f"study.root={whole_study.parent}", f"format={form}"]
    assert cli.main([*given, "output=out/table.txt"]) == 0
    assert capsys.readouterr().out == ""
    written = (tmp_path / "out/table.txt").read_text()
    assert "ResNet50" in written or "resnet50" in written
    assert cli.main([*given, "output=out/table.txt"]) == 2
    assert "overwrite=true" in capsys.readouterr().err
    assert cli.main(given) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(written) if form == "table" else shown == written
