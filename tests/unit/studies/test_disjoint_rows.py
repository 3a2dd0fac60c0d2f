import io

import pytest
from rich.console import Console

from artculture.studies.disjoint_rows import disjoint_rows
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
    for text in (markdown("s", summary, {}), out.getvalue()):
        assert "Without a shared artist" in text
        assert "-12.00" in text
    assert disjoint_rows(summary.iloc[[0, 2, 3]]) == []
    assert disjoint_rows(summary.iloc[:0]) == []
