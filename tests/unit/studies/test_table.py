import io

import pandas as pd
import pytest
from rich.console import Console

from artculture.studies.table import HEADERS, cells, markdown, notes, print_table


def row(**changes):
    usual = {
        "architecture": "resnet50", "scheduler": "plateau", "method": "finetuned", "variant": "", "seeds": 1,
        "weights": "ImageNet (IMAGENET1K_V1)", "imagenet": True, "synthetic": False, "data": "met",
        "validation": 0.70123, "validation_low": 0.66, "validation_high": 0.74,
        "top1": 0.72, "top1_low": 0.68, "top1_high": 0.76, "top3": 0.9, "top3_low": 0.87, "top3_high": 0.93,
        "macro_recall": 0.45, "macro_recall_low": 0.4, "macro_recall_high": 0.5,
        "paper_validation": 69.28, "paper_top1": 71.79, "paper_top3": 91.84,
        "chance": 1 / 11, "majority": 0.2, "test_paintings": 660,
        "standing": "", "comparison_remark": "",
    }  # fmt: skip
    return {**usual, **changes}


def table(*rows):
    return pd.DataFrame(list(rows))


NO_PAPER = {"paper_validation": None, "paper_top1": None, "paper_top3": None}


def test_a_row_in_the_paper_s_words_and_columns():
    assert dict(zip(HEADERS, cells(row()), strict=True)) == {
        "Architecture": "ResNet50",
        "Scheduler": "ReduceOnPlateau",
        "Method": "Fine-tuned",
        "Validation Accuracy": "70.12 [66.0, 74.0] (paper 69.28)",
        "Top-1 Accuracy": "72.00 [68.0, 76.0] (paper 71.79)",
        "Top-3 Accuracy": "90.00 [87.0, 93.0] (paper 91.84)",
        "Macro Recall": "45.00 [40.0, 50.0]",
        "Difference from Best": "",
        "Weights": "ImageNet (IMAGENET1K_V1)",
    }


@pytest.mark.parametrize("nothing", [None, float("nan")])
def test_a_row_that_the_paper_lacks(nothing):
    shown = cells(row(**dict.fromkeys(NO_PAPER, nothing), architecture="test_vit", scheduler="cosine"))
    assert shown[:2] == ["test_vit", "Cosine"]
    assert shown[4] == "72.00 [68.0, 76.0]"


def test_variant_and_seeds_are_in_the_method():
    assert cells(row(variant="head_lr=0.1", seeds=3))[2] == "Fine-tuned · head_lr=0.1 · 3 seeds"


def said(*rows, others=None):
    return "\n".join(notes(table(*rows), others or {}))


def test_levels_to_beat_are_shown_for_each_data():
    text = said(row(), row(data="paintings", chance=0.5, majority=0.61, test_paintings=93))
    assert "on met (660 test paintings): chance 9.1, always the most frequent culture 20.0" in text
    assert "on paintings (93 test paintings): chance 50.0, always the most frequent culture 61.0" in text


def test_synthetic_data_is_called_so():
    assert "Synthetic data" in said(row(synthetic=True))
    assert "Synthetic" not in said(row())


def test_other_weights_are_called_so():
    text = said(row(weights="random", imagenet=False))
    assert "Not known to start from ImageNet-1k alone**: ResNet50: random" in text


@pytest.mark.parametrize("changes", [{}, {"method": "scratch", "weights": "random", "imagenet": False}])
def test_scratch_is_not_expected_to_have_weights(changes):
    assert "Not known to start from ImageNet" not in said(row(**changes))


@pytest.mark.parametrize(("seeds", "assumed"), [(1, True), (2, True), (3, False)])
def test_intervals_are_explained(seeds, assumed):
    text = said(row(seeds=seeds))
    assert "another seed and other paintings of the same kind" in text
    assert ("is an assumption" in text) == assumed


def test_runs_without_a_result_are_listed():
    assert "Not in the table: vgg (failed)." in said(row(), others={"vgg": "failed"})


def test_markdown_is_one_table_and_notes():
    lines = markdown("table2", table(row(), row(architecture="alexnet", **NO_PAPER)), {"x": "failed"}).splitlines()
    assert lines[0] == "# Results of table2"
    rows = [line for line in lines if line.startswith("|")]
    assert len(rows) == 4
    assert {line.count("|") for line in rows} == {len(HEADERS) + 1}
    assert rows[3].startswith("| AlexNet | ReduceOnPlateau | Fine-tuned |")
    assert lines[-1] == "- Not in the table: x (failed)."


def printed(*rows, others=None):
    file = io.StringIO()
    print_table(Console(file=file, width=160), "table2", table(*rows), others or {})
    return file.getvalue()


def test_the_terminal_shows_the_same_numbers():
    text = printed(row(), row(architecture="alexnet", weights="file w[1].pth (7 of 9)"))
    for part in (*HEADERS, "72.00", "[68.0, 76.0]", "(paper 71.79)", "AlexNet", "file w[1].pth", "Baselines"):
        assert part in text


def test_the_terminal_without_any_result():
    text = printed(others={"vgg": "failed"})
    assert "vgg (failed)" in text
    assert "Top-1" not in text
