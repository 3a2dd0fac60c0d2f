import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

REPOSITORY = Path(__file__).parents[3]
sys.path.insert(0, str(REPOSITORY))

from benchmarks import accuracy  # noqa: E402
from benchmarks.accuracy import Outcome  # noqa: E402

CLASSES = ["Dutch", "French"]


@pytest.fixture
def outcome(tmp_path):
    """Make the outcome of a run that is right where `right` says so."""

    def make(name: str, right: list[bool], first: int = 0) -> Outcome:
        folder = tmp_path / name
        folder.mkdir()
        labels = np.arange(len(right)) % 2
        guesses = np.where(right, labels, 1 - labels)
        table = pd.DataFrame({"source": "", "object_id": np.arange(len(right)) + first, "split": "test"})
        table["culture"] = [CLASSES[label] for label in labels]
        for number, culture in enumerate(CLASSES):
            table[f"p_{culture}"] = np.where(guesses == number, 0.9, 0.1)
        table.loc[len(table)] = ["", 999, "val", "Dutch", 0.0, 1.0]
        table.to_csv(folder / "predictions.csv", index=False)
        facts = {"seconds": 12.34, "counts": {"train": 8, "val": 1, "test": len(right)}}
        (folder / "result.json").write_text(json.dumps(facts))
        return Outcome(folder)

    return make


def test_a_row_has_the_mean_of_its_seeds_on_the_test_paintings(outcome):
    row = accuracy.line("row", [outcome("a", [True] * 8 + [False] * 2), outcome("b", [True] * 10)])
    assert row.startswith("| row | **90.0** [")
    assert "(80.0, 100.0)" in row
    assert row.endswith("|  | 12.3 |")


def test_folds_are_one_outcome(outcome):
    pooled = Outcome.pooled([outcome("a", [True] * 4), outcome("b", [False] * 4, first=4)])
    assert (pooled.scores["n"], pooled.scores["top1"]) == (8, 0.5)


def test_rows_are_compared_on_the_same_paintings(outcome, monkeypatch):
    first, second = "probe: logistic", "probe: nearest mean"
    monkeypatch.setattr(accuracy, "DIFFERENCES", [(first, second), (first, "probe: nearest neighbours")])
    good, bad = [True] * 40, [True, False, False, True] * 10
    rows = {first: [outcome("a", good), outcome("b", good)], second: [outcome("c", bad), outcome("d", bad)]}
    (found,) = accuracy.differences(rows)
    assert found.startswith(f"| {first} | {second} | **+50.0** [+")
    assert found.endswith("| 2 |")
    written = accuracy.report({"paintings": rows}, "command")
    assert found in written
    assert "- plain PyTorch and timm: " in written.partition("## Not measured")[2]
