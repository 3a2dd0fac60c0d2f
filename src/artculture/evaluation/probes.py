"""Classifiers that are fitted at once on frozen features, their settings chosen on the validation split."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from artculture.evaluation.calibration import fit_temperature, softmax
from artculture.evaluation.metrics import scores
from artculture.models.balance import ADJUSTMENTS, class_weights
from artculture.models.probe_heads import MOST_NEIGHBOURS, directions, vote

# Inverse strengths of the L2 penalty on the weights of standardised features.
STRENGTHS = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3)
STEPS = 300  # of the optimizer at most, for each strength
TOLERANCE = 1e-3  # of the gradient of the mean loss: with a tenth of it the fits take several times as long
NEIGHBOURS = (1, 2, 3, 5, 10, 20, MOST_NEIGHBOURS)
TEMPERATURES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
# Shares of independent features in the covariance.
SHRINKAGES = (0.01, 0.03, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
# How far below the others the logit of a class without training paintings is.
ABSENT = 30.0

Features = NDArray[np.float32]
Labels = NDArray[np.int64]
State = dict[str, Tensor]


@dataclass(frozen=True)
class LabelledFeatures:
    """Features of a split, N x features, with class indices, N."""

    features: Features
    labels: Labels


@dataclass(frozen=True)
class Candidate:
    """A fitted classifier.

    Attributes:
        settings: what it was fitted with.
        state: of the head.
        logits: of the validation paintings, N x classes.
    """

    settings: dict[str, float]
    state: State
    logits: NDArray[np.float64]


@dataclass(frozen=True)
class FittedProbe:
    """The chosen classifier.

    Attributes:
        settings: what it was fitted with, chosen among `tried`.
        state: of the head.
        metrics: of the validation paintings (`scores`).
        tried: settings and validation metrics of all candidates.
    """

    settings: dict[str, float]
    state: State
    metrics: dict[str, float]
    tried: tuple[dict[str, float], ...]


def fit_probe(
    classifier: str,
    train: LabelledFeatures,
    val: LabelledFeatures,
    class_counts: Sequence[int],
    balance: Mapping[str, Any],
    metric: str,
) -> FittedProbe:
    """Fit a classifier with each of its settings, and choose by the validation paintings.

    Args:
        classifier: `logistic`, `knn` or `nearest_mean`.
        train: what it is fitted on.
        val: what its settings are chosen on.
        class_counts: number of training paintings of each class.
        balance: section of `balance`: `none`, `class_weights` or one of `ADJUSTMENTS`.
        metric: what is best (`scores`); the lowest loss decides between equals.
    """
    kinds = {"logistic": _logistic, "knn": _neighbours, "nearest_mean": _nearest_means}
    candidates = list(kinds[classifier](train, val, class_counts, balance))
    found = [scores(softmax(each.logits), val.labels, len(class_counts)) for each in candidates]
    best = min(range(len(found)), key=lambda number: _rank(found[number], metric))
    chosen = candidates[best]
    tried = tuple({**each.settings, **metrics} for each, metrics in zip(candidates, found, strict=True))
    return FittedProbe(chosen.settings, chosen.state, found[best], tried)


def _rank(metrics: dict[str, float], metric: str) -> tuple[float, float]:
    return (metrics["loss"] if metric == "loss" else -metrics[metric]), metrics["loss"]


def _logistic(
    train: LabelledFeatures, val: LabelledFeatures, class_counts: Sequence[int], balance: Mapping[str, Any]
) -> Iterator[Candidate]:
    """Yield multinomial logistic regressions on standardised features, as the state of a linear layer."""
    from sklearn.linear_model import LogisticRegression  # slow to import and needed only here

    mean, deviation = _moments(train.features)
    inputs = (train.features - mean) / deviation
    # The optimum lies in the space of the training vectors, which is smaller than that of the features if they are few.
    axes = np.linalg.svd(inputs, full_matrices=False)[2].T if len(inputs) < inputs.shape[1] else None
    inputs = inputs if axes is None else inputs @ axes
    present, weights = np.unique(train.labels), None
    if balance["name"] == "class_weights":
        weights = class_weights(class_counts, balance["beta"]).double().numpy()[train.labels]
    # Each starts where the stronger penalty before it ended.
    model = LogisticRegression(max_iter=STEPS, tol=TOLERANCE, warm_start=True)
    for strength in STRENGTHS:
        model.set_params(C=strength)
        with warnings.catch_warnings():
            # Weak penalties on separable classes have an optimum far away, and are not chosen.
            warnings.filterwarnings("ignore", "lbfgs failed to converge")
            model.fit(inputs, train.labels, weights)
        weight, bias = model.coef_, model.intercept_
        if len(present) == 2:  # one row in scikit-learn
            weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
        # The standardisation becomes a part of the layer.
        weight = (weight if axes is None else weight @ axes.T) / deviation
        bias = bias - _log_prior(class_counts, balance)[present]
        yield _linear_candidate({"C": strength}, weight, bias - weight @ mean, present, val, len(class_counts))


def _linear_candidate(
    settings: dict[str, float],
    weight: NDArray[np.float64],
    bias: NDArray[np.float64],
    present: Labels,
    val: LabelledFeatures,
    classes: int,
) -> Candidate:
    """Return the candidate of a linear layer, whose rows are those of the classes with training paintings."""
    whole, offset = np.zeros((classes, weight.shape[1])), np.full(classes, bias.min() - ABSENT)
    whole[present], offset[present] = weight, bias
    logits = val.features @ whole.T + offset
    state = {name: torch.from_numpy(each).float() for name, each in {"0.weight": whole, "0.bias": offset}.items()}
    return Candidate(settings, state, logits)


def _of_classes(logits: NDArray[np.float64], present: Labels, classes: int) -> NDArray[np.float64]:
    """Return logits of all classes, N x classes, from those of the classes with training paintings."""
    whole = np.tile(logits.min(axis=1, keepdims=True) - ABSENT, classes)
    whole[:, present] = logits
    return whole


def _moments(features: Features) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and standard deviation of each feature, float64; 1 for a constant one."""
    deviation = features.std(axis=0, dtype=np.float64)
    return features.mean(axis=0, dtype=np.float64), np.where(deviation > 0, deviation, 1.0)


