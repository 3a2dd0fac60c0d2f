import numpy as np
import pytest

from artculture.evaluation.paired_tests import holm, mcnemar, paired_bootstrap


def correct(only_first, only_second, both=10):
    first = np.repeat([True, False, True], [only_first, only_second, both])
    return first, np.repeat([False, True, True], [only_first, only_second, both])


# Exact values of R: mcnemar.exact(matrix(c(10, 1, 8, 10), 2)) of the package exact2x2, and by hand.
@pytest.mark.parametrize(("discordant", "p"), [((8, 1), 20 / 512), ((6, 0), 2 / 64), ((3, 3), 1), ((0, 0), 1)])
def test_mcnemar_is_the_binomial_test_of_the_discordant_pairs(discordant, p):
    assert mcnemar(*correct(*discordant)) == pytest.approx(p)


def test_holm_as_r_s_p_adjust():
    # p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm")
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]).size == 0


def test_mcnemar_keeps_its_level():
    rng = np.random.default_rng(0)
    first, second = rng.random((2, 1000, 150)) < 0.7
    rejected = np.mean([mcnemar(a, b) < 0.05 for a, b in zip(first, second, strict=True)])
    assert 0.015 < rejected < 0.055  # exact tests are conservative


def simulated(rng, seeds, images, shared, spread):
    """Return differences of two recipes, and the expected ones of top-1 and macro recall over seeds and images."""
    labels = rng.choice(3, images, p=[0.6, 0.3, 0.1])
    chance = np.array([[0.9, 0.6, 0.5], [0.85, 0.6, 0.3]])[:, labels][:, None]
    effect = rng.normal(0, spread, (2, seeds, 1))
    # Most of the outcome belongs to the image: the two classifiers are wrong on the same ones.
    hard = rng.random(images) if shared else rng.random((seeds, images))
    noise = rng.normal(0, 0.1, (2, seeds, images))
    right = hard + noise < chance + effect
    first, second = right.astype(float)
    return first - second, labels


@pytest.mark.parametrize(("seeds", "shared", "spread"), [(1, True, 0), (3, True, 0.015), (3, False, 0.015)])
def test_the_interval_covers_the_true_difference(seeds, shared, spread):
    rng = np.random.default_rng(1)
    many, labels = simulated(rng, 200, 5000, False, spread)
    truth = many.mean(), np.mean([many[:, labels == name].mean() for name in range(3)])
    found = [paired_bootstrap(*simulated(rng, seeds, 200, shared, spread), 300) for _ in range(200)]
    for number, expected in enumerate(truth):
        covered = np.mean([each[number].low <= expected <= each[number].high for each in found])
        assert 0.91 < covered < 0.995


def test_seeds_that_repeat_the_same_results_add_little():
    rng = np.random.default_rng(2)
    (one,), labels = simulated(rng, 1, 200, True, 0)
    for single, thrice in zip(
        paired_bootstrap(one[None], labels), paired_bootstrap(one[None][[0] * 3], labels), strict=True
    ):
        assert thrice.value == pytest.approx(single.value)
        width = single.high - single.low
        assert 0.9 * width < thrice.high - thrice.low < 1.3 * width
        assert (single.p < 0.05) == (single.low > 0)


def test_images_outside_both_test_splits_do_not_count():
    labels = np.array([0, 0, 1, 1, 0, 1])
    values = np.array([[1, 0, 0, -1, np.nan, np.nan], [np.nan, 0, 1, 1, 1, np.nan]])
    top1, recall = paired_bootstrap(values, labels)
    assert top1.value == pytest.approx((0 + 3 / 4) / 2)
    assert recall.value == pytest.approx(((1 / 2 - 1 / 2) / 2 + (1 / 2 + 1) / 2) / 2)


def test_classifiers_that_never_differ_have_an_interval_by_the_rule_of_three():
    top1, recall = paired_bootstrap(np.zeros((1, 100)), np.arange(100) % 2)
    assert (top1.low, top1.high, top1.p) == (-0.03, 0.03, 1)
    assert recall.high == pytest.approx(0.03)
