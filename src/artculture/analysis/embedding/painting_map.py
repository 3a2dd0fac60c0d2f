"""A map of all paintings: those that look alike to the classifier lie together."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.neighbors import NearestNeighbors

from artculture.analysis import plotting_style
from artculture.analysis.embedding.map_page.builder import MapPageData, render_page
from artculture.analysis.embedding.neighbours import most_similar
from artculture.analysis.figure import Finding
from artculture.analysis.model_under_study import Embeddings
from artculture.analysis.similarity.culture_locations import by_region, region_of

NAME, TITLE = "painting_map", "A map of all paintings"
NEIGHBOURS = 6
COMPONENTS = 50
# More small panels than these could not be read.
PANELS = 20
# The share of all paintings from which on a culture is named on the large map.
NAMED_FROM = 0.02

# Beyond this many paintings a seeded sample chooses what is laid out.
TRIED = 500
# A layout that keeps no more than this share of the nearest, chance taken off, is not worth looking at.
MEANINGLESS = 0.1

Picture = Callable[[int], NDArray[np.uint8]]


def map_finding(embeddings: Embeddings, about: pd.DataFrame, picture: Picture | None = None, seed: int = 0) -> Finding:
    """The map as a figure and as a page on which every painting can be looked at.

    Args:
        embeddings: at least two paintings.
        about: `object_id`, `title`, `artist`, `date` and `culture` of each, in the same order.
        picture: pixels (H x W x 3, uint8) of a position; None makes a page without thumbnails.
        seed: of the layout.
    """
    if len(embeddings.labels) < 2:
        return Finding(NAME, TITLE, "Left out: there is only one painting.")
    name, vectors = representation(embeddings, seed)
    places, neighbours = layout(vectors, seed), nearest(embeddings.features)
    kept, chance = neighbour_preservation(embeddings.features, places), _count(len(places)) / (len(places) - 1)
    fidelity = _fidelity(kept, chance, len(places))
    chances = embeddings.probabilities()
    guessed = chances.argmax(axis=1)
    table = about[["object_id", "title", "artist", "date", "culture"]].assign(
        split=embeddings.split,
        predicted=[embeddings.classes[label] for label in guessed],
        probability=chances.max(axis=1),
        x=places[:, 0].round(3),
        y=places[:, 1].round(3),
    )
    numbers: dict[str, Any] = {
        "paintings": len(places),
        "neighbours_kept": kept,
        "neighbours_kept_by_chance": chance,
        "representation": name,
    }
    caption = (
        f"Every dot is one of {len(places):,} paintings, placed by t-SNE ({name}) so that those with like feature "
        "vectors lie together. Large: coloured by region; small: each culture by itself, over all others in grey. Only "
        "nearness counts: directions, the size of a cloud and the gap between two clouds mean nothing. "
        f"{fidelity} Nearest is by cosine similarity of the feature vectors. The page beside it shows each painting, "
        "and its nearest ones, when pointed at."
    )
    regions = tuple(region_of(name) for name in embeddings.classes)
    page_data = MapPageData(table, embeddings.classes, regions, neighbours, fidelity)
    return Finding(
        NAME,
        TITLE,
        caption,
        _figure(embeddings, places, fidelity),
        {NAME: table},
        numbers,
        page=render_page(page_data, picture),
        alt="Map of dots, one a painting, coloured by region, beside small copies that each mark one culture.",
    )


def representation(embeddings: Embeddings, seed: int = 0) -> tuple[str, NDArray[np.float32]]:
    """The form of the feature vectors whose layout keeps the most nearest paintings: its name, and N x features."""
    unit, raw = embeddings.unit().features, embeddings.features
    spread = raw.std(axis=0)
    forms = {
        "vectors of length 1": unit,
        "raw vectors": raw,
        "standardised features": (raw - raw.mean(axis=0)) / np.where(spread > 0, spread, 1),
    }
    tried = np.arange(len(raw))
    if len(raw) > TRIED:
        tried = np.sort(np.random.default_rng(seed).choice(len(raw), TRIED, replace=False))
    kept = {name: neighbour_preservation(unit[tried], layout(form[tried], seed)) for name, form in forms.items()}
    best = max(kept, key=lambda name: kept[name])
    return best, forms[best]


def layout(features: NDArray[np.float32], seed: int = 0) -> NDArray[np.float64]:
    """Positions N x 2 by t-SNE over at most 50 principal components; fewer than six paintings by these alone."""
    n = len(features)
    if not np.ptp(features, axis=0).any():
        return np.zeros((n, 2))
    kept = min(COMPONENTS, n - 1, features.shape[1])
    reduced = PCA(kept, random_state=seed).fit_transform(features.astype(np.float64))
    if n < 6:
        padded: NDArray[np.float64] = np.pad(reduced[:, :2], ((0, 0), (0, max(0, 2 - kept))))
        return padded
    # The usual 30 neighbours, or fewer where there are few paintings.
    perplexity = min(30.0, (n - 1) / 3)
    places: NDArray[np.float64] = TSNE(2, perplexity=perplexity, init="pca", random_state=seed).fit_transform(reduced)
    return places.astype(np.float64)


def nearest(features: NDArray[np.float32], count: int = NEIGHBOURS) -> NDArray[np.int64]:
    """Positions of each painting's nearest others by cosine similarity, nearest first, N x at most `count`."""
    return most_similar(features, np.arange(len(features)), None, min(count, len(features) - 1))[0]


