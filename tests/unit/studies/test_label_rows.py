import pandas as pd
import pytest

from artculture.studies.label_rows import label_columns, label_rows, labels_in, share_columns
from artculture.studies.table import _label_lines, markdown
from artculture.training.run_directory import RunDirectory, label_file


def numbers(top1, n, **more):
    low, high = max(0.0, top1 - 0.1), min(1.0, top1 + 0.1)
    scores = {"test_top1": top1, "test_macro_recall": top1 / 2, "counts": {"test": n}, "classes": ["a", "b"]}
    half = [max(0.0, top1 / 2 - 0.2), min(1.0, top1 / 2 + 0.2)]
    return {**scores, "intervals": {"test_top1": [low, high], "test_macro_recall": half}, **more}


RESULT = {**numbers(0.8, 40), "label": "culture", "labels": {"a century": numbers(0.6, 12, test_mae=0.5)}}


@pytest.fixture
def summary(tmp_path):
    names = {"architecture": "resnet50", "scheduler": "plateau", "method": "transfer", "variant": "labels=x"}
    return pd.DataFrame([{**names, **label_columns([labels_in(RESULT)], [tmp_path])}])


def test_each_label_has_columns_in_the_summary_and_a_row(summary):
    first, second = label_rows(summary)
    assert (first.label, first.top1[0], first.mae, first.test_paintings) == ("culture", 0.8, None, 40)
    assert second.cells[3:6] == ["a century", "2", "12"]
    assert second.cells[6].startswith("60.00 [")
    assert second.cells[8] == "0.50"
    assert second.top1[1][0] < 0.6 < second.top1[1][1]
    assert set(share_columns(summary)) == {
        f"label_{name}_{score}{end}"
        for name in ("culture", "a century")
        for score in ("top1", "macro_recall")
        for end in ("", "_low", "_high")
    }


def test_a_run_of_one_label_has_none(tmp_path):
    assert labels_in(numbers(0.8, 40)) == {}
    assert label_columns([{}], [tmp_path]) == {}
    assert label_rows(pd.DataFrame([{"top1": 0.5}])) == []


def test_the_seeds_of_a_row_are_averaged_with_their_shared_paintings(tmp_path):
    table = pd.DataFrame({"source": "", "object_id": [str(n) for n in range(40)], "split": "test"})
    table = table.assign(p_a=[0.9 - n / 40 for n in range(40)], p_b=0.5, culture=["a", "b"] * 20)
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
        table.to_csv(RunDirectory(folder).predictions, index=False)
        further = folder / label_file("predictions.csv", "a century")
        table.rename(columns={"culture": "label"}).to_csv(further, index=False)
    other = {**numbers(0.7, 40), "label": "culture", "labels": {"a century": numbers(0.7, 12, test_mae=0.7)}}
    row = label_columns([labels_in(RESULT), labels_in(other)], folders)
    assert row["label_culture_top1"] == pytest.approx(0.75)
    assert row["label_a century_mae"] == pytest.approx(0.6)
    assert row["label_a century_top1_low"] < 0.65 < row["label_a century_top1_high"]


def test_labels_are_in_the_markdown_table(summary):
    shown = markdown("study", pd.DataFrame(), {})
    assert "## Labels" not in shown
    lines = _label_lines(label_rows(summary))
    assert lines[1] == "## Labels"
    assert "| a century | 2 | 12 | 60.00 [" in lines[-3]
