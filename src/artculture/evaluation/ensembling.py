"""Averages of calibrated probabilities over classifiers, and greedy selection of which ones take part."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from artculture.evaluation.calibration import softmax
from artculture.evaluation.metrics import SMALLEST_PROBABILITY
from artculture.models.ensemble import EnsembleClassifier

Values = NDArray[np.float64]
Labels = NDArray[np.int64]
# Digits of a score: the mean of equal probabilities differs from them by rounding.
ROUNDED = 9
# A metric of the validation split and the negative loss, which decides between equal metrics; larger is better.
Score = tuple[float, float]
Scorer = Callable[[Values, Labels], Score]


def mean_logits(probabilities: Sequence[Values], weights: Sequence[float]) -> Values:
    """Return the logarithm of a weighted mean of probabilities, N x classes; its softmax is the mean.

    Args:
        probabilities: calibrated, N x classes of each classifier.
        weights: of the classifiers; need not sum to 1.
    """
    mean = np.average(np.stack(probabilities), axis=0, weights=weights)
    logits: Values = np.log(np.maximum(mean, SMALLEST_PROBABILITY))
    return logits


def joint_logits(ensemble: EnsembleClassifier, logits: Sequence[NDArray[np.floating]]) -> Values:
    """Return the logits of an ensemble, before its temperature, from those of each of its members, N x classes."""
    members = zip(logits, ensemble.classifiers, strict=True)
    return mean_logits([softmax(values, member.temperature) for values, member in members], ensemble.weights)


def scorer(metric: str) -> Scorer:
    """Return the score of probabilities, N x classes, by `top1`, `macro_recall` or `loss`."""

    def score(probabilities: Values, labels: Labels) -> Score:
        value, loss = exact(probabilities, labels)
        return round(value, ROUNDED), round(loss, ROUNDED)

    def exact(probabilities: Values, labels: Labels) -> Score:
        own = probabilities[np.arange(len(labels)), labels]
        loss = -float(np.log(np.maximum(own, SMALLEST_PROBABILITY)).mean())
        if metric == "loss":
            return -loss, -loss
        right = probabilities.argmax(axis=1) == labels
        if metric == "top1":
            return float(right.mean()), -loss
        support = np.bincount(labels)
        found = np.bincount(labels, weights=right)
        return float((found[support > 0] / support[support > 0]).mean()), -loss

    return score


def greedy_selection(probabilities: Sequence[Values], labels: Labels, score: Scorer, rounds: int) -> list[int]:
    """Return how often each classifier takes part in the mean, by greedy selection with replacement.

    Each round adds the classifier whose addition to the mean gives the best score; the best of all rounds is kept, of
    equal ones the smallest. Caruana, Niculescu-Mizil, Crew & Ksikes, "Ensemble Selection from Libraries of Models"
    (ICML 2004).

    Args:
        probabilities: calibrated, N x classes of each classifier, of the validation split.
        labels: true class indices, int64 N.
        score: what is maximised.
        rounds: number of additions.
    """
    stacked = np.stack(probabilities)
    counts = np.zeros(len(stacked), dtype=np.int64)
    total = np.zeros_like(stacked[0])
    best: tuple[Score, list[int]] | None = None
    for size in range(1, rounds + 1):
        scores = [score((total + one) / size, labels) for one in stacked]
        # The first of equal ones, so that the outcome depends on the order of the classifiers alone.
        chosen = max(range(len(scores)), key=lambda number: scores[number])
        counts[chosen] += 1
        total += stacked[chosen]
        if best is None or scores[chosen] > best[0]:
            best = scores[chosen], counts.tolist()
    assert best is not None, "there is at least one round"
    return best[1]


def greedy_soup(score: Callable[[Sequence[int]], Score], order: Sequence[int]) -> list[int]:
    """Return the classifiers whose weights a greedy soup averages.

    In the given order each is added if the validation metric of the averaged weights does not fall. Wortsman et al.,
    "Model soups" (ICML 2022), recipe 1.

    Args:
        score: of the averaged weights of some classifiers.
        order: all classifiers, the best by validation first.
    """
    soup = [order[0]]
    best = score(soup)
    for candidate in order[1:]:
        found = score([*soup, candidate])
        if found[0] >= best[0]:
            soup, best = [*soup, candidate], found
    return soup
