import itertools

import numpy as np
import pytest
from scipy.stats import spearmanr

from artculture.analysis.similarity.mantel import mantel


def _symmetric(n, seed):
    values = np.random.default_rng(seed).random((n, n))
    return np.triu(values, 1) + np.triu(values, 1).T


def _brute_force(one, other):
    n = len(one)
    upper = np.triu_indices(n, 1)
    found = spearmanr(one[upper], other[upper]).statistic
    drawn = []
    for order in itertools.permutations(range(n)):
        moved = one[np.ix_(order, order)]
        drawn.append(spearmanr(moved[upper], other[upper]).statistic)
    drawn = np.array(drawn)
    return found, np.mean(drawn >= found - 1e-9), np.mean(np.abs(drawn) >= abs(found) - 1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_equals_brute_force_over_all_orders(seed):
    one, other = _symmetric(5, seed), _symmetric(5, seed + 100)
    test = mantel(one, other)
    assert (test.correlation, test.greater, test.two_sided) == pytest.approx(_brute_force(one, other))
    assert test.exact
    assert test.permutations == 120


def test_random_permutations_approximate_the_exact_p(monkeypatch):
    one, other = _symmetric(6, 1), _symmetric(6, 1) + 0.8 * _symmetric(6, 2)
    exact = mantel(one, other)
    monkeypatch.setattr("artculture.analysis.similarity.mantel.EXACT_UP_TO", 5)
    drawn = mantel(one, other, permutations=4999)
    assert not drawn.exact
    assert drawn.greater == pytest.approx(exact.greater, abs=0.03)


def test_a_perfect_match_gets_the_least_p():
    one = _symmetric(11, 0)
    test = mantel(one, one**2, permutations=999)
    assert test.correlation == pytest.approx(1)
    assert test.greater == 1 / 1000


def test_unrelated_distances_are_rarely_called_related():
    found = [mantel(_symmetric(9, seed), _symmetric(9, seed + 500), 199, seed).greater for seed in range(200)]
    assert 0.015 < np.mean(np.array(found) <= 0.05) < 0.11


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_too_few_items_have_no_test(n):
    assert mantel(np.zeros((n, n)), np.zeros((n, n))) is None


def test_equal_distances_have_no_test():
    assert mantel(np.ones((6, 6)), _symmetric(6, 0)) is None
