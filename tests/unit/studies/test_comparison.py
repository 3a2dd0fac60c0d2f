import numpy as np
import pandas as pd
import pytest

from artculture.evaluation.paired_tests import mcnemar
from artculture.studies.comparison import compare_with_best
from artculture.studies.predictions import read_predictions
from artculture.training.run_directory import RunDirectory

PAINTINGS = 60


@pytest.fixture
def run(tmp_path):
    """Return a function that writes a run's predictions: correct for the first paintings, numbered from `first`."""

    def write(name, correct, seed=0, first=0, count=PAINTINGS):
        directory = RunDirectory(tmp_path / name)
        directory.make()
        right = np.arange(count) < correct
        ids = [f"{number:03d}" for number in range(first, first + count)]
        table = pd.DataFrame({"source": "met", "object_id": ids, "split": "test", "culture": ["a", "b"] * (count // 2)})
        own = table["culture"] == "a"
        table["p_a"], table["p_b"] = (right == own) * 1.0, (right != own) * 1.0
        pd.concat([table, table.assign(object_id="v" + table["object_id"], split="val")]).to_csv(
            directory.predictions, index=False
        )
        return {"seed": seed, "folder": directory.path}

    return write


def compared(*rows, data=None):
    """Return the comparison of rows, each a list of runs; the first is the best by validation."""
    summary = pd.DataFrame({"data": data or ["met"] * len(rows), "validation": np.linspace(0.9, 0.5, len(rows))})
    table = compare_with_best(summary, [pd.DataFrame(runs) for runs in rows], read_predictions)
    return table.to_dict("records")


def test_each_row_is_tested_against_the_best(run):
    found = compared([run("a", 50)], [run("b", 48)], [run("c", 30)], [run("d", 60)])
    assert [row["standing"] for row in found] == ["best", "not worse", "worse", "better"]
    assert [row["top1_difference"] for row in found[1:]] == pytest.approx([-2 / 60, -20 / 60, 10 / 60])
    p = [mcnemar([True] * n, [False] * n) for n in (2, 20, 10)]
    assert [row["p"] for row in found[1:]] == pytest.approx(p)
    # Holm: the smallest times 3, the next times 2.
    assert [row["p_holm"] for row in found[1:]] == pytest.approx([p[0], 3 * p[1], 2 * p[2]])
    assert all(row["top1_difference_low"] < row["top1_difference"] < row["top1_difference_high"] for row in found[1:])
    assert found[1]["macro_recall_difference"] == pytest.approx(-2 / 60)
    assert {row["comparison_remark"] for row in found[1:]} == {""}


def test_seeds_are_paired_though_each_has_its_own_split(run):
    best = [run(f"a{seed}", 40 + 5 * seed, seed, first=100 * seed) for seed in range(3)]
    found = compared(best, [run(f"b{seed}", 38 + 5 * seed, seed, first=100 * seed) for seed in range(2)])[1]
    assert found["top1_difference"] == pytest.approx(-2 / 60)
    assert (found["compared_seeds"], found["compared_paintings"]) == (2, 120)
    assert found["comparison_remark"] == "on 2 of 3 seeds"


@pytest.mark.parametrize(
    ("first", "standing", "remark"),
    [
        (0, "not worse", ""),
        (30, "not worse", "on the 30 of 60 test paintings in common"),
        (50, "not compared", "10 test paintings in common, at least 20 needed"),
        (100, "not compared", "no test paintings in common, at least 20 needed"),
    ],
)
def test_other_splits_are_compared_on_their_common_paintings_or_not_at_all(run, first, standing, remark):
    found = compared([run("a", 60)], [run("b", 60, seed=1, first=first)])[1]
    assert (found["standing"], found["comparison_remark"]) == (standing, remark)


def test_few_test_paintings_are_compared_if_they_are_the_same(run):
    assert compared([run("a", 6, count=6)], [run("b", 0, count=6)])[1]["p"] == pytest.approx(2 / 64)


def test_a_run_without_predictions_is_not_compared(run):
    second = run("b", 50)
    (second["folder"] / "predictions.csv").unlink()
    found = compared([run("a", 50)], [second])[1]
    assert (found["standing"], found["comparison_remark"]) == ("not compared", "b has no predictions.csv")


def test_each_data_set_has_its_own_best(run):
    rows = [[run(name, 50)] for name in "abc"]
    assert [row["standing"] for row in compared(*rows, data=["met", "own", "met"])] == ["best", "", "not worse"]
