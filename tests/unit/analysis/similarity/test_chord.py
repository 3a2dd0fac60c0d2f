import numpy as np
import pytest

from artculture.analysis.similarity.chord import chord_finding, ribbon, top_quartile
from tests.unit.analysis.synthetic import distances


def test_quartile_of_a_hand_computed_case():
    # Similarities, sorted: 3/8, 3/7, 4/9, 5/9, 4/7, 5/8; the 75th percentile is at index 3.75:
    # 5/9 + 0.75 (4/7 - 5/9) = 0.5674…
    chosen, threshold = top_quartile(distances([[0, 3, 4], [3, 0, 5], [4, 5, 0]], "ABC"))
    assert threshold == pytest.approx(5 / 9 + 0.75 * (4 / 7 - 5 / 9))
    assert chosen[["culture", "other"]].to_numpy().tolist() == [["B", "A"], ["A", "B"]]
    assert chosen["similarity"].tolist() == pytest.approx([5 / 8, 4 / 7])


def test_ties_at_the_quartile_are_kept():
    chosen, threshold = top_quartile(distances(1 - np.eye(5)))
    assert threshold == pytest.approx(1 / 4)
    assert len(chosen) == 20


def test_a_quarter_of_distinct_similarities_is_kept():
    points = np.random.default_rng(0).normal(size=(11, 4))
    chosen, _ = top_quartile(distances(np.linalg.norm(points[:, None] - points, axis=2)))
    assert len(chosen) == 28  # of 110; the quartile lies between two values, so 27.5 rounds up


def test_one_direction_alone_may_be_strong():
    # C's nearest is B by far, but B has A closer.
    chosen, _ = top_quartile(distances([[0, 1, 9], [1, 0, 8], [9, 8, 0]], "ABC"))
    assert ("C", "B") not in set(zip(chosen["culture"], chosen["other"], strict=True))
    assert len(chosen) == 2


def test_draws_two_cultures():
    assert len(chord_finding(distances(1 - np.eye(2))).tables["culture_chords"]) == 2


def test_a_single_culture_has_no_figure():
    assert chord_finding(distances(np.zeros((1, 1)))).figure is None


def test_a_ribbon_ends_in_the_middle_of_its_target():
    path = ribbon((0.0, 0.2), (3.0, 3.2))
    tip = np.array([np.cos(3.1), np.sin(3.1)])
    angles = path.vertices @ tip / np.linalg.norm(path.vertices, axis=1)
    assert angles.max() == pytest.approx(1)
