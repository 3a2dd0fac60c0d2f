import numpy as np
import pytest

from artculture.analysis.distances import culture_distances, l2, resampled_squares, similarity_of

from .synthetic import featurised


def test_distances_of_hand_made_means():
    # 3-4-5 triangle: means (0,0), (3,0), (0,4)
    subject = featurised(("A", "B", "C"), counts=4, centres=[(0, 0), (3, 0), (0, 4)], noise=0)
    found = culture_distances(subject, resamples=10)
    np.testing.assert_allclose(found.distance, [[0, 3, 4], [3, 0, 5], [4, 5, 0]], rtol=1e-6)


def test_similarity_is_the_papers_and_not_symmetric():
    # A: 1/3 and 1/4 of 7/12; B: 1/3 and 1/5 of 8/15; C: 1/4 and 1/5 of 9/20
    expected = [[0, 4 / 7, 3 / 7], [5 / 8, 0, 3 / 8], [5 / 9, 4 / 9, 0]]
    similarity = similarity_of(np.array([[0, 3, 4], [3, 0, 5], [4, 5, 0]], dtype=float))
    np.testing.assert_allclose(similarity, expected, rtol=1e-12)
    np.testing.assert_allclose(similarity.sum(axis=1), 1)
    assert similarity[0, 1] != similarity[1, 0]


def test_cultures_at_distance_zero_share_everything():
    similarity = similarity_of(np.array([[0, 0, 0, 5], [0, 0, 0, 5], [0, 0, 0, 5], [5, 5, 5, 0]], dtype=float))
    np.testing.assert_allclose(similarity[0], [0, 0.5, 0.5, 0])
    np.testing.assert_allclose(similarity[3], [1 / 3, 1 / 3, 1 / 3, 0])


@pytest.mark.parametrize("scale", [1e-320, 1e-12, 1.0, 1e200])
def test_similarity_does_not_hang_on_the_unit(scale):
    similarity = similarity_of(scale * np.array([[0, 3, 4], [3, 0, 5], [4, 5, 0]], dtype=float))
    np.testing.assert_allclose(similarity[0], [0, 4 / 7, 3 / 7], rtol=1e-2)


def test_one_culture_alone_resembles_none():
    assert similarity_of(np.zeros((1, 1))).tolist() == [[0.0]]


def test_a_culture_without_paintings_is_left_out_and_named():
    found = culture_distances(featurised(("A", "B", "C"), counts=[5, 0, 5]), resamples=10)
    assert (found.cultures, found.absent, found.counts.tolist()) == (("A", "C"), ("B",), [5, 5])


def test_splits_choose_the_paintings():
    subject = featurised(("A", "B"), counts=8)
    found = culture_distances(subject, splits=("test",), resamples=10)
    rows = subject.members("test")
    first = subject.features[rows][subject.labels[rows] == 0].mean(axis=0)
    assert found.counts.tolist() == [2, 2]
    np.testing.assert_allclose(found.means[0], first, rtol=1e-5)


def test_resampled_squares_equal_resampling_one_by_one():
    rng = np.random.default_rng(3)
    groups = [rng.normal(size=(n, 5)).astype("f4") for n in (4, 6)]
    squares = resampled_squares(groups, resamples=7, seed=11)
    draws = np.random.default_rng(11)
    weights = [draws.multinomial(len(group), np.full(len(group), 1 / len(group)), size=7) for group in groups]
    for resample in range(7):
        means = [np.repeat(group, w[resample], axis=0).mean(axis=0) for group, w in zip(groups, weights, strict=True)]
        assert squares[resample, 0, 1] == pytest.approx(float(((means[0] - means[1]) ** 2).sum()), rel=1e-4)


def test_features_beyond_a_block_count_too():
    groups = [np.zeros((3, 1300), "f4"), np.ones((3, 1300), "f4")]
    assert resampled_squares(groups, 2, 0)[:, 0, 1] == pytest.approx([1300, 1300])


def test_intervals_narrow_with_more_paintings():
    centres = [np.zeros(16), np.full(16, 1.0)]
    widths = []
    for n in (20, 320):
        low, high = culture_distances(featurised(("A", "B"), n, centres), resamples=400).distance_interval
        widths.append(high[0, 1] - low[0, 1])
    assert widths[1] < widths[0] / 2.5


def test_intervals_cover_the_true_distance_although_the_plain_one_is_inflated():
    # In 30 dimensions with 20 paintings a culture, the plain distance is off by more than the interval's width.
    centres, covered, inflated = [np.zeros(30), np.full(30, 0.5)], 0, 0
    for seed in range(120):
        found = culture_distances(featurised(("A", "B"), 20, centres, seed=seed), resamples=200, seed=seed)
        low, high = (end[0, 1] for end in found.distance_interval)
        covered += low <= np.sqrt(30 * 0.25) <= high
        inflated += found.distance[0, 1] > np.sqrt(30 * 0.25)
    assert covered / 120 > 0.88
    assert inflated > 90


def test_the_corrected_distance_is_right_on_average():
    centres = [np.zeros(30), np.full(30, 0.5)]
    squares = [
        culture_distances(featurised(("A", "B"), 20, centres, seed=seed), resamples=2).corrected[0, 1] ** 2
        for seed in range(100)
    ]
    assert np.mean(squares) == pytest.approx(7.5, rel=0.08)


def test_similarity_intervals_stay_shares():
    low, high = culture_distances(featurised(counts=5), resamples=100).similarity_interval
    assert (low >= 0).all()
    assert (high <= 1).all()
    assert (low <= high).all()


def test_the_same_seed_gives_the_same_intervals():
    runs = [culture_distances(featurised(), resamples=50, seed=4).distance_interval for _ in range(2)]
    np.testing.assert_array_equal(runs[0], runs[1])


def test_l2_of_equal_means_is_zero():
    assert l2(np.ones((2, 3))).tolist() == [[0, 0], [0, 0]]
