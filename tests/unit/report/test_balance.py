import pandas as pd
import pytest

from artculture.report.balance import balance_comparisons
from artculture.report.study_data import StudyRecord, StudyRun
from artculture.training.run_directory import RunDirectory

COUNTS = {"Dutch": 40, "French": 20, "Japanese": 3}


@pytest.fixture
def study(tmp_path):
    """Return a study of finished runs, each given as (balance, variant, recall of each class)."""

    def of(*kinds):
        runs = []
        for number, (balance, variant, recalls) in enumerate(kinds):
            per = {name: {"recall": value, "test_paintings": 2} for name, value in recalls.items()}
            result = {"architecture": "resnet50", "scheduler": "step", "method": "finetuned", "variant": variant}
            result |= {"class_counts": COUNTS, "per_culture": per}
            directory = RunDirectory(tmp_path / str(number))
            config = {"balance": {"name": balance}}
            runs.append(StudyRun(directory, {"state": "finished"}, config, result, pd.DataFrame()))
        return StudyRecord(tmp_path, pd.DataFrame(), {}, runs)

    return of


def recalls(dutch, french, japanese):
    return {"Dutch": dutch, "French": french, "Japanese": japanese}


def test_recalls_are_means_over_seeds_most_training_paintings_first(study):
    (found,) = balance_comparisons(
        study(
            ("none", "", recalls(0.8, 0.6, 0.0)),
            ("none", "", recalls(1.0, 0.8, 0.2)),
            ("focal", "focal balance.gamma=1", recalls(0.7, 0.7, 0.4)),
        )
    )
    assert (found.title, found.balance) == ("ResNet50, fine-tuned, StepLR", "focal loss")
    assert found.table["culture"].tolist() == ["Dutch", "French", "Japanese"]
    assert found.table["training"].tolist() == [40, 20, 3]
    assert found.table["without"].tolist() == pytest.approx([90, 70, 10])
    assert found.table["with"].tolist() == pytest.approx([70, 70, 40])
    assert "macro recall is 60.0 %, without 56.7 %" in found.sentence


def test_only_rows_that_differ_in_their_balance_alone_are_compared(study):
    one = recalls(1.0, 1.0, 1.0)
    assert balance_comparisons(study(("none", "adamw", one), ("focal", "sgd focal", one))) == []
    assert balance_comparisons(study(("focal", "focal", one))) == []


def test_classes_without_a_recall_are_left_out(study):
    found = balance_comparisons(
        study(("none", "", {"Dutch": None, "French": 0.5}), ("class_weights", "class_weights", recalls(1.0, 1.0, 1.0)))
    )
    assert [one.table["culture"].tolist() for one in found] == [["French"]]


def test_nothing_is_compared_where_no_class_has_a_recall_in_both(study):
    assert balance_comparisons(study(("none", "", {"Dutch": 0.5}), ("focal", "focal", {"French": 0.5}))) == []
