import numpy as np
import pytest

from artculture.evaluation.uncertainty import (
    Doubt,
    as_text,
    conformal_scores,
    doubt,
    prediction_sets,
    rare_classes,
    set_metrics,
    typicality,
    unlike,
)
from artculture.models.uncertainty import Uncertainty
from artculture.utils.errors import InputError

CLASSES = ("Dutch", "French", "Italian")


def drawn(n, seed):
    """Probabilities, and labels that are drawn from flatter ones: overconfident, as networks are."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (n, 3))
    true = np.exp(logits / 2) / np.exp(logits / 2).sum(axis=1, keepdims=True)
    labels = (true.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), labels


@pytest.mark.parametrize("coverage", [0.7, 0.9])
def test_sets_cover_as_often_as_stated_whatever_the_calibration(coverage):
    # The mean over many draws of validation and test images, as the guarantee is.
    covered = []
    for seed in range(300):
        probabilities, labels = drawn(150, seed)
        scores, _ = conformal_scores(probabilities[:50], labels[:50])
        inside = prediction_sets(probabilities[50:], scores, coverage)
        covered.append(inside[np.arange(100), labels[50:]].mean())
    assert coverage - 0.01 < np.mean(covered) < coverage + 0.03


def test_the_quantile_is_corrected_for_few_paintings():
    probabilities = np.array([[0.6, 0.3, 0.1]])
    scores = np.linspace(0.1, 0.9, 9)  # of 9 the 9th: ceil(10 * 0.9)
    assert prediction_sets(probabilities, scores, 0.9).tolist() == [[True, True, True]]
    assert prediction_sets(probabilities, scores, 0.8).tolist() == [[True, True, False]]
    # Eight are too few for 0.9: only all classes have this coverage.
    assert prediction_sets(np.array([[1.0, 0.0, 0.0]]), scores[:8], 0.9).all()


def test_each_class_is_covered_with_thresholds_of_its_own():
    covered: dict[int, list[float]] = {0: [], 1: [], 2: []}
    for seed in range(100):
        probabilities, labels = drawn(600, seed)
        probabilities = probabilities * [3, 1, 0.2]  # the last class is hardly ever predicted
        probabilities = probabilities / probabilities.sum(axis=1, keepdims=True)
        scores, own = conformal_scores(probabilities[:300], labels[:300])
        inside = prediction_sets(probabilities[300:], scores, 0.9, own)
        for label, found in covered.items():
            members = labels[300:] == label
            found.append(inside[members, label].mean())
    assert min(np.mean(found) for found in covered.values()) > 0.885


def test_rare_classes_share_a_threshold():
    # Ten paintings of the first class; the other two have five each, and together enough.
    labels = np.array([0] * 10 + [1] * 5 + [2] * 5)
    scores = np.array([0.2] * 10 + [0.6] * 10)
    assert rare_classes(labels, 3, 0.9).tolist() == [1, 2]
    inside = prediction_sets(np.array([[0.1, 0.45, 0.45], [0.85, 0.1, 0.05]]), scores, 0.9, labels)
    assert inside.tolist() == [[False, True, True], [True, False, False]]
    # Of a class without validation paintings nothing is known: it is in every set.
    assert prediction_sets(np.array([[0.9, 0.1, 0.0]]), scores[:10], 0.9, labels[:10])[0, 2]


def test_rare_classes_are_named(caplog):
    known = Uncertainty(np.linspace(0, 0.5, 12), (), np.array([0] * 10 + [1, 1]))
    assert doubt(known, CLASSES, 0.9, unlike=False, source="best.ckpt") is not None
    assert "these may have less, with too few validation paintings each: French, Italian" in caplog.text


def test_sets_of_each_class_need_the_classes():
    with pytest.raises(InputError, match=r"sets=0\.9 needs scores of the validation paintings"):
        doubt(Uncertainty(np.zeros(9), ()), CLASSES, 0.9, unlike=False, source="best.ckpt", by_culture=True)


def test_a_set_is_never_empty():
    assert prediction_sets(np.array([[0.4, 0.3, 0.3]]), np.zeros(20), 0.5).tolist() == [[True, False, False]]


def test_metrics_of_sets():
    inside = np.array([[True, True, False], [False, True, False], [True, False, False]])
    found = set_metrics(inside, np.array([1, 1, 1]), CLASSES, 0.9)
    assert (found["coverage"], found["mean_size"], found["sizes"]) == (pytest.approx(2 / 3), 4 / 3, {"1": 2, "2": 1})
    assert found["by_culture"]["French"]["coverage"] == pytest.approx(2 / 3)
    assert found["by_culture"]["Dutch"]["coverage"] is None


def test_what_lies_elsewhere_is_unlike():
    rng = np.random.default_rng(0)
    centres = np.eye(3, 8) * 5
    labels = np.repeat([0, 1, 2], 40)
    training = (centres[labels] + rng.normal(size=(120, 8))).astype(np.float32)
    held_out = (centres[labels] + rng.normal(size=(120, 8))).astype(np.float32)
    known = typicality(training, labels, 3, held_out)
    like = unlike((centres[labels] + rng.normal(size=(120, 8))).astype(np.float32), [known])
    assert 0.4 < np.median(like) < 0.6  # ranks among paintings of the same kind
    other = (np.eye(8)[7] * 5 + rng.normal(size=(50, 8))).astype(np.float32)
    assert np.median(unlike(other, [known])) > 0.95
    # Of two networks the mean, each with its own part of the features.
    both = unlike(np.hstack([other, centres[labels[:50]].astype(np.float32)]), [known, known])
    assert 0.4 < both.mean() < 0.6


def test_sets_are_named_most_probable_first():
    says = Doubt(0.8, False, Uncertainty(np.linspace(0.1, 0.9, 9), ()), CLASSES)
    assert says.sets(np.array([[0.3, 0.6, 0.1]])) == [("French", "Dutch")]
    assert says.shares(np.zeros((1, 4), dtype=np.float32)) == [None]
    assert [as_text(names) for names in (("French",), ("French", "Dutch"), CLASSES)] == [
        "French", "French or Dutch", "Dutch, French or Italian",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("uncertainty", "asked", "word"),
    [
        (None, {"coverage": 0.9, "unlike": False}, "sets=0.9"),
        (None, {"coverage": None, "unlike": True}, "unlike=true"),
        (Uncertainty(np.ones(1), ()), {"coverage": 0.9, "unlike": True}, "unlike=true"),
    ],
)
def test_a_checkpoint_that_does_not_know_is_named(uncertainty, asked, word):
    with pytest.raises(InputError, match=f"{word} needs .* best.ckpt does not have"):
        doubt(uncertainty, CLASSES, source="best.ckpt", **asked)
    assert doubt(uncertainty, CLASSES, None, unlike=False, source="best.ckpt") is None
