import numpy as np
import pytest

from artculture.analysis.performance.reliability import bin_table, ece_by_chance, reliability_finding
from artculture.evaluation.calibration import expected_calibration_error
from tests.unit.analysis.synthetic import make_embeddings


def test_ece_by_hand():
    # Two bins of two: |0.5 - 0.9| and |1 - 0.6|, each half of the paintings.
    confidences, right = np.array([0.88, 0.92, 0.58, 0.62]), np.array([True, False, True, True])
    assert expected_calibration_error(confidences, right, bins=5) == pytest.approx(0.4)


def test_bins_are_closed_above():
    table = bin_table(np.array([0.2, 0.21, 1.0]), np.array([True, True, False]), bins=5)
    assert table["from"].tolist() == pytest.approx([0, 0.2, 0.8])
    assert table["paintings"].tolist() == [1, 1, 1]


def test_true_probabilities_stay_within_what_chance_shows():
    confidences = np.random.default_rng(0).uniform(0.3, 1, 300)
    mean, most = ece_by_chance(confidences, seed=1)
    errors = [
        expected_calibration_error(confidences, np.random.default_rng(seed).random(300) < confidences)
        for seed in range(200)
    ]
    assert np.mean(errors) == pytest.approx(mean, abs=0.004)
    assert np.mean(np.array(errors) <= most) == pytest.approx(0.95, abs=0.05)


def test_the_temperature_changes_probabilities_and_no_answer():
    embeddings = make_embeddings(noise=3, temperature=4.0)
    numbers = reliability_finding(embeddings).numbers
    rows = embeddings.members("test")
    assert numbers["before"]["mean_confidence"] > numbers["after"]["mean_confidence"]
    assert numbers["accuracy"] == (embeddings.logits[rows].argmax(axis=1) == embeddings.labels[rows]).mean()


@pytest.mark.parametrize(
    ("right", "says"),
    [(3, "is overconfident on average"), (6, "about as confident as accurate"), (10, "is underconfident")],
)
def test_over_and_underconfidence_are_stated_only_outside_the_interval_of_accuracy(right, says):
    embeddings = make_embeddings(("Dutch", "Indian"), [10, 1], split=["test"] * 10 + ["train"])
    # sigmoid(0.9) = 71 % sure of the first culture for the first `right` paintings, of the second for the others
    embeddings.logits[:10] = np.where(np.arange(10)[:, None] < right, [0.9, 0.0], [0.0, 0.9])
    assert says in reliability_finding(embeddings).caption


def test_an_empty_test_split_leaves_it_out():
    assert reliability_finding(make_embeddings(split=["train"] * 132)).figure is None
