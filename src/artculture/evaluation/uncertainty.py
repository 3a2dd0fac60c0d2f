"""Prediction sets with a stated coverage, and a score of how unlike the training paintings an image is."""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artculture.evaluation.intervals import wilson
from artculture.models.uncertainty import Typicality, Uncertainty
from artculture.utils.errors import InputError

log = logging.getLogger(__name__)

Values = NDArray[np.float64]
Labels = NDArray[np.int64]
# Of the sets that result.json reports on.
REPORTED_COVERAGE = 0.9


def conformal_scores(probabilities: Values, labels: Labels) -> tuple[Values, Labels]:
    """Return one minus the probability of each true class, ascending, and the classes in the same order.

    Args:
        probabilities: calibrated, N x classes, of the validation split.
        labels: true class indices, int64 N.
    """
    scores: Values = 1 - probabilities[np.arange(len(labels)), labels]
    order = np.argsort(scores, kind="stable")
    return scores[order], labels[order]


def prediction_sets(
    probabilities: Values, scores: Values, coverage: float, labels: Labels | None = None
) -> NDArray[np.bool_]:
    """Return which classes are in the prediction set of each image, bool N x classes.

    Split conformal prediction with the least ambiguous sets (Sadinle, Lei & Wasserman 2019, JASA 114:223-234): a class
    is in the set if its probability is at least that at the (n + 1)-corrected quantile of the validation paintings. The
    true class is then in the set with the stated probability, on average over images like the validation paintings.
    The most probable class is always in its set, which only adds to the coverage.

    With `labels` each class has the threshold of its own validation paintings (label-conditional, or Mondrian,
    conformal prediction; Vovk, Gammerman & Shafer 2005, "Algorithmic Learning in a Random World", chapter 4.5), so that
    the probability is stated for each class. Classes with too few paintings share the threshold of all such classes.

    Args:
        probabilities: calibrated, N x classes.
        scores: `conformal_scores` of the validation paintings.
        coverage: the stated probability, in 0..1.
        labels: classes of these paintings, for a coverage of each class; None for one of all paintings.
    """
    if labels is None:
        threshold: float | Values = _threshold(scores, coverage)
    else:
        rare = np.isin(labels, rare_classes(labels, probabilities.shape[1], coverage))
        threshold = np.full(probabilities.shape[1], _threshold(scores[rare], coverage))
        for number in np.unique(labels[~rare]):
            threshold[number] = _threshold(scores[labels == number], coverage)
    inside = 1 - probabilities <= threshold
    inside[np.arange(len(inside)), probabilities.argmax(axis=1)] = True
    return inside


def rare_classes(labels: Labels, classes: int, coverage: float) -> Labels:
    """Return the classes with too few validation paintings for a threshold of their own, int64."""
    counts = np.bincount(labels, minlength=classes)
    return np.flatnonzero(np.ceil((counts + 1) * coverage) > counts).astype(np.int64)


def _threshold(scores: Values, coverage: float) -> float:
    """Return the largest score in a set, by the scores of validation paintings, ascending."""
    place = math.ceil((len(scores) + 1) * coverage)
    # With too few validation paintings only a set of all has this coverage.
    return float(scores[place - 1]) if place <= len(scores) else 1.0


def set_metrics(inside: NDArray[np.bool_], labels: Labels, classes: Sequence[str], coverage: float) -> dict[str, Any]:
    """Return how often prediction sets contain the true class, and how large they are.

    Args:
        inside: `prediction_sets`, bool N x classes.
        labels: true class indices, int64 N.
        classes: names in label order.
        coverage: as asked for.

    Returns:
        `asked`, `coverage` with its `interval` (95 %), `mean_size`, `sizes` (number of sets by size), and by class
        `coverage` and `mean_size` of the images of this class (None without images).
    """
    covered, sizes = inside[np.arange(len(labels)), labels], inside.sum(axis=1)
    own = [labels == number for number in range(len(classes))]
    return {
        "asked": coverage,
        "n": len(labels),
        "coverage": float(covered.mean()),
        "interval": wilson(int(covered.sum()), len(labels)),
        "mean_size": float(sizes.mean()),
        "sizes": {str(size): int((sizes == size).sum()) for size in np.unique(sizes).tolist()},
        "by_culture": {
            name: {
                "coverage": float(covered[members].mean()) if members.any() else None,
                "mean_size": float(sizes[members].mean()) if members.any() else None,
            }
            for name, members in zip(classes, own, strict=True)
        },
    }


def typicality(
    training: NDArray[np.float32], labels: Labels, classes: int, held_out: NDArray[np.float32]
) -> Typicality:
    """Return the class means of training features, and how similar held-out ones are to them.

    Args:
        training: features N x features.
        labels: their class indices, int64 N.
        classes: number of classes.
        held_out: features of validation paintings.
    """
    units = _unit(training)
    sums = np.stack([units[labels == number].sum(axis=0) for number in range(classes)])
    means = _unit(sums).astype(np.float32)
    return Typicality(means, np.sort(_similarity(held_out, means)))


