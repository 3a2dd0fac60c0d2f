import html
import re

import numpy as np
import pytest

from artculture.analysis.embedding.painting_map import (
    _fidelity,
    best_representation,
    map_finding,
    nearest_neighbours,
    neighbour_preservation,
    tsne_layout,
)
from tests.unit.analysis.synthetic import about, make_embeddings, picture


@pytest.mark.parametrize("n", [2, 3, 5, 6, 9])
def test_any_number_of_paintings_has_a_layout(n):
    places = tsne_layout(np.random.default_rng(0).normal(size=(n, 4)).astype("f4"))
    assert places.shape == (n, 2)
    assert np.isfinite(places).all()


def test_clusters_stay_together():
    embeddings = make_embeddings(("Dutch", "Indian"), 20, [[0] * 8, [30] * 8])
    places = tsne_layout(embeddings.features)
    apart = np.linalg.norm(places[:, None] - places, axis=2) + 1e9 * np.eye(40)
    np.testing.assert_array_equal(embeddings.labels[apart.argmin(axis=1)], embeddings.labels)


def test_nearest_paintings_by_hand():
    angles = np.radians([0.0, 10.0, 30.0, 70.0])
    found = nearest_neighbours(np.array([[1], [2], [1], [5]]) * np.stack([np.cos(angles), np.sin(angles)], axis=1), 2)
    assert found.tolist() == [[1, 2], [0, 2], [1, 0], [2, 1]]


def test_duplicates_are_neighbours_of_each_other_and_never_of_themselves():
    found = nearest_neighbours(np.array([[1.0, 0.0], [1.0, 0.0], [5.0, 1.0]], "f4"), 1)
    assert found[:2].ravel().tolist() == [1, 0]


def test_writes_every_painting_and_a_page_that_loads_nothing():
    embeddings = make_embeddings(("Dutch", "Indian", "French"), 5)
    finding = map_finding(embeddings, about(embeddings), picture)
    assert len(finding.tables["painting_map"]) == 15
    assert not re.search(r"https?://", finding.page)
    assert finding.page.count("</script>") == 2


def test_one_painting_has_no_map():
    embeddings = make_embeddings(("Dutch",), 1)
    assert map_finding(embeddings, about(embeddings)).page is None


def test_lengths_of_vectors_do_not_affect_neighbours():
    # Directions in three groups, lengths from 1 to 50 whatever the group.
    embeddings = make_embeddings(("Dutch", "Indian", "French"), 30, 10 * np.eye(3, 8), noise=0.5)
    embeddings.features[:] *= np.random.default_rng(1).uniform(0.1, 5, (90, 1)).astype("f4")
    raw, name, vectors = tsne_layout(embeddings.features), *best_representation(embeddings)
    assert name != "raw vectors"
    directions = embeddings.unit().features
    assert neighbour_preservation(directions, tsne_layout(vectors)) > neighbour_preservation(directions, raw) + 0.1
    same = embeddings.labels[nearest_neighbours(directions)] == embeddings.labels[:, None]
    assert same.all()


def test_the_preserved_share_is_on_figure_page_and_caption():
    embeddings = make_embeddings(("Dutch", "Indian", "French"), 8)
    finding = map_finding(embeddings, about(embeddings))
    kept = f"keeps {100 * finding.numbers['neighbours_kept']:.0f} % of each painting's 10 nearest"
    assert kept in finding.caption
    assert kept in html.unescape(finding.page)
    assert kept in finding.figure.get_supxlabel()
    assert finding.numbers["neighbours_kept_by_chance"] == pytest.approx(10 / 23)
    assert "close to random" not in finding.caption


@pytest.mark.parametrize(("kept", "warned"), [(0.02, True), (0.1, True), (0.34, False), (1.0, False)])
def test_a_map_near_chance_warns(kept, warned):
    assert ("close to random" in _fidelity(kept, 10 / 912, 913)) == warned


def test_few_paintings_get_no_warning():
    assert "close to random" not in _fidelity(1.0, 1.0, 5)
