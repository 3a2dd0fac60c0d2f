import itertools

import numpy as np
import pytest
from matplotlib.text import Text
from scipy import stats

from artculture.analysis.similarity.chord import chord_finding
from artculture.analysis.similarity.culture_graph import graph_finding
from artculture.analysis.similarity.distance_matrix import distance_finding
from artculture.analysis.similarity.distances import (
    culture_distances,
    leave_one_out_squared_distances,
    normalised_similarity,
    truncated_normal_quantiles,
    unbiased_squared_distances,
)
from artculture.analysis.similarity.geography import geography_finding
from tests.unit.analysis.synthetic import make_embeddings


def test_distances_of_hand_made_means():
    # 3-4-5 triangle: means (0,0), (3,0), (0,4)
    embeddings = make_embeddings(("A", "B", "C"), counts=4, centres=[(0, 0), (3, 0), (0, 4)], noise=0)
    found = culture_distances(embeddings)
    np.testing.assert_allclose(found.distance, [[0, 3, 4], [3, 0, 5], [4, 5, 0]], rtol=1e-6)


def test_similarity_is_the_papers_and_not_symmetric():
    # A: 1/3 and 1/4 of 7/12; B: 1/3 and 1/5 of 8/15; C: 1/4 and 1/5 of 9/20
    expected = [[0, 4 / 7, 3 / 7], [5 / 8, 0, 3 / 8], [5 / 9, 4 / 9, 0]]
    similarity = normalised_similarity(np.array([[0, 3, 4], [3, 0, 5], [4, 5, 0]], dtype=float))
    np.testing.assert_allclose(similarity, expected, rtol=1e-12)
    np.testing.assert_allclose(similarity.sum(axis=1), 1)
    assert similarity[0, 1] != similarity[1, 0]


def test_cultures_at_distance_zero_share_the_similarity():
    similarity = normalised_similarity(np.array([[0, 0, 0, 5], [0, 0, 0, 5], [0, 0, 0, 5], [5, 5, 5, 0]], dtype=float))
    np.testing.assert_allclose(similarity[0], [0, 0.5, 0.5, 0])
    np.testing.assert_allclose(similarity[3], [1 / 3, 1 / 3, 1 / 3, 0])


@pytest.mark.parametrize("scale", [1e-320, 1e-12, 1.0, 1e200])
def test_similarity_does_not_depend_on_the_unit(scale):
    similarity = normalised_similarity(scale * np.array([[0, 3, 4], [3, 0, 5], [4, 5, 0]], dtype=float))
    np.testing.assert_allclose(similarity[0], [0, 4 / 7, 3 / 7], rtol=1e-2)


def test_a_single_culture_has_no_similarity():
    assert normalised_similarity(np.zeros((1, 1))).tolist() == [[0.0]]


def test_cultures_with_fewer_than_three_paintings_are_left_out_and_small_ones_marked():
    found = culture_distances(make_embeddings(("A", "B", "C", "D"), counts=[9, 0, 10, 2]))
    assert (found.cultures, found.absent, found.counts.tolist()) == (("A", "C"), ("B", "D"), [9, 10])
    assert (found.small, found.label("A"), found.label("C")) == (("A",), "A*", "C")
    assert "fewer than 10" in found.note()


def test_splits_choose_the_paintings():
    embeddings = make_embeddings(("A", "B"), counts=16)
    found = culture_distances(embeddings, splits=("test",))
    rows = embeddings.members("test")
    groups = [embeddings.features[rows][embeddings.labels[rows] == label].astype(float) for label in (0, 1)]
    assert found.counts.tolist() == [4, 4]
    assert found.distance[0, 1] ** 2 == pytest.approx(unbiased_squared_distances(groups)[0, 1], rel=0.05)


@pytest.fixture
def groups():
    rng = np.random.default_rng(3)
    return [rng.normal(size=(n, 5)) + shift for n, shift in ((3, 0), (4, 1), (6, 3))]


def test_the_unbiased_square_is_the_mean_over_pairs_of_pairs(groups):
    # (x1 - y1) . (x2 - y2) with two different paintings of each culture has the true square as its expectation.
    one, other = groups[:2]
    products = [
        (one[i] - other[k]) @ (one[j] - other[m])
        for i, j in itertools.permutations(range(3), 2)
        for k, m in itertools.permutations(range(4), 2)
    ]
    assert unbiased_squared_distances(groups)[0, 1] == pytest.approx(np.mean(products))


@pytest.mark.parametrize("culture", range(3))
def test_squares_without_one_equal_leaving_out_one_by_one(groups, culture):
    found = leave_one_out_squared_distances(groups, culture, unbiased_squared_distances(groups))
    for place, row in enumerate(found):
        less = [np.delete(group, place, axis=0) if i == culture else group for i, group in enumerate(groups)]
        np.testing.assert_allclose(row, unbiased_squared_distances(less)[culture], atol=1e-12)