def neighbour_preservation(features: NDArray[np.float32], places: NDArray[np.float64]) -> float:
    """Mean share of each painting's ten nearest by features that are among its ten nearest on the map."""
    ours = nearest(features, 10)
    theirs = np.asarray(NearestNeighbors(n_neighbors=ours.shape[1]).fit(places).kneighbors(return_distance=False))
    return float((ours[:, :, None] == theirs[:, None, :]).any(axis=2).mean())


def _count(paintings: int) -> int:
    return min(10, paintings - 1)


def _fidelity(kept: float, chance: float, paintings: int) -> str:
    """How far the map can be believed, for caption, figure and page."""
    text = (
        f"The map keeps {100 * kept:.0f} % of each painting's {_count(paintings)} nearest ones; chance would keep "
        f"{100 * chance:.0f} %."
    )
    if chance < 1 and (kept - chance) / (1 - chance) < MEANINGLESS:
        text += " That is next to nothing: what lies together here need not be alike."
    return text


def _figure(embeddings: Embeddings, places: NDArray[np.float64], fidelity: str) -> Figure:
    counts = np.bincount(embeddings.labels, minlength=len(embeddings.classes))
    present = [i for i in by_region(embeddings.classes) if counts[i]]
    if len(present) > PANELS:
        largest = set(sorted(present, key=lambda i: -counts[i])[:PANELS])
        present = [i for i in present if i in largest]
    columns = math.ceil(math.sqrt(len(present) * 0.8))
    rows = math.ceil(len(present) / columns)
    figure = plotting_style.new_figure(5.0 + 1.28 * columns, 5.0)
    with plotting_style.styled():
        grid = figure.add_gridspec(1, 2, width_ratios=[5.0, 1.28 * columns])
        large = figure.add_subplot(grid[0])
        _dots(large, embeddings, places)
        figure.supxlabel(fidelity, fontsize=8.5)
        small = grid[1].subgridspec(rows, columns)
        for place, label in enumerate(present):
            axes = figure.add_subplot(small[place // columns, place % columns])
            _one_culture(axes, embeddings, places, label)
    # A name in the midst of a few scattered dots would only mislead: those cultures have their small panel.
    named = [label for label in present if counts[label] >= NAMED_FROM * len(places)]
    middles = [_medoid(places[embeddings.labels == label]) for label in named]
    names = [embeddings.classes[label] for label in named]
    style: dict[str, Any] = {"fontsize": 9, "fontweight": "bold", "zorder": 5, "path_effects": [plotting_style.halo()]}
    plotting_style.place_labels(large, middles, names, 0.5, **style)
    return figure


def _medoid(places: NDArray[np.float64]) -> tuple[float, float]:
    """The place of the one least far from all others: always amid dots, as a mean need not be."""
    x, y = places[np.argmin(cdist(places, places).sum(axis=1))]
    return float(x), float(y)


def _dots(axes: Axes, embeddings: Embeddings, places: NDArray[np.float64]) -> None:
    regions = [region_of(name) for name in embeddings.classes]
    colours = [plotting_style.REGIONS.get(regions[label], plotting_style.ELSEWHERE) for label in embeddings.labels]
    size = float(np.clip(9000 / len(places), 3, 26))
    # One collection in the manifest's order: no region lies on top of the others as a whole.
    axes.scatter(places[:, 0], places[:, 1], s=size, color=colours, alpha=0.65, linewidth=0)
    _bare(axes)
    plotting_style.region_legend(axes, regions, loc="upper left", bbox_to_anchor=(0, 1.06), ncols=4, columnspacing=1)


def _one_culture(axes: Axes, embeddings: Embeddings, places: NDArray[np.float64], label: int) -> None:
    mine = embeddings.labels == label
    name = embeddings.classes[label]
    axes.scatter(places[~mine, 0], places[~mine, 1], s=1.2, color=plotting_style.FAINT, linewidth=0)
    colour = plotting_style.REGIONS.get(region_of(name), plotting_style.ELSEWHERE)
    size = float(np.clip(600 / mine.sum(), 2.5, 12))
    axes.scatter(places[mine, 0], places[mine, 1], s=size, color=colour, linewidth=0)
    axes.set_title(f"{name} ({int(mine.sum()):,})", fontsize=7.5, pad=3)
    _bare(axes)


def _bare(axes: Axes) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    axes.set_aspect("equal", adjustable="datalim")
