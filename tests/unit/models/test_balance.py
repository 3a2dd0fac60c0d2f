import math

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy, one_hot

from artculture.models.balance import build_balanced_loss, class_weights
from artculture.models.checkpoint import load_classifier
from artculture.utils.errors import InputError

COUNTS = [50, 8, 2]
LABELS = [0, 2, 1, 0, 2]
BALANCES = {
    "class_weights": {"beta": None},
    "logit_adjustment": {"tau": 0.7},
    "balanced_softmax": {},
    "focal": {"gamma": 2.0},
}


@pytest.fixture
def logits():
    return torch.randn(len(LABELS), len(COUNTS), generator=torch.Generator().manual_seed(0))


def build(name, smoothing=0.0, counts=COUNTS, **changes):
    return build_balanced_loss({"name": name, **BALANCES.get(name, {}), **changes}, smoothing, counts)


def mean_over_pictures(logits, loss_of):
    """The mean of a function of the exponentials of a picture's logits and its label, one at a time."""
    pairs = zip(logits.double().exp().tolist(), LABELS, strict=True)
    return sum(loss_of(powers, label) for powers, label in pairs) / len(LABELS)


def weighted(powers, label):
    return sum(COUNTS) / (len(COUNTS) * COUNTS[label]) * -math.log(powers[label] / sum(powers))


def adjusted(powers, label):
    shares = [count / sum(COUNTS) for count in COUNTS]
    raised = [power * share**0.7 for power, share in zip(powers, shares, strict=True)]
    return -math.log(raised[label] / sum(raised))


def by_counts(powers, label):
    # as the authors' `balanced_softmax_loss`: github.com/jiawei-ren/BalancedMetaSoftmax-Classification
    raised = [power * count for power, count in zip(powers, COUNTS, strict=True)]
    return -math.log(raised[label] / sum(raised))


def focused(powers, label):
    p = powers[label] / sum(powers)
    return -((1 - p) ** 2) * math.log(p)


@pytest.mark.parametrize(
    ("name", "loss_of"),
    [
        ("class_weights", weighted),
        ("logit_adjustment", adjusted),
        ("balanced_softmax", by_counts),
        ("focal", focused),
    ],
)
def test_a_loss_is_its_formula_for_labels_and_for_shares(logits, name, loss_of):
    labels = torch.tensor(LABELS)
    expected = pytest.approx(mean_over_pictures(logits, loss_of), rel=1e-5)
    assert float(build(name)(logits, labels)) == expected
    assert float(build(name)(logits, one_hot(labels, len(COUNTS)).float())) == expected


@pytest.mark.parametrize("name", [*BALANCES, "none", "balanced_sampler", "sqrt_sampler"])
def test_without_imbalance_only_focal_differs_from_the_cross_entropy(logits, name):
    labels = torch.tensor(LABELS)
    plain = cross_entropy(logits, labels, label_smoothing=0.1)
    assert torch.allclose(build(name, 0.1, [7, 7, 7])(logits, labels), plain, atol=1e-6) == (name != "focal")


def test_effective_numbers_are_the_authors():
    # github.com/richardaecn/class-balanced-loss, src/data_utils.py and class_balanced_loss.py, up to the factor
    beta = 0.99
    theirs = (1 - beta) / (1.0 - np.power(beta, COUNTS))
    ours = class_weights(COUNTS, beta).double().numpy()
    assert ours / ours[0] == pytest.approx(theirs / theirs[0], rel=1e-6)
    assert np.average(ours, weights=COUNTS) == pytest.approx(1)
    assert class_weights(COUNTS, 1 - 1e-9).numpy() == pytest.approx(class_weights(COUNTS).numpy(), rel=1e-4)


@pytest.mark.parametrize("name", ["class_weights", "logit_adjustment"])
def test_a_class_without_training_paintings_is_finite_and_a_loss_without_counts_an_error(logits, name):
    assert build(name, 0.1, [5, 0, 3])(logits, torch.tensor(LABELS)).isfinite()
    with pytest.raises(InputError, match=f"balance={name} needs class_counts"):
        build(name, counts=None)


def test_predictions_are_without_the_shares_and_a_checkpoint_holds_the_counts(make, fit, tmp_path):
    plain, adjusted = make(), make(balance={"name": "logit_adjustment", "tau": 1.0}, class_counts=COUNTS)
    adjusted.load_state_dict(plain.state_dict())
    pictures, labels = torch.zeros(2, 3, 32, 32, dtype=torch.uint8), torch.tensor([0, 2])
    assert torch.equal(plain.eval()(pictures), adjusted.eval()(pictures))
    steps = [module.training_step((pictures, labels, labels), 0) for module in (plain, adjusted)]
    assert torch.equal(steps[0]["logits"], steps[1]["logits"])
    assert steps[0]["loss"] != steps[1]["loss"]
    fit(adjusted.train(), epochs=1).save_checkpoint(tmp_path / "a.ckpt")
    assert load_classifier(tmp_path / "a.ckpt").hyper["class_counts"] == COUNTS
