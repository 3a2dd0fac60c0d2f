import io

import pytest
from rich.console import Console

from artculture.studies.disjoint_rows import DIFFERENCE_COLUMNS, disjoint_rows
from artculture.studies.latex_table import latex
from artculture.studies.results import in_percent
from artculture.studies.table import markdown, print_table
from tests.unit.studies.test_table import row, table


def test_rows_are_paired_by_everything_but_the_column():
    summary = table(
        row(variant="head_lr=0.1", top1=0.56, top1_low=0.486, top1_high=0.631),
        row(variant="disjoint=artist head_lr=0.1", top1=0.44, top1_low=0.36, top1_high=0.52),
        row(variant="disjoint=artist"),
        row(variant="head_lr=0.1", architecture="alexnet"),
    )
    (pair,) = disjoint_rows(summary)
    assert pair.names == ("ResNet50", "ReduceOnPlateau", "Fine-tuned · head_lr=0.1")
    value, interval = pair.difference
    assert value == pytest.approx(-0.12)
    # -0.12 - hypot(0.08, 0.071), -0.12 + hypot(0.08, 0.074)
    assert interval == pytest.approx((-0.22696, -0.01102), abs=1e-5)
    out = io.StringIO()
    print_table(Console(file=out, width=200), "s", summary, {})
    written = latex("s", summary, {})
    assert r"& {56.00 [48.6, 63.1]} & {44.00 [36.0, 52.0]} & {$-$12.00 [$-$22.7, $-$1.1]} \\" in written
    assert written.count(r"\begin{table*}") == 2
    in_csv = in_percent(summary)[DIFFERENCE_COLUMNS]
    assert in_csv.iloc[1].tolist() == [56.0, -12.0, -22.7, -1.1]
    assert in_csv.drop(index=1).isna().all(axis=None)
    assert not set(DIFFERENCE_COLUMNS) & set(in_percent(summary.iloc[[0, 2, 3]]))
    for text in (markdown("s", summary, {}), out.getvalue()):
        assert "Without a shared artist" in text
        assert "-12.00" in text
    assert disjoint_rows(summary.iloc[[0, 2, 3]]) == []
    assert disjoint_rows(summary.iloc[:0]) == []
