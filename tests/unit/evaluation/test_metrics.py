import math

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import multiclass_f1_score

from artculture.evaluation.intervals import score_interval, wilson
from artculture.evaluation.metrics import _counts, _macro_f1, classification_metrics
from artculture.models.metrics import MacroRecall

CLASSES = ("a", "b", "c", "d")
LABELS = np.array([0, 0, 1, 1, 2])
# the guesses are a b b a c; the second's truth is the least likely class
CHANCES = np.array(
    [
        [0.70, 0.15, 0.10, 0.05],
        [0.05, 0.50, 0.30, 0.15],
        [0.10, 0.60, 0.25, 0.05],
        [0.50, 0.30, 0.15, 0.05],
        [0.20, 0.10, 0.65, 0.05],
    ]
)


@pytest.fixture(scope="module")
def found():
    return classification_metrics(CHANCES, LABELS, CLASSES)


def test_accuracies_by_hand(found):
    assert found["n"] == 5
    assert found["top1"] == pytest.approx(3 / 5)
    assert found["top3"] == pytest.approx(4 / 5)


def test_confusion_by_hand(found):
    assert found["confusion"] == [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    assert found["support"] == {"a": 2, "b": 2, "c": 1, "d": 0}


def test_recall_by_hand_and_none_where_there_is_no_painting(found):
    assert found["recall"] == {"a": 0.5, "b": 0.5, "c": 1.0, "d": None}


def test_macro_f1_by_hand_over_the_classes_that_occur(found):
    assert found["macro_f1"] == pytest.approx((0.5 + 0.5 + 1) / 3)


def test_macro_recall_by_hand_over_the_classes_that_have_paintings(found):
    assert found["macro_recall"] == pytest.approx((0.5 + 0.5 + 1) / 3)
    # The fourth class has no painting, but is predicted: no recall of 0.
    logits, labels = torch.eye(4)[[0, 3, 1, 2]], torch.tensor([0, 0, 1, 2])
    metric = MacroRecall(4)
    metric.update(logits, labels)
    assert float(metric.compute()) == pytest.approx(2.5 / 3)
    by_numpy = classification_metrics(logits.double().numpy(), labels.numpy(), CLASSES)
    assert by_numpy["macro_recall"] == pytest.approx(2.5 / 3)


def test_loss_by_hand(found):
    assert found["loss"] == pytest.approx(-sum(map(math.log, (0.7, 0.05, 0.6, 0.3, 0.65))) / 5)


def test_intervals_hold_their_numbers(found):
    # Wilson of 3 in 5 and of 4 in 5
    assert found["intervals"]["top1"] == pytest.approx((0.2307, 0.8824), abs=5e-5)
    assert found["intervals"]["top3"] == pytest.approx((0.3755, 0.9638), abs=5e-5)
    for name in ("macro_f1", "macro_recall"):
        low, high = found["intervals"][name]
        assert low < found[name] < high


@pytest.mark.parametrize("seed", range(5))
def test_the_quick_macro_f1_is_torchmetrics(seed):
    rng = np.random.default_rng(seed)
    labels, guessed = rng.integers(0, 6, 40), rng.integers(0, 5, 40)
    reference = multiclass_f1_score(torch.tensor(guessed), torch.tensor(labels), 7, average="macro")
    assert _macro_f1(_counts(guessed, labels, 7)) == pytest.approx(float(reference))


def test_all_right():
    found = classification_metrics(np.eye(4), np.arange(4), CLASSES)
    assert (found["top1"], found["top3"], found["macro_f1"]) == (1, 1, 1)
    assert found["loss"] == pytest.approx(0)
    assert found["intervals"]["top1"][1] == 1
    # Four classes of one painting each, all right: macro-F1 is no surer than a share of four.
    assert found["intervals"]["macro_f1"] == pytest.approx(wilson(4, 4))


def test_macro_f1_of_rare_classes_is_less_sure_than_top_1():
    labels = np.repeat([0, 1, 2], [90, 5, 5])
    found = classification_metrics(np.where(np.eye(3)[labels] > 0, 0.6, 0.2), labels, ("a", "b", "c"))
    assert found["intervals"]["macro_f1"] == pytest.approx(score_interval(1, 9 / (1 / 90 + 2 / 5)))


def test_a_probability_of_zero_costs_much_but_not_infinitely():
    found = classification_metrics(np.array([[0.0, 1.0], [0.0, 1.0]]), np.array([0, 1]), ("a", "b"))
    assert found["top1"] == 0.5
    assert 10 < found["loss"] < 1000


def test_two_classes_have_a_top_3_too():
    assert classification_metrics(np.array([[0.4, 0.6]]), np.array([0]), ("a", "b"))["top3"] == 1


def test_the_numbers_are_plain():
    import json

    assert json.loads(json.dumps(classification_metrics(CHANCES, LABELS, CLASSES), allow_nan=False))["n"] == 5
