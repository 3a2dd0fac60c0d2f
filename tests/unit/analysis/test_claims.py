import numpy as np
import pytest

from artculture.analysis.claims import least_p, p_text, verdict


@pytest.mark.parametrize(
    ("p", "least", "word"),
    [(0.04, 0.01, "significant"), (0.05, 0.01, "not significant"), (0.083, 0.083, "too few"), (0.9, 1.0, "too few")],
)
def test_a_claim_is_worded_by_its_test(p, least, word):
    assert verdict(p, least) == word


def test_the_least_p_value_counts_ties_of_all_permutations():
    drawn = np.array([1.0, 2.0, 2.0, 0.0])
    assert least_p(drawn, exact=True) == 0.5
    assert least_p(drawn, exact=False) == 0.2


def test_a_p_value_is_not_rounded_to_zero():
    assert (p_text(0.00003), p_text(0.02)) == ("p < 0.0001", "p = 0.0200")
