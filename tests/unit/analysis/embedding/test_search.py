import numpy as np
import pytest

from artculture.analysis.embedding import search
from artculture.analysis.embedding.neighbours import most_similar
from artculture.analysis.embedding.search import nearest, unit_vectors

RNG = np.random.default_rng(0)
VECTORS = unit_vectors(RNG.normal(size=(60, 5)))


def brute(candidates, queries, k):
    similar = queries @ candidates.T
    order = np.argsort(-similar, axis=1)[:, :k]
    return order, np.take_along_axis(similar, order, axis=1)


@pytest.mark.parametrize("k", [1, 4, 60])
@pytest.mark.parametrize("block", [7, 100])
def test_it_finds_what_a_whole_sort_finds(monkeypatch, k, block):
    monkeypatch.setattr(search, "CANDIDATES", block)
    monkeypatch.setattr(search, "QUERIES", 4)
    positions, similarities = nearest(VECTORS, VECTORS[:9], k)
    expected = brute(VECTORS, VECTORS[:9], k)
    assert np.array_equal(positions, expected[0])
    assert similarities == pytest.approx(expected[1])


def test_no_queries_and_zero_vectors():
    assert nearest(VECTORS, VECTORS[:0], 3)[0].shape == (0, 3)
    assert not unit_vectors(np.zeros((1, 3))).any()


def test_a_painting_is_not_its_own_neighbour_even_among_copies():
    features = np.repeat(RNG.normal(size=(3, 4)), 4, axis=0).astype(np.float32)
    among = np.arange(10, dtype=np.int64)
    positions, similarities = most_similar(features, among, None, 2)
    assert positions.shape == similarities.shape == (10, 2)
    assert not (positions == among[:, None]).any()
    assert similarities[0] == pytest.approx([1, 1])
