"""How far confidence can be trusted: the calibration error, and the temperature that lowers it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from artculture.evaluation.metrics import SMALLEST_PROBABILITY

BINS = 15
# Of fewer validation paintings a temperature learns the chance of the draw, and makes confidence worse.
FEWEST = 50
# Logarithms of the coldest and the hottest temperature looked at; real networks lie between 0.5 and 5.
LOG_BOUNDS = (-5.0, 5.0)


def fit_temperature(logits: NDArray[np.floating], labels: NDArray[np.int64]) -> float:
    """The temperature T whose softmax(logits / T) gives the labels the highest likelihood.

    Temperature scaling of Guo, Pleiss, Sun & Weinberger, "On Calibration of Modern Neural Networks" (ICML 2017):
    one number, fitted on paintings that were not trained on; it changes confidence, never the predicted culture.

    Args:
        logits: float N x classes; each row up to a constant, so log-probabilities do as well.
        labels: true class index, int64 N.

    Returns:
        1.0 where no temperature is best: nothing to fit on, every painting right (the colder the better), or
        logits that say no more than chance (the hotter the better).
    """
    scores = np.asarray(logits, dtype=np.float64)
    own = scores[np.arange(len(labels)), labels]
    # The loss is convex in 1/T: its slope at both ends says whether the best T is finite.
    if len(labels) == 0 or np.all(own == scores.max(axis=1)) or own.mean() <= scores.mean():
        return 1.0
    from scipy.optimize import minimize_scalar  # slow to load, and a training asks for it at its end only

    def loss(log_temperature: float) -> float:
        scaled = scores / np.exp(log_temperature)
        return float((logsumexp(scaled, axis=1) - own / np.exp(log_temperature)).mean())

    found = minimize_scalar(loss, bounds=LOG_BOUNDS, method="bounded", options={"xatol": 1e-8})
    return float(np.exp(found.x))


def softmax(logits: NDArray[np.floating], temperature: float = 1.0) -> NDArray[np.float64]:
    """Probabilities N x classes of logits N x classes, calibrated where the temperature is the checkpoint's."""
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    shares: NDArray[np.float64] = np.exp(scaled - logsumexp(scaled, axis=1, keepdims=True))
    return shares


def logits_of(probabilities: NDArray[np.floating], temperature: float = 1.0) -> NDArray[np.float64]:
    """Logits, up to a constant a row, whose `softmax` at this temperature gives these probabilities N x classes."""
    logs: NDArray[np.float64] = np.log(np.maximum(probabilities, SMALLEST_PROBABILITY, dtype=np.float64))
    return logs * temperature


def calibration_error(probabilities: NDArray[np.floating], labels: NDArray[np.int64], bins: int = BINS) -> float | None:
    """The expected calibration error (see `ece`) of predictions.

    Args:
        probabilities: N x classes.
        labels: true class index, int64 N.
        bins: how many.

    Returns:
        None where there is no painting.
    """
    if len(labels) == 0:
        return None
    confidences = np.asarray(probabilities, dtype=np.float64).max(axis=1)
    return ece(confidences, probabilities.argmax(axis=1) == labels, bins)


def ece(confidences: NDArray[np.float64], right: NDArray[np.bool_], bins: int = BINS) -> float:
    """The expected calibration error (ECE): how far confidence and accuracy lie apart, 0..1.

    Paintings are binned by the probability of their predicted culture, in bins of equal width; the bins' gaps between
    mean confidence and accuracy are averaged, weighted by their paintings.
    """
    gaps = np.bincount(bins_of(confidences, bins), weights=right - confidences, minlength=bins)
    return float(np.abs(gaps).sum() / len(confidences))


def bins_of(confidences: NDArray[np.float64], bins: int = BINS) -> NDArray[np.int64]:
    """The bin of each confidence, counted from 0: (0, 1/15] to (14/15, 1], as in Guo et al. 2017."""
    return np.clip(np.ceil(confidences * bins).astype(np.int64) - 1, 0, bins - 1)


def calibration_part(
    logits: NDArray[np.floating], labels: NDArray[np.int64], split: NDArray[np.str_]
) -> dict[str, Any]:
    """A result's calibration: `temperature` from the validation split, the test split's ECE without and with it.

    With fewer than `FEWEST` validation paintings the temperature stays 1: probabilities are the network's own.

    Args:
        logits: N x classes.
        labels: true class index, int64 N.
        split: of each painting, N; without test paintings there is no ECE.
    """
    val, test = split == "val", split == "test"
    temperature = fit_temperature(logits[val], labels[val]) if val.sum() >= FEWEST else 1.0
    if not test.any():  # left alone (trainer.evaluate_test=false)
        return {"temperature": temperature}
    return {
        "temperature": temperature,
        "test_ece": calibration_error(softmax(logits[test]), labels[test]),
        "test_ece_calibrated": calibration_error(softmax(logits[test], temperature), labels[test]),
    }