def test_a_normal_distribution_cut_at_zero_is_scipy_s():
    mean, error = np.array([[3.0, -4.0], [0.5, -60.0]]), np.ones((2, 2))
    found = truncated_normal_quantiles(mean, error)
    for part, points in zip((0.5, 0.025, 0.975), found, strict=True):
        expected = stats.truncnorm.ppf(part, -mean, np.inf, loc=mean)
        np.testing.assert_allclose(points, expected, rtol=1e-6)
    certain = truncated_normal_quantiles(mean, 0 * error)
    np.testing.assert_array_equal(certain[1], np.clip(mean, 0, None))


@pytest.mark.parametrize("seed", range(3))
def test_every_estimate_lies_in_its_interval(seed):
    # From 3 paintings to 40, cultures a little apart and equal cultures.
    centres = np.random.default_rng(seed).normal(0, 0.3, (8, 40))
    centres[3] = centres[4]
    found = culture_distances(make_embeddings(tuple("ABCDEFGH"), [3, 3, 4, 5, 6, 9, 20, 40], centres, seed=seed))
    apart = ~np.eye(8, dtype=bool)
    for estimate, (low, high) in (
        (found.distance, found.distance_interval),
        (found.similarity, found.similarity_interval),
    ):
        assert (low[apart] > 0).all()
        assert (low <= estimate).all()
        assert (estimate <= high).all()
    assert (found.similarity_interval[1] <= 1).all()


@pytest.mark.parametrize(("n", "others", "apart"), [(4, 30, 4.0), (8, 8, 4.0), (20, 20, 2.5), (60, 20, 1.5)])
def test_intervals_cover_the_true_distance(n, others, apart):
    # In 60 dimensions the plain distance between the means of 20 and 20 paintings is sqrt(6.25 + 6) = 3.5 for 2.5.
    centres, inside, distances = [np.zeros(60), np.full(60, apart / np.sqrt(60))], 0, []
    for seed in range(200):
        found = culture_distances(make_embeddings(("A", "B"), [n, others], centres, seed=seed))
        low, high = (end[0, 1] for end in found.distance_interval)
        inside += low <= apart <= high
        distances.append(found.distance[0, 1])
    assert inside / 200 > 0.91
    assert np.median(distances) == pytest.approx(apart, rel=0.08)


def test_intervals_narrow_with_more_paintings():
    centres = [np.zeros(16), np.full(16, 1.0)]
    widths = []
    for n in (20, 320):
        low, high = culture_distances(make_embeddings(("A", "B"), n, centres)).distance_interval
        widths.append(high[0, 1] - low[0, 1])
    assert widths[1] < widths[0] / 2.5


def test_equal_paintings_have_distance_zero():
    found = culture_distances(make_embeddings(("A", "B"), 4, [[1, 1], [1, 1]], noise=0))
    assert found.distance.tolist() == [[0, 0], [0, 0]]
    assert found.similarity.tolist() == [[0, 1], [1, 0]]


def test_no_culture_with_enough_paintings():
    assert culture_distances(make_embeddings(("A", "B"), 2)).distance.shape == (0, 0)


def test_small_cultures_are_marked_in_text_figures_and_tables():
    found = culture_distances(make_embeddings(("Dutch", "Indian", "French", "Chinese"), [5, 12, 12, 12]))
    for finding in (distance_finding(found), graph_finding(found), chord_finding(found), geography_finding(found)):
        assert "An asterisk marks cultures with fewer than 10 paintings" in finding.caption
    texts = [text.get_text() for text in distance_finding(found).figure.findobj(Text)]
    assert "Dutch*" in texts
    assert "Dutch" not in texts
    pairs = distance_finding(found).tables["culture_distances"]
    assert pairs["few_paintings"].sum() == 6
    inside = pairs["distance"].between(pairs["distance_low"], pairs["distance_high"])
    assert inside.all()


def test_one_estimate_is_in_matrix_geography_and_text():
    found = culture_distances(make_embeddings(("Dutch", "Indian", "French", "Chinese"), [5, 12, 12, 12]))
    finding, geography = distance_finding(found), geography_finding(found)
    pairs = finding.tables["culture_distances"].set_index(["culture", "other"])["distance"]
    for _, line in geography.tables["geography"].iterrows():
        assert line["distance"] == pairs[line["culture"], line["other"]]
    assert f"({pairs.min():.2f}, interval" in finding.caption
    assert finding.numbers["nearest"]["distance"] == pairs.min()


@pytest.mark.parametrize("make", [distance_finding, graph_finding, chord_finding, geography_finding])
def test_without_a_culture_of_three_paintings_nothing_is_drawn(make):
    assert make(culture_distances(make_embeddings(("Dutch", "Indian"), 2))).figure is None
