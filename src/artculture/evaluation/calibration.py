"""Expected calibration error, and temperature scaling that reduces it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from artculture.evaluation.metrics import SMALLEST_PROBABILITY

BINS = 15
# A temperature fitted on fewer validation images overfits them and makes calibration worse on the test split.
MIN_VALIDATION_IMAGES = 50
# Search range of log(T), so T is 0.007 to 148; trained networks need about 0.5 to 5.
LOG_BOUNDS = (-5.0, 5.0)


def fit_temperature(logits: NDArray[np.floating], labels: NDArray[np.int64]) -> float:
    """Return the temperature T that maximises the likelihood of the labels under softmax(logits / T).

    Temperature scaling of Guo, Pleiss, Sun & Weinberger, "On Calibration of Modern Neural Networks" (ICML 2017):
    one scalar, fitted on held-out images; it changes the confidence but never the predicted class.

    Args:
        logits: float, N x classes; a constant per image does not matter, so log-probabilities are accepted too.
        labels: true class indices, int64, N.

    Returns:
        The temperature, or 1.0 where the likelihood has no finite optimum: no images, every prediction correct
        (T -> 0), or logits that are no better than chance (T -> infinity).
    """
    scores = np.asarray(logits, dtype=np.float64)
    own = scores[np.arange(len(labels)), labels]
    # The loss is convex in 1/T, so its slopes at 1/T = 0 and infinity show whether the optimum is finite.
    if len(labels) == 0 or np.all(own == scores.max(axis=1)) or own.mean() <= scores.mean():
        return 1.0
    from scipy.optimize import minimize_scalar  # slow to import and needed only at the end of training

    def loss(log_temperature: float) -> float:
        scaled = scores / np.exp(log_temperature)
        return float((logsumexp(scaled, axis=1) - own / np.exp(log_temperature)).mean())

    found = minimize_scalar(loss, bounds=LOG_BOUNDS, method="bounded", options={"xatol": 1e-8})
    return float(np.exp(found.x))


def softmax(logits: NDArray[np.floating], temperature: float = 1.0) -> NDArray[np.float64]:
    """Return softmax(logits / temperature), N x classes; calibrated if the temperature is the checkpoint's."""
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    probabilities: NDArray[np.float64] = np.exp(scaled - logsumexp(scaled, axis=1, keepdims=True))
    return probabilities


def logits_from_probabilities(probabilities: NDArray[np.floating], temperature: float = 1.0) -> NDArray[np.float64]:
    """Return logits, up to a constant per image, whose `softmax` at this temperature equals `probabilities`."""
    logs: NDArray[np.float64] = np.log(np.maximum(probabilities, SMALLEST_PROBABILITY, dtype=np.float64))
    return logs * temperature


def calibration_error(probabilities: NDArray[np.floating], labels: NDArray[np.int64], bins: int = BINS) -> float | None:
    """Return the expected calibration error of the predicted classes (see `expected_calibration_error`).

    Args:
        probabilities: float, N x classes.
        labels: true class indices, int64, N.
        bins: number of confidence bins.

    Returns:
        The error in 0..1, or None if there are no images.
    """
    if len(labels) == 0:
        return None
    confidences = np.asarray(probabilities, dtype=np.float64).max(axis=1)
    return expected_calibration_error(confidences, probabilities.argmax(axis=1) == labels, bins)


def expected_calibration_error(confidences: NDArray[np.float64], right: NDArray[np.bool_], bins: int = BINS) -> float:
    """Return the expected calibration error (ECE), the mean gap between confidence and accuracy, in 0..1.

    Predictions are grouped into equal-width bins of confidence; the bins' absolute gaps between mean confidence and
    accuracy are averaged, weighted by the number of images (Guo et al. 2017).

    Args:
        confidences: probability of the predicted class, float64, N.
        right: whether the prediction is correct, bool, N.
        bins: number of bins.
    """
    gaps = np.bincount(bin_indices(confidences, bins), weights=right - confidences, minlength=bins)
    return float(np.abs(gaps).sum() / len(confidences))


def bin_indices(confidences: NDArray[np.float64], bins: int = BINS) -> NDArray[np.int64]:
    """Return the bin of each confidence, int64, N; bins are (0, 1/15], ..., (14/15, 1] as in Guo et al. 2017."""
    return np.clip(np.ceil(confidences * bins).astype(np.int64) - 1, 0, bins - 1)


def calibration_results(
    logits: NDArray[np.floating], labels: NDArray[np.int64], split: NDArray[np.str_]
) -> dict[str, Any]:
    """Fit the temperature on the validation split and measure the test split's ECE without and with it.

    With fewer than `MIN_VALIDATION_IMAGES` validation images the temperature stays 1.

    Args:
        logits: float, N x classes.
        labels: true class indices, int64, N.
        split: split name per image, N.

    Returns:
        `temperature`, and `test_ece` and `test_ece_calibrated` if there are test images.
    """
    val, test = split == "val", split == "test"
    temperature = fit_temperature(logits[val], labels[val]) if val.sum() >= MIN_VALIDATION_IMAGES else 1.0
    if not test.any():  # trainer.evaluate_test=false
        return {"temperature": temperature}
    return {
        "temperature": temperature,
        "test_ece": calibration_error(softmax(logits[test]), labels[test]),
        "test_ece_calibrated": calibration_error(softmax(logits[test], temperature), labels[test]),
    }
