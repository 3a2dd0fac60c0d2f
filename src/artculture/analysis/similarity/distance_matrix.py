"""Heat maps and tables of the distances and similarities of cultures."""

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from artculture.analysis import plotting_style
from artculture.analysis.figure import Finding
from artculture.analysis.many_classes import are_many, clustered, some
from artculture.analysis.similarity.culture_locations import by_region, region_of
from artculture.analysis.similarity.distances import MIN_PAINTINGS, CultureDistances, Matrix

# Names along an axis of a heat map of many classes.
MOST_TICKS = 100
NAME, TITLE = "culture_distances", "Distances between cultures"
# Labels of the colour bars.
DISTANCE, SIMILARITY = "L2 distance", "similarity, %"


def distance_finding(distances: CultureDistances) -> Finding:
    """Draw annotated heat maps of both matrices and tabulate all pairs with their intervals."""
    if not distances.cultures:
        return Finding(NAME, TITLE, "Left out: no culture has at least three paintings.")
    pairs = pair_table(distances)
    return Finding(
        NAME,
        TITLE,
        _caption(distances, pairs),
        _figure(distances),
        {
            "culture_distances": pairs,
            "culture_distance_matrix": _matrix_table(distances, distances.distance),
            "culture_similarity_matrix": _matrix_table(distances, distances.similarity),
        },
        _numbers(distances, pairs),
        alt=_alt(pairs),
    )


def pair_table(distances: CultureDistances) -> pd.DataFrame:
    """Return one row per ordered pair: `similarity` is of `culture` to `other`, `distance` is symmetric."""
    one, other = np.nonzero(~np.eye(len(distances.cultures), dtype=bool))
    names = np.array(distances.cultures, dtype=object)
    small = np.isin(names, distances.small)
    return pd.DataFrame(
        {
            "culture": names[one],
            "other": names[other],
            "paintings": distances.counts[one],
            "few_paintings": small[one] | small[other],
            "distance": distances.distance[one, other],
            "distance_low": distances.distance_interval[0][one, other],
            "distance_high": distances.distance_interval[1][one, other],
            "similarity": distances.similarity[one, other],
            "similarity_low": distances.similarity_interval[0][one, other],
            "similarity_high": distances.similarity_interval[1][one, other],
        }
    )


def _matrix_table(distances: CultureDistances, matrix: Matrix) -> pd.DataFrame:
    return pd.DataFrame(matrix, columns=list(distances.cultures)).assign(culture=distances.cultures)[
        ["culture", *distances.cultures]
    ]


def _numbers(distances: CultureDistances, pairs: pd.DataFrame) -> dict[str, object]:
    numbers: dict[str, object] = {
        "paintings": int(distances.counts.sum()),
        "splits": list(distances.splits),
        "cultures_left_out": list(distances.absent),
        "cultures_with_few_paintings": list(distances.small),
    }
    if len(pairs):
        for name, line in zip(("nearest", "farthest"), _ends(pairs), strict=True):
            numbers[name] = {
                "cultures": [line["culture"], line["other"]],
                "distance": float(line["distance"]),
                "interval": [float(line["distance_low"]), float(line["distance_high"])],
            }
        numbers["pairs"] = len(pairs) // 2
    return numbers


def _caption(distances: CultureDistances, pairs: pd.DataFrame) -> str:
    text = (
        "Left: L2 distance between the mean feature vectors of two cultures; each vector is scaled to length 1 "
        f"({int(distances.counts.sum()):,} paintings of the splits {', '.join(distances.splits)}) and the distance is "
        "corrected for the bias of small samples. Right: similarity of the row's culture to the column's, the inverse "
        "distance divided by the sum of the inverse distances in the row, in %; each row sums to 100 and the matrix is "
        "not symmetric. In both, yellow is near and blue is far. "
    )
    if len(pairs):
        near, far = _ends(pairs)
        text += (
            f"The nearest pair is {near['culture']} and {near['other']} ({_with_interval(near)}), the farthest "
            f"{far['culture']} and {far['other']} ({_with_interval(far)}). "
        )
        text += "Intervals are 95 % jackknife intervals; paintings are treated as independent. "
    text += distances.note()
    if are_many(distances.cultures):
        text += "Similar cultures are neighbours (average-linkage clustering); the tables hold all numbers. "
    if "train" in distances.splits:
        text += "These include training paintings, which the classifier has learnt to separate. "
    if distances.absent:
        text += f"Left out, with fewer than {MIN_PAINTINGS} paintings: {some(distances.absent)}. "
    return text.strip()


def _alt(pairs: pd.DataFrame) -> str:
    if pairs.empty:
        return "A single culture has enough paintings."
    near, far = _ends(pairs)
    return (
        f"The nearest cultures are {near['culture']} and {near['other']} (distance {near['distance']:.2f}), the "
        f"farthest {far['culture']} and {far['other']} ({far['distance']:.2f})."
    )


