"""Communities of the graph of cultures, and a test of whether they follow the regions."""

from dataclasses import dataclass

import networkx as nx
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score

from artculture.analysis.claims import least_p, permutation_p, verdict
from artculture.analysis.similarity.culture_locations import OTHER, region_of
from artculture.analysis.similarity.separation import groupings, region_codes


@dataclass(frozen=True)
class RegionAgreement:
    """Agreement of communities and regions.

    Attributes:
        rand: adjusted Rand index: 1 if the two groupings are equal, 0 on average by chance.
        p: share of assignments of the region labels to the cultures that agree at least as well.
        verdict: as of `claims.verdict`.
    """

    rand: float
    p: float
    verdict: str


def find_communities(graph: nx.Graph, seed: int) -> NDArray[np.int64]:
    """Return the community of each node 0, 1, … of a weighted graph by the Louvain method, int64 N.

    Communities are numbered by their first node.
    """
    found = nx.community.louvain_communities(graph, weight="weight", seed=seed)
    number = np.zeros(len(graph), dtype=np.int64)
    for place, members in enumerate(sorted(found, key=min)):
        number[list(members)] = place
    return number


def region_agreement(cultures: tuple[str, ...], community: NDArray[np.int64], seed: int) -> RegionAgreement | None:
    """Test whether communities follow the regions; None for classes without regions, or of one region alone."""
    regions = [region_of(name) for name in cultures]
    if OTHER in regions or len(set(regions)) < 2:
        return None
    truth = region_codes(regions)
    one, other = np.triu_indices(len(cultures), 1)
    together = community[one] == community[other]
    assigned, exact = groupings(truth, seed)
    codes = np.array(assigned)
    # With the sizes of all groups fixed, the Rand index grows with the pairs that are together in both groupings.
    common = ((codes[:, one] == codes[:, other]) & together).sum(axis=1).astype(np.float64)
    observed = float(((truth[one] == truth[other]) & together).sum())
    p = permutation_p(common, observed, exact=exact)
    rand = float(adjusted_rand_score(truth, community))
    return RegionAgreement(rand, p, verdict(p, least_p(common, exact=exact)))
