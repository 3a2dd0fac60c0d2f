import math

import numpy as np
import pandas as pd
import pytest
import scipy
import torch
from scipy.special import log_softmax
from torchmetrics.functional.classification import multiclass_calibration_error

from artculture.evaluation.calibration import (
    calibration_error,
    calibration_results,
    fit_temperature,
    logits_from_probabilities,
    softmax,
)
from artculture.models.checkpoint import load_classifier, read_checkpoint


@pytest.fixture
def drawn() -> tuple[np.ndarray, np.ndarray]:
    """Logits of 300 paintings and labels drawn from their probabilities at a temperature of 2.5."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, (300, 4))
    labels = np.array([rng.choice(4, p=row) for row in softmax(logits, 2.5)])
    return logits, labels


def pair(gap: float, right: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    return np.tile([gap, 0.0], (n, 1)), np.array([0] * right + [1] * (n - right), dtype=np.int64)


@pytest.mark.parametrize("gap", [0.2, 2.0, 30.0])
def test_three_of_four_right_want_three_quarters_of_confidence(gap):
    # sigmoid(gap / T) = 3/4 where T = gap / ln 3
    assert fit_temperature(*pair(gap, 3, 4)) == pytest.approx(gap / math.log(3), rel=1e-5)


@pytest.mark.parametrize(("right", "n"), [(4, 4), (2, 4), (1, 4), (0, 0)])
def test_no_finite_temperature_is_one(right, n):
    assert fit_temperature(*pair(2.0, right, n)) == 1.0


def test_the_temperature_is_found_that_labels_were_drawn_at(drawn):
    assert fit_temperature(*drawn) == pytest.approx(2.5, rel=0.15)


def test_log_probabilities_do_as_logits(drawn):
    logits, labels = drawn
    assert fit_temperature(log_softmax(logits), labels) == pytest.approx(fit_temperature(logits, labels))


def test_no_temperature_near_the_found_one_is_better(drawn):
    logits, labels = drawn
    found = fit_temperature(logits, labels)

    def loss(temperature: float) -> float:
        return -log_softmax(logits / temperature, axis=1)[np.arange(300), labels].mean()

    assert loss(found) < min(loss(found * 1.001), loss(found / 1.001), loss(1.0))


def test_calibrating_is_dividing_the_logits(drawn):
    logits, _ = drawn
    assert softmax(logits, 2.5) == pytest.approx(scipy.special.softmax(logits / 2.5, axis=1))
    assert softmax(logits_from_probabilities(softmax(logits, 2.5), 2.5)) == pytest.approx(softmax(logits))
    assert np.isfinite(logits_from_probabilities(np.array([[1.0, 0.0, 0.0]]), 2.0)).all()


def test_calibration_error_by_hand():
    # (13/15, 14/15]: two of .9, one right, gap .4; (8/15, 9/15]: two of .6, both right, gap .4; 1.0 alone, right.
    chances = np.array([[0.9, 0.1], [0.1, 0.9], [0.6, 0.4], [0.4, 0.6], [1.0, 0.0]])
    assert calibration_error(chances, np.array([0, 0, 0, 1, 0])) == pytest.approx((2 * 0.4 + 2 * 0.4) / 5)


def test_calibration_error_as_torchmetrics_counts_it(drawn):
    logits, labels = drawn
    chances = softmax(logits)
    theirs = multiclass_calibration_error(torch.tensor(chances), torch.tensor(labels), 4, n_bins=15)
    assert calibration_error(chances, labels) == pytest.approx(float(theirs), abs=1e-6)


def test_no_paintings_have_no_calibration_error():
    assert calibration_error(np.zeros((0, 3)), np.zeros(0, dtype=np.int64)) is None


def test_a_result_s_part_fits_on_validation_alone(drawn):
    logits, labels = drawn
    part = calibration_results(logits, labels, np.array(["val"] * 200 + ["test"] * 100))
    assert part["temperature"] == pytest.approx(fit_temperature(logits[:200], labels[:200]))
    assert part["test_ece"] == calibration_error(softmax(logits[200:]), labels[200:])
    assert part["test_ece_calibrated"] < part["test_ece"]


@pytest.mark.parametrize(("paintings", "fitted"), [(49, False), (50, True)])
def test_few_paintings_set_no_temperature(drawn, paintings, fitted):
    logits, labels = (part[:paintings] for part in drawn)
    assert (calibration_results(logits, labels, np.full(paintings, "val"))["temperature"] != 1.0) == fitted


def test_a_run_ends_with_its_temperature(run, read_json):
    result, best, predictions = read_json(run.result), run.best, pd.read_csv(run.predictions)
    assert result["temperature"] != 1.0
    assert read_checkpoint(best)["artculture"]["temperature"] == result["temperature"]
    assert load_classifier(best).temperature == result["temperature"]
    assert {"test_ece", "test_ece_calibrated"} <= set(result)
    # The stored probabilities are calibrated: no other temperature makes them better.
    val = predictions[predictions["split"] == "val"]
    labels = np.array([("blue", "green", "red").index(culture) for culture in val["culture"]])
    logits = logits_from_probabilities(val[["p_blue", "p_green", "p_red"]].to_numpy())
    assert fit_temperature(logits, labels) == pytest.approx(1.0, rel=1e-3)