def _log_prior(class_counts: Sequence[int], balance: Mapping[str, Any]) -> NDArray[np.float64]:
    """Return tau times the logarithm of each class's share; zeros where logits are not adjusted.

    Logits that are raised by it during the fit (`LogitAdjustedCrossEntropy`) are the same as subtracting it from the
    fitted bias, which has no penalty.
    """
    if balance["name"] not in ADJUSTMENTS:
        return np.zeros(len(class_counts))
    counts = np.maximum(np.asarray(class_counts, dtype=np.float64), 1)
    prior: NDArray[np.float64] = float(balance.get("tau", 1.0)) * np.log(counts / counts.sum())
    return prior


def _neighbours(
    train: LabelledFeatures, val: LabelledFeatures, class_counts: Sequence[int], balance: Mapping[str, Any]
) -> Iterator[Candidate]:
    """Yield votes of the k nearest paintings for each k and temperature."""
    weights = torch.from_numpy(np.exp(-_log_prior(class_counts, balance))).float()
    if balance["name"] == "class_weights":
        weights = class_weights(class_counts, balance["beta"])
    weights = weights / weights.max()
    centre, deviation = (torch.from_numpy(each).float() for each in _moments(train.features))
    labels = torch.tensor(train.labels)
    paintings, held_out = (directions(torch.tensor(part.features), centre, deviation) for part in (train, val))
    most = min(MOST_NEIGHBOURS, len(paintings))
    nearest, rows = (held_out @ paintings.T).topk(most, dim=1)
    for k in dict.fromkeys(min(k, most) for k in NEIGHBOURS):
        ranks = (torch.arange(most) < k).float()
        for temperature in TEMPERATURES if k > 1 else TEMPERATURES[:1]:
            state = {"centre": centre, "deviation": deviation, "paintings": paintings, "labels": labels}
            state |= {"ranks": ranks, "temperature": torch.tensor(temperature), "weights": weights}
            logits = vote(nearest, labels[rows], ranks, state["temperature"], weights)
            yield Candidate({"k": k, "temperature": temperature}, state, logits.double().numpy())


def _nearest_means(
    train: LabelledFeatures, val: LabelledFeatures, class_counts: Sequence[int], _: Mapping[str, Any]
) -> Iterator[Candidate]:
    r"""Yield the nearest class mean by Mahalanobis distance, as the state of a linear layer.

    The distances of standardised features are by the covariance within classes, shrunk towards that of independent
    features, :math:`(1 - \lambda) S + \lambda s I` with the mean variance :math:`s`: a linear discriminant analysis in
    which all classes are equally frequent. At :math:`\lambda = 1` it is the Euclidean distance.
    """
    mean, deviation = _moments(train.features)
    inputs, held_out = ((part.features - mean) / deviation for part in (train, val))
    present = np.unique(train.labels)
    means = np.stack([inputs[train.labels == label].mean(axis=0) for label in present])
    variances, axes = _principal_axes(inputs - means[np.searchsorted(present, train.labels)])
    along, average = means @ axes, variances.sum() / inputs.shape[1]
    for shrinkage in SHRINKAGES:
        rest = shrinkage * average  # the variance in all directions without training paintings
        scaled = along / ((1 - shrinkage) * variances + rest)
        weight = scaled @ axes.T + (means - along @ axes.T) / rest
        bias = -(weight * means).sum(axis=1) / 2
        logits = held_out @ weight.T + bias
        scale = 1 / fit_temperature(_of_classes(logits, present, len(class_counts)), val.labels)
        layer = scale * weight / deviation, scale * (bias - (weight / deviation) @ mean)
        yield _linear_candidate({"shrinkage": shrinkage}, *layer, present, val, len(class_counts))


def _principal_axes(deviations: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return variances and axes, features x axes, of vectors around 0; at most as many as there are vectors."""
    if len(deviations) < deviations.shape[1]:
        _, singular, axes = np.linalg.svd(deviations, full_matrices=False)
        return singular**2 / len(deviations), axes.T
    variances, axes = np.linalg.eigh(deviations.T @ deviations / len(deviations))
    return np.maximum(variances, 0), axes