def unlike(features: NDArray[np.float32], networks: Sequence[Typicality]) -> Values:
    """Return how unlike the training paintings images are, 0..1: the share of validation paintings that are more like.

    The cosine similarity to the nearest class mean, of the features before the head, as its rank among the validation
    paintings; the mean over the networks of an ensemble.

    Args:
        features: N x features, of several networks one after the other.
        networks: of each network.
    """
    widths = [network.means.shape[1] for network in networks]
    parts = np.split(features, np.cumsum(widths)[:-1], axis=1)
    shares = []
    for part, network in zip(parts, networks, strict=True):
        below = np.searchsorted(network.similarities, _similarity(part, network.means), side="right")
        shares.append(1 - below / len(network.similarities))
    mean: Values = np.mean(shares, axis=0)
    return mean


def _similarity(features: NDArray[np.float32], means: NDArray[np.float32]) -> Values:
    found: Values = (_unit(features) @ means.T.astype(np.float64)).max(axis=1)
    return found


def _unit(vectors: NDArray[Any]) -> Values:
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    return vectors.astype(np.float64) / np.where(lengths > 0, lengths, 1)


def set_results(
    probabilities: Values, labels: Labels, split: NDArray[np.str_], classes: Sequence[str]
) -> tuple[tuple[Values, Labels], dict[str, Any]]:
    """Return the conformal scores of the validation split with their classes, and `sets`: those of the test split.

    Args:
        probabilities: calibrated, N x classes.
        labels: true class indices, int64 N.
        split: split name per image, N.
        classes: names in label order.
    """
    val, test = split == "val", split == "test"
    known = conformal_scores(probabilities[val], labels[val])
    if not test.any():  # trainer.evaluate_test=false
        return known, {}
    inside = prediction_sets(probabilities[test], known[0], REPORTED_COVERAGE)
    return known, {"sets": set_metrics(inside, labels[test], classes, REPORTED_COVERAGE)}


@dataclass(frozen=True)
class Doubt:
    """What a prediction says in addition to probabilities.

    Attributes:
        coverage: of prediction sets; None for no sets.
        unlike: whether to say how unlike the training paintings an image is.
        uncertainty: of the classifier.
        classes: names in label order.
        by_culture: whether the coverage of sets is that of each class.
    """

    coverage: float | None
    unlike: bool
    uncertainty: Uncertainty
    classes: tuple[str, ...]
    by_culture: bool = False

    def inside(self, probabilities: Values) -> NDArray[np.bool_]:
        """Return which classes are in the prediction set of each image, bool N x classes."""
        assert self.coverage is not None
        labels = self.uncertainty.labels if self.by_culture else None
        return prediction_sets(probabilities, self.uncertainty.scores, self.coverage, labels)

    def sets(self, probabilities: Values) -> list[tuple[str, ...] | None]:
        """Return the prediction set of each image, the most probable class first; None without sets."""
        if self.coverage is None:
            return [None] * len(probabilities)
        inside = self.inside(probabilities)
        order = np.argsort(-probabilities, axis=1, kind="stable")
        return [
            tuple(self.classes[place] for place in places if row[place])
            for places, row in zip(order.tolist(), inside, strict=True)
        ]

    def shares(self, features: NDArray[np.float32]) -> list[float | None]:
        """Return `unlike` of each image; None without it."""
        if not self.unlike:
            return [None] * len(features)
        return [float(value) for value in unlike(features, self.uncertainty.networks)]


def doubt(
    uncertainty: Uncertainty | None,
    classes: tuple[str, ...],
    coverage: float | None,
    *,
    unlike: bool,
    source: Path | str,
    by_culture: bool = False,
) -> Doubt | None:
    """Return what predictions say in addition to probabilities; None if nothing was asked for.

    Raises:
        InputError: the classifier of `source` does not know what is asked for.
    """
    if coverage is None and not unlike:
        return None
    lacking = uncertainty is None or (unlike and not uncertainty.networks)
    if lacking or (by_culture and uncertainty is not None and uncertainty.labels is None):
        key = f"sets={coverage}" if coverage and (uncertainty is None or not lacking) else "unlike=true"
        raise InputError(
            f"{key} needs scores of the validation paintings, which {source} does not have: a training stores them at "
            "its end, so train it again (resume=never), or leave this out"
        )
    assert uncertainty is not None
    if coverage is not None:
        _warn_of_rare(uncertainty, classes, coverage, by_culture=by_culture)
    return Doubt(coverage, unlike, uncertainty, classes, by_culture)


def _warn_of_rare(uncertainty: Uncertainty, classes: Sequence[str], coverage: float, *, by_culture: bool) -> None:
    """Log which classes have too few validation paintings for a coverage of their own."""
    if uncertainty.labels is None:
        return
    rare = [classes[number] for number in rare_classes(uncertainty.labels, len(classes), coverage)]
    if rare:
        which = "these classes as a group alone" if by_culture else "all classes together, and these may have less"
        log.warning(
            "a coverage of %g %% holds for %s, with too few validation paintings each: %s",
            100 * coverage, which, ", ".join(rare),
        )  # fmt: skip


def as_text(names: Sequence[str]) -> str:
    """Return a prediction set as text, as in `Dutch, French or Italian`."""
    return " or ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def networks_uncertainty(parts: Sequence[Uncertainty | None]) -> list[Typicality]:
    """Return the typicality of each network of an ensemble; none if one of them has none."""
    if any(part is None or not part.networks for part in parts):
        return []
    return [network for part in parts if part is not None for network in part.networks]
