"""Map of all paintings: t-SNE of their embeddings."""

import math
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
from artculture.analysis.embedding.map_page.builder import MapPageData, map_page
from artculture.analysis.embedding.neighbours import most_similar
from artculture.analysis.figure import Finding
from artculture.analysis.model_under_study import Embeddings
from artculture.analysis.similarity.culture_colours import culture_colours
from artculture.analysis.similarity.culture_locations import by_region, region_of
from artculture.utils.thumbnails import Picture

NAME, TITLE = "painting_map", "Map of all paintings"
# Neighbours listed for each painting on the page.
NEIGHBOURS = 6
# Principal components given to t-SNE; 50 is the usual choice (van der Maaten and Hinton 2008).
COMPONENTS = 50
# More small panels would be illegible.
MAX_PANELS = 20
# An SVG file of more dots would be huge: they are drawn as a picture.
MOST_SHAPES = 4000
# Smallest share of all paintings for which the name of a culture is written on the large map.
MIN_NAMED_SHARE = 0.02

# Paintings placed by t-SNE itself, which takes a minute or two for so many.
MOST_PLACED = 4000
# Beyond this many paintings the representation is chosen on a seeded sample: t-SNE is run once per candidate.
SAMPLE_SIZE = 500
# A map that preserves less than this share of the neighbours (corrected for chance) is shown with a warning.
MIN_FIDELITY = 0.1


def map_finding(embeddings: Embeddings, about: pd.DataFrame, picture: Picture | None = None, seed: int = 0) -> Finding:
    """Draw the map as a figure and as an interactive page with all paintings.

    Args:
        embeddings: of at least two paintings.
        about: columns `object_id`, `title`, `artist`, `date` and `culture`, rows in the order of `embeddings`.
        picture: returns the pixels (uint8 H x W x 3) at a position; None for a page without thumbnails.
        seed: of PCA, t-SNE and the sample.
    """
    if len(embeddings.labels) < 2:
        return Finding(NAME, TITLE, "Left out: there is only one painting.")
    name, vectors = best_representation(embeddings, seed)
    places, neighbours = tsne_layout(vectors, seed), nearest_neighbours(embeddings.features)
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
    sampled = f", a sample of {MOST_PLACED:,}, the others by their neighbours" if len(places) > MOST_PLACED else ""
    caption = (
        f"Each dot is one of {len(places):,} paintings, placed by t-SNE ({name}{sampled}) so that paintings with "
        "similar feature vectors are close to each other. Large panel: each culture in a shade of its region's hue; "
        "small panels: one culture each, all others in grey. Only closeness is meaningful: directions, the size of "
        f"clusters and gaps between clusters are not. {fidelity} Neighbours are by cosine similarity of the feature "
        "vectors. The interactive page shows each painting and its nearest neighbours."
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
        page=map_page(page_data, picture),
        alt=f"{len(places):,} paintings by the similarity of their features. {fidelity}",
    )


def best_representation(embeddings: Embeddings, seed: int = 0) -> tuple[str, NDArray[np.float32]]:
    """Choose the scaling of the features whose map preserves most neighbours; return its name and the features."""
    unit, raw = embeddings.unit().features, embeddings.features
    spread = raw.std(axis=0)
    forms = {
        "vectors of length 1": unit,
        "raw vectors": raw,
        "standardised features": (raw - raw.mean(axis=0)) / np.where(spread > 0, spread, 1),
    }
    tried = np.arange(len(raw))
    if len(raw) > SAMPLE_SIZE:
        tried = np.sort(np.random.default_rng(seed).choice(len(raw), SAMPLE_SIZE, replace=False))
    kept = {name: neighbour_preservation(unit[tried], tsne_layout(form[tried], seed)) for name, form in forms.items()}
    best = max(kept, key=lambda name: kept[name])
    return best, forms[best]


def tsne_layout(features: NDArray[np.float32], seed: int = 0) -> NDArray[np.float64]:
    """Return t-SNE positions N x 2 from at most 50 principal components; by PCA alone for fewer than six paintings."""
    n = len(features)
    # t-SNE and PCA are undefined for equal features.
    if not np.ptp(features, axis=0).any():
        return np.zeros((n, 2))
    kept = min(COMPONENTS, n - 1, features.shape[1])
    reduced = PCA(kept, random_state=seed).fit_transform(features.astype(np.float64))
    if n < 6:
        padded: NDArray[np.float64] = np.pad(reduced[:, :2], ((0, 0), (0, max(0, 2 - kept))))
        return padded
    if n > MOST_PLACED:
        return _placed_by_sample(reduced, seed)
    # scikit-learn's default perplexity of 30, which must stay below the number of paintings.
    perplexity = min(30.0, (n - 1) / 3)
    places: NDArray[np.float64] = TSNE(2, perplexity=perplexity, init="pca", random_state=seed).fit_transform(reduced)
    return places.astype(np.float64)


