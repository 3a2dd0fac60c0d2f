"""Figure 6: cultures as a graph, drawn by ForceAtlas2 from a random start."""

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
from artculture.analysis.figure import Finding
from artculture.analysis.similarity.culture_locations import region_of
from artculture.analysis.similarity.distances import CultureDistances

NAME, TITLE = "culture_graph", "The cultures as a graph"
# Starts whose layouts are compared, to say how far the picture hangs on chance.
STARTS = 10
ITERATIONS = 300
# ForceAtlas2's edge weight influence: pull grows with weight to this power. Similarities of many cultures are nearly
# even, and at 1 the layout would be nearly a ring whatever they say.
INFLUENCE = 3


def graph_finding(found: CultureDistances, seed: int = 0) -> Finding:
    """The layout from one seeded start, and how faithful layouts from other starts are."""
    if not found.cultures:
        return Finding(NAME, TITLE, "Left out: no culture has as many as three paintings.")
    layout = force_atlas(found, seed)
    agreement = [_agreement(found, force_atlas(found, seed + start)) for start in range(STARTS)]
    numbers: dict[str, Any] = {"seed": seed, "iterations": ITERATIONS, "edge_weight_influence": INFLUENCE}
    caption = (
        "Every dot is a culture, its area the number of its paintings. All cultures pull one another along edges as "
        "strongly as they are similar (the mean of the two normalised similarities, of A to B and of B to A, makes one "
        "edge; darker is stronger) and push one another off; ForceAtlas2 lets them settle from a random start (edge "
        f"weight influence {INFLUENCE}). "
        f"Directions mean nothing, nearness does. {found.note()}"
    )
    known = [value for value in agreement if value is not None]
    if known:
        numbers["spearman_of_layout_and_distance"] = {
            "shown": agreement[0],
            "median": float(np.median(known)),
            "least": min(known),
            "starts": STARTS,
        }
        caption += (
            f"How well it tells the true distances: their rank correlation with those on paper is {known[0]:.2f} here, "
            f"{np.median(known):.2f} at the median over {STARTS} starts and {min(known):.2f} at the worst."
        )
    return Finding(
        NAME,
        TITLE,
        caption.strip(),
        _figure(found, layout),
        {"culture_graph_nodes": _nodes(found, layout), "culture_graph_edges": _edges(found)},
        numbers,
        alt="Network of cultures: similar ones stand close together; colours show their regions.",
    )


def edge_weights(found: CultureDistances) -> NDArray[np.float64]:
    """One weight a pair: the mean of both directions' similarities, C x C."""
    weights: NDArray[np.float64] = (found.similarity + found.similarity.T) / 2
    return weights


def force_atlas(found: CultureDistances, seed: int) -> NDArray[np.float64]:
    """Positions C x 2, centred, the farthest culture at distance 1 from the middle."""
    weights = edge_weights(found)
    n = len(weights)
    if n < 2:
        return np.zeros((n, 2))
    graph = nx.Graph()
    graph.add_nodes_from(range(n))
    # The mean weight is made 1, so that pull and push balance at any number of cultures.
    scale = (n * (n - 1) / 2) / max(float(np.triu(weights, 1).sum()), 1e-12)
    graph.add_weighted_edges_from(
        (a, b, float(weights[a, b] * scale) ** INFLUENCE)
        for a in range(n)
        for b in range(a + 1, n)
        if weights[a, b] > 0
    )
    start = np.random.default_rng(seed).uniform(-1, 1, (n, 2))
    placed = nx.forceatlas2_layout(graph, pos=dict(enumerate(start)), max_iter=ITERATIONS, weight="weight", seed=seed)
    positions: NDArray[np.float64] = np.array([placed[i] for i in range(n)])
    positions -= positions.mean(axis=0)
    farthest = float(np.linalg.norm(positions, axis=1).max())
    positions /= farthest if farthest > 0 else 1.0
    return positions


def _agreement(found: CultureDistances, layout: NDArray[np.float64]) -> float | None:
    upper = np.triu_indices(len(layout), 1)
    distances, drawn = found.distance[upper], pdist(layout)
    if len(drawn) < 3 or np.ptp(distances) == 0 or np.ptp(drawn) == 0:
        return None
    return float(spearmanr(distances, drawn).statistic)


def _nodes(found: CultureDistances, layout: NDArray[np.float64]) -> pd.DataFrame:
    regions = [region_of(name) for name in found.cultures]
    return pd.DataFrame(
        {
            "culture": found.cultures,
            "region": regions,
            "paintings": found.counts,
            "few_paintings": [name in found.small for name in found.cultures],
            "x": layout[:, 0].round(6),
            "y": layout[:, 1].round(6),
        }
    )


def _edges(found: CultureDistances) -> pd.DataFrame:
    weights = edge_weights(found)
    pairs = np.argwhere(np.triu(weights, 1) > 0)
    rows = [(found.cultures[a], found.cultures[b], weights[a, b]) for a, b in pairs]
    return pd.DataFrame(rows, columns=["culture", "other", "weight"])


def _figure(found: CultureDistances, layout: NDArray[np.float64]) -> Figure:
    figure, (axes,) = plotting_style.panels(6.4, 5.6)
    weights = edge_weights(found)
    pairs = np.argwhere(np.triu(weights, 1) > 0)
    strengths = np.array([weights[a, b] for a, b in pairs])
    regions = [region_of(name) for name in found.cultures]
    with plotting_style.styled():
        axes.set_axis_off()
        axes.set_aspect("equal")
        axes.set_xlim(*_around(layout[:, 0]))
        axes.set_ylim(*_around(layout[:, 1]))
        if len(pairs):
            order = np.argsort(strengths)
            rank = strengths / strengths.max()
            lines = [layout[list(pairs[i])] for i in order]
            colours = [(0.25, 0.24, 0.22, 0.04 + 0.6 * rank[i] ** 4) for i in order]
            axes.add_collection(LineCollection(lines, colors=colours, linewidths=0.4 + 2.8 * rank[order] ** 4))
        # Area in square points, by share of the largest culture; the smallest is still seen.
        areas = 40 + 900 * found.counts / found.counts.max()
        axes.scatter(
            layout[:, 0],
            layout[:, 1],
            s=areas,
            color=[plotting_style.REGIONS.get(region, plotting_style.ELSEWHERE) for region in regions],
            edgecolor="white",
            linewidth=1.2,
            zorder=3,
        )
        plotting_style.region_legend(axes, regions, loc="upper left", bbox_to_anchor=(0, 1.02))
    names = [f"{found.label(name)} ({count:,})" for name, count in zip(found.cultures, found.counts, strict=True)]
    points = [(float(x), float(y)) for x, y in layout]
    plotting_style.place_labels(
        axes, points, names, list(np.sqrt(areas) / 2), fontsize=9, zorder=4, path_effects=[plotting_style.halo()]
    )
    return figure


def _around(values: NDArray[np.float64]) -> tuple[float, float]:
    margin = max(0.22 * float(np.ptp(values)), 0.3)
    return float(values.min()) - margin, float(values.max()) + margin
