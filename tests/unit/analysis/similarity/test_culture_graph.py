import numpy as np
import pytest
from scipy.spatial.distance import squareform

from artculture.analysis.similarity.culture_graph import edge_weights, force_atlas, graph_finding
from tests.unit.analysis.synthetic import PAPER, distances


def _two_groups():
    places = np.array([0, 1, 2, 20, 21, 22], dtype=float)[:, None]
    return distances(np.abs(places - places.T))


def test_an_edge_is_the_mean_of_both_similarities():
    weights = edge_weights(distances([[0, 3, 4], [3, 0, 5], [4, 5, 0]]))
    assert weights[0, 1] == pytest.approx((4 / 7 + 5 / 8) / 2)
    np.testing.assert_array_equal(weights, weights.T)


@pytest.mark.parametrize("seed", range(3))
def test_similar_cultures_are_placed_together(seed):
    layout = force_atlas(_two_groups(), seed)
    apart = np.linalg.norm(layout[:, None] - layout, axis=2)
    assert apart[:3, :3].max() < apart[:3, 3:].min()


def test_the_start_is_random_and_seeded():
    found = _two_groups()
    np.testing.assert_array_equal(force_atlas(found, 1), force_atlas(found, 1))
    assert not np.allclose(force_atlas(found, 1), force_atlas(found, 2))


@pytest.mark.parametrize("n", [1, 2])
def test_draws_few_cultures(n):
    assert len(graph_finding(distances(1 - np.eye(n))).tables["culture_graph_nodes"]) == n


def test_labels_without_a_geography_have_no_regions():
    found = graph_finding(distances(1 - np.eye(3), ["Baroque", "Cubism", "Rococo"]))
    assert "region" not in found.tables["culture_graph_nodes"]


def test_cultures_that_coincide_are_drawn():
    assert np.isfinite(force_atlas(distances(np.zeros((4, 4))), 0)).all()


def test_tables_hold_every_node_and_edge():
    matrix = squareform(np.random.default_rng(0).uniform(1, 3, 55))
    finding = graph_finding(distances(matrix, PAPER, np.arange(3, 14)))
    assert len(finding.tables["culture_graph_nodes"]) == 11
    assert "region" in finding.tables["culture_graph_nodes"]
    assert len(finding.tables["culture_graph_edges"]) == 55
    assert finding.numbers["spearman_of_layout_and_distance"]["starts"] == 10
