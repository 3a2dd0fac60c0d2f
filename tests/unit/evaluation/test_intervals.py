import numpy as np
import pandas as pd
import pytest

from artculture.evaluation.intervals import (
    bootstrap_variance,
    effective_sample_size,
    interval_over_seeds,
    sample_overlap,
    score_interval,
    wilson,
)


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


@pytest.mark.parametrize(("share", "n"), [(0.0, 20), (0.3, 40), (0.72, 660), (1.0, 7)])
def test_an_interval_tells_of_how_many_paintings_it_is(share, n):
    assert effective_sample_size(share, score_interval(share, n)) == pytest.approx(n)


def test_an_interval_without_width_is_of_any_number():
    assert effective_sample_size(1.0, (1.0, 1.0)) == np.inf


# 2,000 studies of each kind must cover the recipe's expected accuracy in 95 +- 2 %.
STUDIES = 2000
SEEDS, PAINTINGS = (1, 2, 3, 5), (40, 92, 250, 700)


def studies(rng, seeds, n, spread):
    """Expected accuracy of each study, and its seeds' test accuracies; `spread` in units of sqrt(p (1 - p))."""
    p = rng.uniform(0.3, 0.95, STUDIES)
    size = 1 / spread**2 - 1  # Beta(p size, (1 - p) size) has the variance p (1 - p) / (size + 1)
    each = rng.beta((p * size)[:, None], ((1 - p) * size)[:, None], (STUDIES, seeds))
    return p, rng.binomial(n, each) / n


def coverage(p, low, high):
    return float(((low <= p) & (p <= high)).mean())


@pytest.mark.parametrize("n", PAINTINGS)
@pytest.mark.parametrize("seeds", SEEDS)
def test_recipes_are_covered_for_any_number_of_seeds(seeds, n):
    # At p = 0.7 the standard deviation over seeds is 0.3 to 3.2 points, all equally frequent: not the prior's shape.
    rng = np.random.default_rng([seeds, n])
    p, shares = studies(rng, seeds, n, rng.uniform(0.007, 0.07, STUDIES))
    assert coverage(p, *interval_over_seeds(shares, n)) == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize("seeds", SEEDS)
def test_seeds_that_hardly_differ_are_covered_at_least_as_often(seeds):
    p, shares = studies(np.random.default_rng(seeds), seeds, 700, np.full(STUDIES, 0.002))
    assert coverage(p, *interval_over_seeds(shares, 700)) > 0.95


def test_more_seeds_overrule_what_is_assumed():
    # 14 points of standard deviation at p = 0.7: ten times what is usual, and nothing that one seed could tell.
    rng = np.random.default_rng(0)
    found = [
        coverage(p, *interval_over_seeds(x, 400))
        for p, x in (studies(rng, k, 400, np.full(STUDIES, 0.3)) for k in (5, 20))
    ]
    assert found[0] > 0.84
    assert found[1] > 0.92


def test_seeds_tested_on_the_same_paintings_are_covered():
    # A painting's difficulty and a seed's luck add up on the scale of the logit; 3: most are always right or wrong.
    rng, seeds, n, covered, naive = np.random.default_rng(3), 5, 100, [], []
    logit = lambda difficulty, luck: 1 / (1 + np.exp(-(1.5 + 3 * difficulty + 0.12 * luck)))  # noqa: E731
    p = float(logit(rng.normal(size=400_000), rng.normal(size=400_000)).mean())
    for _ in range(200):
        right = rng.random((seeds, n)) < logit(rng.normal(size=n), rng.normal(size=(seeds, 1)))
        shares, shared = right.mean(axis=1), sample_overlap([pd.Series(one.astype(float)) for one in right])
        for part, counted in ((shared, covered), (0.0, naive)):
            low, high = interval_over_seeds(shares, n, part)
            counted.append(low <= p <= high)
    assert np.mean(covered) == pytest.approx(0.95, abs=0.025)
    assert np.mean(naive) < np.mean(covered) - 0.03


def test_one_seed_is_a_little_wider_than_its_test_paintings_alone():
    low, high = interval_over_seeds(np.array([0.72]), 92)
    narrow = wilson(66, 92)
    assert low < narrow[0]
    assert high > narrow[1]
    assert high - low < 1.25 * (narrow[1] - narrow[0])


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_seeds_that_agree_keep_the_width_of_their_paintings(seeds):
    for share, right in ((0.5, 50), (1.0, 100), (0.0, 0)):
        low, high = interval_over_seeds(np.full(seeds, share), 100)
        narrow = wilson(right * seeds, 100 * seeds)
        assert low <= share <= high
        assert narrow[1] - narrow[0] < high - low < 1.6 * (narrow[1] - narrow[0])


def test_seeds_that_lie_far_apart_are_wide_and_stay_shares():
    low, high = interval_over_seeds(np.array([0.3, 0.6]), 400)
    assert 0 < low < 0.3
    assert 0.6 < high < 1


def test_more_seeds_narrow_it():
    widths = [np.subtract(*interval_over_seeds(np.full(seeds, 0.7), 100)[::-1]) for seeds in SEEDS]
    assert sorted(widths, reverse=True) == widths


def series(*right):
    return pd.Series([float(one) for one in right])


def test_a_sample_is_shared_by_the_paintings_in_common_and_how_alike_they_fare():
    one = series(1, 1, 0, 0)
    assert sample_overlap([one]) == 0
    assert sample_overlap([one, one]) == pytest.approx(1)
    assert sample_overlap([one, series(1, 0, 1, 0)]) == pytest.approx(0)
    assert sample_overlap([one, one.set_axis([4, 5, 6, 7])]) == 0
    assert sample_overlap([one, one.set_axis([0, 5, 2, 7])]) == pytest.approx(1 / 2)
    assert sample_overlap([one, one, series(1, 0, 1, 0)]) == pytest.approx(1 / 3)
    assert sample_overlap([series(1, 1), series(1, 1)]) == 1


def test_the_bootstrap_variance_of_a_share_is_the_binomial_s():
    right = np.arange(400) < 120
    found = bootstrap_variance(lambda drawn: float(right[drawn].mean()), 400, resamples=4000)
    assert found == pytest.approx(0.3 * 0.7 / 400, rel=0.08)


def test_the_bootstrap_repeats_by_its_seed():
    first, again, other = (bootstrap_variance(lambda drawn: float(drawn.mean()), 50, seed=seed) for seed in (1, 1, 2))
    assert first == again != other


def test_the_bootstrap_draws_with_replacement_from_all():
    drawn = []
    bootstrap_variance(lambda indices: drawn.append(indices) or 0.0, 10, resamples=200)
    counts = np.bincount(np.concatenate(drawn), minlength=10)
    assert {len(indices) for indices in drawn} == {10}
    assert len(counts) == 10
    assert counts.min() > 140
    assert np.mean([len(set(indices.tolist())) for indices in drawn]) == pytest.approx(10 * (1 - 0.9**10), abs=0.3)
