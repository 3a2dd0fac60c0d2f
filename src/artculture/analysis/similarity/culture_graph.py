"""Graph of the cultures with a ForceAtlas2 layout (Figure 6 of the paper)."""

from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr

from artculture.analysis import plotting_style
from artculture.analysis.claims import SIGNIFICANT, TOO_FEW, p_text
from artculture.analysis.figure import Finding
from artculture.analysis.many_classes import SHOWN, are_many, largest, some
from artculture.analysis.similarity.communities import RegionAgreement, find_communities, region_agreement
from artculture.analysis.similarity.culture_colours import culture_colours
from artculture.analysis.similarity.culture_locations import OTHER, region_of
from artculture.analysis.similarity.distances import CultureDistances

NAME, TITLE = "culture_graph", "Graph of culture similarities"
# Random initial positions that are compared, to measure how much the layout depends on them.
STARTS = 10
STARTS_OF_MANY = 2
MOST_EDGES = 2000  # drawn between many cultures
ITERATIONS = 300
# Edge weight influence of ForceAtlas2: attraction grows with the weight to this power. Similarities of many cultures
# are nearly equal, so that with 1 the layout would be close to a ring whatever the data.
INFLUENCE = 3


def graph_finding(distances: CultureDistances, seed: int = 0) -> Finding:
    """Draw the layout of one seeded start and measure the fidelity of layouts from other starts."""
    if not distances.cultures:
        return Finding(NAME, TITLE, "Left out: no culture has at least three paintings.")
    layout = force_atlas(distances, seed)
    starts = STARTS_OF_MANY if are_many(distances.cultures) else STARTS
    others = (force_atlas(distances, seed + start) for start in range(1, starts))
    agreement = [_agreement(distances, placed) for placed in (layout, *others)]
    numbers: dict[str, Any] = {"seed": seed, "iterations": ITERATIONS, "edge_weight_influence": INFLUENCE}
    caption = (
        "Each dot is a culture, coloured by a shade of its region's hue; its area grows with its number of paintings. "
        "Edges attract (weight: the mean of the two normalised similarities, of A to B and of B to A; darker is "
        "stronger), all dots repel each other, and "
        f"ForceAtlas2 (edge weight influence {INFLUENCE}) finds the layout from random initial positions. "
        f"Only closeness is meaningful, directions are not. {distances.note()}"
    )
    if are_many(distances.cultures):
        caption += (
            f"Named are the {SHOWN} cultures with the most paintings; the {MOST_EDGES:,} strongest edges are drawn. "
        )
    community = find_communities(weighted_graph(distances), seed)
    agreement_with_regions = region_agreement(distances.cultures, community, seed)
    said = _community_claim(distances, community, agreement_with_regions)
    caption += said + " "
    numbers["communities"] = {"number": int(community.max()) + 1}
    if agreement_with_regions is not None:
        rand = agreement_with_regions
        numbers["communities"] |= {"adjusted_rand": rand.rand, "p": rand.p, "verdict": rand.verdict}
    known = [value for value in agreement if value is not None]
    if known:
        numbers["spearman_of_layout_and_distance"] = {
            "shown": agreement[0],
            "median": float(np.median(known)),
            "least": min(known),
            "starts": starts,
        }
        caption += (
            f"Fidelity: the rank correlation of distances in the layout with the measured distances is {known[0]:.2f} "
            f"here; over {starts} starts its median is {np.median(known):.2f} and its minimum {min(known):.2f}."
        )
    return Finding(
        NAME,
        TITLE,
        caption.strip(),
        _figure(distances, layout),
        {"culture_graph_nodes": _nodes(distances, layout, community), "culture_graph_edges": _edges(distances)},
        numbers,
        alt=said,
    )


def edge_weights(distances: CultureDistances) -> NDArray[np.float64]:
    """Return the mean of the similarities in both directions, symmetric C x C."""
    weights: NDArray[np.float64] = (distances.similarity + distances.similarity.T) / 2
    return weights


def force_atlas(distances: CultureDistances, seed: int) -> NDArray[np.float64]:
    """Return ForceAtlas2 positions C x 2, centred and scaled so that the largest distance from the centre is 1."""
    n = len(distances.cultures)
    if n < 2:
        return np.zeros((n, 2))
    graph = weighted_graph(distances)
    start = np.random.default_rng(seed).uniform(-1, 1, (n, 2))
    placed = nx.forceatlas2_layout(graph, pos=dict(enumerate(start)), max_iter=ITERATIONS, weight="weight", seed=seed)
    positions: NDArray[np.float64] = np.array([placed[i] for i in range(n)])
    positions -= positions.mean(axis=0)
    farthest = float(np.linalg.norm(positions, axis=1).max())
    positions /= farthest if farthest > 0 else 1.0
    return positions