def _ends(pairs: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Return the nearest and the farthest pair."""
    distance = pairs["distance"].to_numpy()
    return pairs.iloc[int(distance.argmin())], pairs.iloc[int(distance.argmax())]


def _with_interval(pair: pd.Series) -> str:
    return f"{pair['distance']:.2f}, interval {pair['distance_low']:.2f} to {pair['distance_high']:.2f}"


def _figure(distances: CultureDistances) -> Figure:
    if are_many(distances.cultures):
        return _figure_of_many(distances)
    order = by_region(distances.cultures)
    side = max(3.2, 0.42 * len(order) + 1.1)
    figure, (left, right) = plotting_style.panels(2 * side + 1.6, side + 0.3, 1, 2)
    names = [distances.cultures[i] for i in order]
    labels = [distances.label(name) for name in names]
    block = np.ix_(order, order)
    with plotting_style.styled():
        heat_map(left, distances.distance[block], names, "{:.2f}", DISTANCE, reverse=True, labels=labels)
        heat_map(right, 100 * distances.similarity[block], names, "{:.1f}", SIMILARITY, labels=labels)
        _title_axes(left, right)
    return figure


def _figure_of_many(distances: CultureDistances) -> Figure:
    order = clustered(distances.distance)
    names = [distances.label(distances.cultures[i]) for i in order]
    block = np.ix_(order, order)
    figure, (left, right) = plotting_style.panels(12.4, 6.4, 1, 2)
    with plotting_style.styled():
        bare_heat_map(left, distances.distance[block], names, plotting_style.SEQUENTIAL + "_r", DISTANCE)
        bare_heat_map(right, 100 * distances.similarity[block], names, plotting_style.SEQUENTIAL, SIMILARITY)
        _title_axes(left, right)
    return figure


def _title_axes(left: Axes, right: Axes) -> None:
    left.set_title("Distance between means")
    right.set_title("Similarity of row to column")
    for axes in (left, right):
        axes.set_xlabel("culture (column)")
        axes.set_ylabel("culture (row)")


def bare_heat_map(axes: Axes, values: Matrix, names: Sequence[str], colours: str, label: str) -> None:
    """Draw a square matrix of many classes without numbers, with a colour bar and as many names as there is room for.

    Args:
        axes: to draw on.
        values: C x C; the diagonal is left empty.
        names: of the C classes.
        colours: name of the colour map.
        label: of the colour bar.
    """
    shown = np.ma.masked_array(values, mask=np.eye(len(names), dtype=bool))
    image = axes.imshow(shown, cmap=colours, aspect="equal", interpolation="nearest")
    size = max(2.0, min(6.0, 300 / len(names)))
    step = max(1, len(names) // MOST_TICKS)
    ticks = range(0, len(names), step)
    axes.set_xticks(ticks, [names[i] for i in ticks], rotation=90, fontsize=size)
    axes.set_yticks(ticks, [names[i] for i in ticks], fontsize=size)
    axes.tick_params(length=0, pad=1)
    axes.spines[:].set_visible(False)
    axes.figure.colorbar(image, ax=axes, shrink=0.7, label=label)


def heat_map(
    axes: Axes,
    values: Matrix,
    names: list[str],
    form: str,
    label: str,
    reverse: bool = False,
    labels: list[str] | None = None,
) -> None:
    """Draw a square matrix with its values and a colour bar; the diagonal is empty, white lines separate regions.

    Args:
        axes: to draw on.
        values: C x C.
        names: of the C cultures.
        form: format of the values, for example "{:.1f}".
        label: of the colour bar.
        reverse: whether small values are light.
        labels: tick labels; None for the names.
    """
    n = len(names)
    shown = np.ma.masked_array(values, mask=np.eye(n, dtype=bool))
    colours = plotting_style.SEQUENTIAL + ("_r" if reverse else "")
    image = axes.imshow(shown, cmap=colours, aspect="equal")
    size = 7.5 if n <= 12 else max(4.0, 90 / n)
    for row, column in itertools.permutations(range(n), 2):
        # White text on dark cells, by luma (ITU-R BT.601).
        red, green, blue, _ = image.cmap(image.norm(values[row, column]))
        ink = "white" if 0.299 * red + 0.587 * green + 0.114 * blue < 0.5 else plotting_style.INK
        text = form.format(values[row, column])
        axes.text(column, row, text, ha="center", va="center", fontsize=size, color=ink)
    if n > 1:
        axes.figure.colorbar(image, ax=axes, shrink=0.75, pad=0.02, label=label).outline.set_visible(False)
    style_culture_axes(axes, names, labels)


def style_culture_axes(axes: Axes, names: list[str], labels: list[str] | None = None) -> None:
    """Label rows and columns in the colours of their regions and separate the regions by white lines."""
    axes.set_xticks(range(len(names)), labels or names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), labels or names)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    for ticks in (axes.get_xticklabels(), axes.get_yticklabels()):
        for label, name in zip(ticks, names, strict=True):
            label.set_color(plotting_style.REGIONS.get(region_of(name), plotting_style.INK))
    for place, (one, other) in enumerate(itertools.pairwise(names)):
        if region_of(one) != region_of(other):
            axes.axhline(place + 0.5, color="white", linewidth=3)
            axes.axvline(place + 0.5, color="white", linewidth=3)
