import numpy as np
import pytest

from artculture.evaluation.calibration import softmax
from artculture.evaluation.ensembling import greedy_selection, greedy_soup, mean_logits, scorer

LABELS = np.array([0, 0, 1, 1, 2, 2])


def certain(*guesses, confidence=0.8):
    """Probabilities of three classes, most of it on the guessed ones."""
    probabilities = np.full((len(guesses), 3), (1 - confidence) / 2)
    probabilities[np.arange(len(guesses)), guesses] = confidence
    return probabilities


def test_the_softmax_of_the_logits_is_the_weighted_mean():
    one, other = certain(0, 1, 2), certain(1, 1, 0)
    assert softmax(mean_logits([one, other], [3, 1])) == pytest.approx(0.75 * one + 0.25 * other, abs=1e-12)


@pytest.mark.parametrize(("metric", "value"), [("top1", 4 / 6), ("macro_recall", 4 / 6), ("loss", None)])
def test_scores_are_better_when_larger(metric, value):
    good, bad = certain(0, 0, 1, 1, 0, 0), certain(1, 1, 0, 0, 0, 0)
    score = scorer(metric)
    assert score(good, LABELS) > score(bad, LABELS)
    assert value is None or score(good, LABELS)[0] == pytest.approx(value)


def test_macro_recall_counts_each_class_the_same():
    labels = np.array([0, 0, 0, 1])
    assert scorer("macro_recall")(certain(0, 0, 0, 0), labels)[0] == 0.5


def test_greedy_selection_takes_what_complements_and_leaves_out_what_harms():
    # Each is right where another is unsure; the last is always wrong.
    first, second = certain(0, 0, 1, 1, 0, 0), certain(0, 0, 0, 0, 2, 2, confidence=0.9)
    wrong = certain(1, 1, 2, 2, 0, 0)
    counts = greedy_selection([first, second, wrong], LABELS, scorer("loss"), 20)
    assert counts[0]
    assert counts[1]
    assert not counts[2]
    mean = np.average([first, second, wrong], axis=0, weights=counts)
    best_single = max(scorer("loss")(one, LABELS) for one in (first, second, wrong))
    assert scorer("loss")(mean, LABELS) > best_single


def test_greedy_selection_keeps_the_smallest_of_equal_means():
    assert greedy_selection([certain(*LABELS), certain(*LABELS)], LABELS, scorer("top1"), 10) == [1, 0]


def test_a_soup_keeps_what_does_not_harm():
    values = {(2,): 0.5, (2, 0): 0.4, (2, 1): 0.5}
    assert greedy_soup(lambda chosen: (values[tuple(chosen)], 0.0), [2, 0, 1]) == [2, 1]