def weighted_graph(distances: CultureDistances) -> nx.Graph:
    """Return the graph of the cultures 0, 1, …, its weights as layout and communities use them."""
    weights = edge_weights(distances)
    n = len(weights)
    graph = nx.Graph()
    graph.add_nodes_from(range(n))
    # Weights are scaled to mean 1, so that attraction and repulsion balance for any number of cultures.
    scale = (n * (n - 1) / 2) / max(float(np.triu(weights, 1).sum()), 1e-12)
    graph.add_weighted_edges_from(
        (a, b, float(weights[a, b] * scale) ** INFLUENCE)
        for a in range(n)
        for b in range(a + 1, n)
        if weights[a, b] > 0
    )
    return graph


def _community_claim(distances: CultureDistances, community: NDArray[np.int64], regions: RegionAgreement | None) -> str:
    """Return the sentence about the communities, by the test of their agreement with the regions."""
    count = int(community.max()) + 1
    if count == 1:
        return "The graph is a single community (Louvain method)."
    members = [[distances.cultures[i] for i in np.flatnonzero(community == place)] for place in range(count)]
    text = f"The graph has {count} communities (Louvain method): {'; '.join(some(names) for names in members[:SHOWN])}."
    if regions is None:
        return text
    result = f"adjusted Rand index {regions.rand:.2f}, {p_text(regions.p)}"
    if regions.verdict == TOO_FEW:
        return f"{text} These are too few cultures to say whether communities follow the regions ({result})."
    follow = "follow" if regions.verdict == SIGNIFICANT else "do not significantly follow"
    return f"{text} They {follow} the regions ({result})."


def _agreement(distances: CultureDistances, layout: NDArray[np.float64]) -> float | None:
    upper = np.triu_indices(len(layout), 1)
    actual, drawn = distances.distance[upper], pdist(layout)
    if len(drawn) < 3 or np.ptp(actual) == 0 or np.ptp(drawn) == 0:
        return None
    return float(spearmanr(actual, drawn).statistic)


def _nodes(distances: CultureDistances, layout: NDArray[np.float64], community: NDArray[np.int64]) -> pd.DataFrame:
    regions = [region_of(name) for name in distances.cultures]
    return pd.DataFrame(
        {
            "culture": distances.cultures,
            **({"region": regions} if set(regions) != {OTHER} else {}),
            "community": community,
            "paintings": distances.counts,
            "few_paintings": [name in distances.small for name in distances.cultures],
            "x": layout[:, 0].round(6),
            "y": layout[:, 1].round(6),
        }
    )


def _edges(distances: CultureDistances) -> pd.DataFrame:
    weights = edge_weights(distances)
    pairs = np.argwhere(np.triu(weights, 1) > 0)
    rows = [(distances.cultures[a], distances.cultures[b], weights[a, b]) for a, b in pairs]
    return pd.DataFrame(rows, columns=["culture", "other", "weight"])


def _figure(distances: CultureDistances, layout: NDArray[np.float64]) -> Figure:
    many = are_many(distances.cultures)
    figure, (axes,) = plotting_style.panels(8.4, 7.4) if many else plotting_style.panels(6.4, 5.6)
    weights = edge_weights(distances)
    pairs = np.argwhere(np.triu(weights, 1) > 0)
    if many:  # weaker edges would be invisible
        strongest = np.argsort(-weights[tuple(pairs.T)], kind="stable")[:MOST_EDGES]
        pairs = pairs[strongest]
    strengths = np.array([weights[a, b] for a, b in pairs])
    regions = [region_of(name) for name in distances.cultures]
    colours = culture_colours([*distances.cultures, *distances.absent])
    with plotting_style.styled():
        axes.set_axis_off()
        axes.set_aspect("equal")
        axes.set_xlim(*_around(layout[:, 0]))
        axes.set_ylim(*_around(layout[:, 1]))
        if len(pairs):
            order = np.argsort(strengths)
            rank = strengths / strengths.max()
            # Strong edges are drawn on top of weak ones.
            lines = [layout[list(pairs[i])] for i in order]
            inks = [(0.25, 0.24, 0.22, 0.04 + 0.6 * rank[i] ** 4) for i in order]
            axes.add_collection(LineCollection(lines, colors=inks, linewidths=0.4 + 2.8 * rank[order] ** 4))
        # Area in square points, relative to the largest culture, with a minimum that stays visible.
        areas = (8 if many else 40) + (120 if many else 900) * distances.counts / distances.counts.max()
        axes.scatter(
            layout[:, 0],
            layout[:, 1],
            s=areas,
            color=[colours[name] for name in distances.cultures],
            edgecolor="white",
            linewidth=1.2,
            zorder=3,
        )
        plotting_style.region_legend(figure, regions, loc="outside lower center", ncols=4)
    named = set(largest(distances.counts)) if many else set(range(len(distances.cultures)))
    names = [
        f"{distances.label(name)} ({distances.counts[i]:,})" if i in named else ""
        for i, name in enumerate(distances.cultures)
    ]
    points = [(float(x), float(y)) for x, y in layout]
    plotting_style.place_labels(
        axes, points, names, list(np.sqrt(areas) / 2), fontsize=9, zorder=4, path_effects=[plotting_style.halo()]
    )
    return figure


def _around(values: NDArray[np.float64]) -> tuple[float, float]:
    margin = max(0.22 * float(np.ptp(values)), 0.3)
    return float(values.min()) - margin, float(values.max()) + margin
