import numpy as np
import pytest

from artculture.runs.intervals import bootstrap, over_seeds, wilson


# Newcombe (1998), Statistics in Medicine 17:857-872, Table I, method 3 (score, without continuity correction);
# statsmodels' proportion_confint(method="wilson") gives the same.
@pytest.mark.parametrize(
    ("right", "n", "interval"),
    [(81, 263, (0.2553, 0.3662)), (15, 148, (0.0624, 0.1605)), (0, 20, (0.0, 0.1611)), (1, 29, (0.0061, 0.1718))],
)
def test_wilson_is_as_published(right, n, interval):
    assert wilson(right, n) == pytest.approx(interval, abs=5e-5)


@pytest.mark.parametrize("n", [1, 7, 660])
def test_wilson_is_symmetric_and_within_0_and_1(n):
    for right in range(n + 1):
        low, high = wilson(right, n)
        assert 0 <= low <= right / n + 1e-12
        assert right / n - 1e-12 <= high <= 1
        assert wilson(n - right, n) == pytest.approx((1 - high, 1 - low), abs=1e-12)


def test_wilson_of_nothing_says_nothing():
    assert wilson(0, 0) == (0.0, 1.0)


# Student's t of 2 and 4 degrees of freedom at 97.5 %: 4.302653 and 2.776445 (any printed table).
@pytest.mark.parametrize(
    ("values", "mean", "half"),
    [
        ([0.7, 0.8, 0.9], 0.8, 4.302653 * 0.1 / 3**0.5),
        ([0.50, 0.52, 0.54, 0.56, 0.58], 0.54, 2.776445 * 0.0316228 / 5**0.5),
    ],
)
def test_over_seeds_is_student_s_t(values, mean, half):
    expected = (max(0.0, mean - half), min(1.0, mean + half))
    assert over_seeds(values) == pytest.approx(expected, abs=1e-6)


def test_over_seeds_is_cut_to_shares():
    assert over_seeds([0.1, 0.9]) == (0.0, 1.0)


def test_equal_seeds_have_no_width():
    assert over_seeds([0.5, 0.5, 0.5]) == pytest.approx((0.5, 0.5))


@pytest.mark.parametrize("values", [[], [0.5]])
def test_one_seed_has_no_interval(values):
    assert over_seeds(values) is None


def test_bootstrap_of_a_share_is_near_wilson_s():
    right = np.arange(400) < 120
    low, high = bootstrap(lambda drawn: float(right[drawn].mean()), 400, resamples=4000)
    assert (low, high) == pytest.approx(wilson(120, 400), abs=0.01)


def test_bootstrap_repeats_by_its_seed():
    first, again, other = (bootstrap(lambda drawn: float(drawn.mean()), 50, seed=seed) for seed in (1, 1, 2))
    assert first == again != other


def test_bootstrap_draws_with_replacement_from_all():
    drawn = []
    bootstrap(lambda indices: drawn.append(indices) or 0.0, 10, resamples=200)
    counts = np.bincount(np.concatenate(drawn), minlength=10)
    assert {len(indices) for indices in drawn} == {10}
    assert len(counts) == 10
    assert counts.min() > 140
    assert np.mean([len(set(indices.tolist())) for indices in drawn]) == pytest.approx(10 * (1 - 0.9**10), abs=0.3)
