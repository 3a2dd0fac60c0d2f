import networkx as nx
import numpy as np
import pytest

from artculture.analysis.similarity.communities import find_communities, region_agreement
from artculture.analysis.similarity.culture_graph import graph_finding
from artculture.analysis.similarity.culture_locations import region_of
from tests.unit.analysis.synthetic import PAPER, distances


def test_two_cliques_are_two_communities():
    graph = nx.disjoint_union(nx.complete_graph(3), nx.complete_graph(4))
    graph.add_edge(0, 3, weight=0.1)
    assert find_communities(graph, 0).tolist() == [0, 0, 0, 1, 1, 1, 1]


def test_agreement_of_six_cultures_by_hand():
    # 3 of 6 cultures can be chosen in 20 ways, two of which give these communities.
    cultures = ("Chinese", "Indian", "Japanese", "Dutch", "French", "German")
    found = region_agreement(cultures, np.array([0, 0, 0, 1, 1, 1]), 0)
    assert (found.rand, found.p) == (1, pytest.approx(2 / 20))
    assert found.verdict == "too few"


@pytest.mark.parametrize("cultures", [("Baroque", "Dutch", "Indian"), ("Dutch", "French")])
def test_classes_without_two_regions_have_no_agreement(cultures):
    assert region_agreement(cultures, np.arange(len(cultures)), 0) is None


def near_in_regions(inside, outside):
    same = np.array([[region_of(a) == region_of(b) for b in PAPER] for a in PAPER])
    return distances(np.where(same, inside, outside) * (1 - np.eye(len(PAPER))))


def test_the_graph_says_that_its_communities_follow_the_regions():
    finding = graph_finding(near_in_regions(1.0, 20.0))
    assert finding.numbers["communities"]["verdict"] == "significant"
    assert "They follow the regions (adjusted Rand index" in finding.alt
    assert finding.alt in finding.caption


def test_the_graph_does_not_claim_what_is_not_there():
    finding = graph_finding(distances(1 - np.eye(11)))
    assert "follow the regions (" not in finding.alt.replace("not significantly follow", "")