def _placed_by_sample(reduced: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Place a seeded sample by t-SNE, and all others at the mean place of their nearest sampled paintings."""
    sample = np.sort(np.random.default_rng(seed).choice(len(reduced), MOST_PLACED, replace=False))
    own = TSNE(2, init="pca", random_state=seed).fit_transform(reduced[sample]).astype(np.float64)
    rest = np.setdiff1d(np.arange(len(reduced)), sample)
    nearest = NearestNeighbors(n_neighbors=3).fit(reduced[sample]).kneighbors(reduced[rest], return_distance=False)
    places = np.zeros((len(reduced), 2))
    places[sample], places[rest] = own, own[nearest].mean(axis=1)
    return places


def nearest_neighbours(features: NDArray[np.float32], count: int = NEIGHBOURS) -> NDArray[np.int64]:
    """Return the positions of the nearest paintings by cosine similarity, int64 N x min(count, N - 1)."""
    return most_similar(features, np.arange(len(features)), None, min(count, len(features) - 1))[0]


def neighbour_preservation(features: NDArray[np.float32], places: NDArray[np.float64]) -> float:
    """Return the mean share of the ten nearest neighbours by features that are among the ten nearest on the map."""
    ours = nearest_neighbours(features, 10)
    theirs = np.asarray(NearestNeighbors(n_neighbors=ours.shape[1]).fit(places).kneighbors(return_distance=False))
    return float((ours[:, :, None] == theirs[:, None, :]).any(axis=2).mean())


def _count(paintings: int) -> int:
    return min(10, paintings - 1)


def _fidelity(kept: float, chance: float, paintings: int) -> str:
    """Say how many neighbours the map preserves, for caption, figure and page."""
    text = (
        f"The map keeps {100 * kept:.0f} % of each painting's {_count(paintings)} nearest neighbours; a random map "
        f"would keep {100 * chance:.0f} %."
    )
    if chance < 1 and (kept - chance) / (1 - chance) < MIN_FIDELITY:
        text += " That is close to random: paintings close to each other here need not be similar."
    return text


def _figure(embeddings: Embeddings, places: NDArray[np.float64], fidelity: str) -> Figure:
    counts = np.bincount(embeddings.labels, minlength=len(embeddings.classes))
    present = [i for i in by_region(embeddings.classes) if counts[i]]
    if len(present) > MAX_PANELS:
        largest = set(sorted(present, key=lambda i: -counts[i])[:MAX_PANELS])
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
    # A name among a few scattered dots would mislead; those cultures have their small panel.
    named = [label for label in present if counts[label] >= MIN_NAMED_SHARE * len(places)]
    middles = [_medoid(places[embeddings.labels == label]) for label in named]
    names = [embeddings.classes[label] for label in named]
    style: dict[str, Any] = {"fontsize": 9, "fontweight": "bold", "zorder": 5, "path_effects": [plotting_style.halo()]}
    plotting_style.place_labels(large, middles, names, 0.5, **style)
    return figure


def _medoid(places: NDArray[np.float64]) -> tuple[float, float]:
    """Return the medoid of positions N x 2; unlike a mean it always lies on a dot."""
    x, y = places[np.argmin(cdist(places, places).sum(axis=1))]
    return float(x), float(y)


def _dots(axes: Axes, embeddings: Embeddings, places: NDArray[np.float64]) -> None:
    regions = [region_of(name) for name in embeddings.classes]
    shades = culture_colours(embeddings.classes)
    colours = [shades[embeddings.classes[label]] for label in embeddings.labels]
    size = float(np.clip(9000 / len(places), 3, 26))
    # One collection in the order of the manifest, so that no region covers the others.
    axes.scatter(
        places[:, 0], places[:, 1], s=size, color=colours, alpha=0.65, linewidth=0, rasterized=len(places) > MOST_SHAPES
    )
    _bare(axes)
    plotting_style.region_legend(axes, regions, loc="upper left", bbox_to_anchor=(0, 1.06), ncols=4, columnspacing=1)


def _one_culture(axes: Axes, embeddings: Embeddings, places: NDArray[np.float64], label: int) -> None:
    mine = embeddings.labels == label
    name = embeddings.classes[label]
    many = len(places) > MOST_SHAPES
    axes.scatter(places[~mine, 0], places[~mine, 1], s=1.2, color=plotting_style.FAINT, linewidth=0, rasterized=many)
    colour = culture_colours(embeddings.classes)[name]
    size = float(np.clip(600 / mine.sum(), 2.5, 12))
    axes.scatter(places[mine, 0], places[mine, 1], s=size, color=colour, linewidth=0)
    axes.set_title(f"{name} ({int(mine.sum()):,})", fontsize=7.5, pad=3)
    _bare(axes)


def _bare(axes: Axes) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    axes.set_aspect("equal", adjustable="datalim")
