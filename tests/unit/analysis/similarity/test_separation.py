import numpy as np
import pytest
from sklearn.metrics import silhouette_score

from artculture.analysis.similarity.culture_locations import region_of
from artculture.analysis.similarity.separation import distance_sums, separation, silhouettes
from tests.unit.analysis.synthetic import PAPER, make_embeddings

REGIONS = [region_of(name) for name in PAPER]


def _separation(embeddings, seed=0):
    sums = distance_sums(embeddings.features, embeddings.labels, len(embeddings.classes))
    return separation(sums, embeddings.labels, np.bincount(embeddings.labels), REGIONS, seed)


def test_silhouettes_equal_scikit_learns():
    embeddings = make_embeddings(counts=7)
    sums = distance_sums(embeddings.features, embeddings.labels, 11)
    codes = np.unique(REGIONS, return_inverse=True)[1]
    ours = silhouettes(sums, embeddings.labels, np.bincount(embeddings.labels), codes).mean()
    assert ours == pytest.approx(silhouette_score(embeddings.features, codes[embeddings.labels]), abs=1e-6)


def test_a_region_of_one_painting_counts_as_zero():
    sums = distance_sums(np.array([[0.0], [1.0], [5.0]], "f4"), np.arange(3), 3)
    assert silhouettes(sums, np.arange(3), np.ones(3, int), np.array([0, 0, 1]))[2] == 0


def test_planted_regions_get_the_least_p_of_all_groupings():
    place = {"Asian": (9, 0), "European": (0, 0), "North American": (0, 9)}
    found = _separation(make_embeddings(centres=[place[region] for region in REGIONS]))
    assert found.exact
    assert len(found.by_chance) == 1320  # 11! / (3! 7! 1!)
    assert found.p == 1 / 1320


def test_tight_cultures_without_regions_are_not_called_regions():
    # Each culture is a tight cluster at a random position: permuting paintings would find regions every time.
    found = [_separation(make_embeddings(seed=seed, noise=0.3, features=4, counts=4)).p for seed in range(20)]
    assert np.mean(np.array(found) <= 0.05) < 0.2
    assert np.mean(found) > 0.3


def test_many_cultures_are_permuted_at_random(monkeypatch):
    monkeypatch.setattr("artculture.analysis.similarity.separation.PERMUTATIONS", 99)
    runs = [_separation(make_embeddings(counts=3), seed=5) for _ in range(2)]
    assert not runs[0].exact
    np.testing.assert_array_equal(runs[0].by_chance, runs[1].by_chance)
