"""The matrix of culture distances and similarities, as a finding."""

import itertools

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from artculture.analysis import plotting_style
from artculture.analysis.figure import Finding
from artculture.analysis.similarity.culture_locations import by_region, region_of
from artculture.analysis.similarity.distances import FEWEST, CultureDistances, Matrix

NAME, TITLE = "culture_distances", "How far apart the cultures lie"


def distance_finding(found: CultureDistances) -> Finding:
    """Annotated heat maps of both matrices, and every pair with its interval."""
    if not found.cultures:
        return Finding(NAME, TITLE, "Left out: no culture has as many as three paintings.")
    pairs = pair_table(found)
    return Finding(
        NAME,
        TITLE,
        _caption(found, pairs),
        _figure(found),
        {
            "culture_distances": pairs,
            "culture_distance_matrix": _matrix_table(found, found.distance),
            "culture_similarity_matrix": _matrix_table(found, found.similarity),
        },
        _numbers(found, pairs),
        alt="Two square heat maps, culture by culture: L2 distance between mean feature vectors, and the normalised "
        "similarity of the row's culture to the column's.",
    )


def pair_table(found: CultureDistances) -> pd.DataFrame:
    """One row an ordered pair of cultures: similarity is of `culture` to `other`, distance is mutual."""
    names = found.cultures
    rows = []
    for a, b in itertools.permutations(range(len(names)), 2):
        rows.append(
            {
                "culture": names[a],
                "other": names[b],
                "paintings": int(found.counts[a]),
                "few_paintings": bool({names[a], names[b]} & set(found.small)),
                "distance": found.distance[a, b],
                "distance_low": found.distance_interval[0][a, b],
                "distance_high": found.distance_interval[1][a, b],
                "similarity": found.similarity[a, b],
                "similarity_low": found.similarity_interval[0][a, b],
                "similarity_high": found.similarity_interval[1][a, b],
            }
        )
    columns = ["culture", "other", "paintings", "few_paintings", "distance", "distance_low", "distance_high"]
    return pd.DataFrame(rows, columns=[*columns, "similarity", "similarity_low", "similarity_high"])


def _matrix_table(found: CultureDistances, matrix: Matrix) -> pd.DataFrame:
    return pd.DataFrame(matrix, columns=list(found.cultures)).assign(culture=found.cultures)[
        ["culture", *found.cultures]
    ]


def _numbers(found: CultureDistances, pairs: pd.DataFrame) -> dict[str, object]:
    numbers: dict[str, object] = {
        "paintings": int(found.counts.sum()),
        "splits": list(found.splits),
        "cultures_left_out": list(found.absent),
        "cultures_with_few_paintings": list(found.small),
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


def _caption(found: CultureDistances, pairs: pd.DataFrame) -> str:
    text = (
        "Left: the L2 distance between the mean feature vectors of each two cultures, every vector brought to length "
        f"1 ({int(found.counts.sum()):,} paintings of the splits {', '.join(found.splits)}), less what the scatter of "
        "few paintings adds to it. Right: how similar the row's culture is to the column's, "
        "as the share of all the pull that the row feels (inverse distance over the sum of inverse distances, in %); "
        "rows add up to 100, and the matrix is not symmetric. In both, yellow is near and blue far. "
    )
    if len(pairs):
        near, far = _ends(pairs)
        text += (
            f"Nearest are {near['culture']} and {near['other']} ({_with_interval(near)}), farthest {far['culture']} "
            f"and {far['other']} ({_with_interval(far)}). "
        )
        text += "Intervals are 95 % by the jackknife over paintings, each counting as independent of the next. "
    text += found.note()
    if "train" in found.splits:
        text += "Paintings that the classifier was trained on are among these; it has learnt to hold them apart. "
    if found.absent:
        text += f"Left out, with fewer than {FEWEST} paintings: {', '.join(found.absent)}. "
    return text.strip()


def _ends(pairs: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """The nearest and the farthest pair."""
    distance = pairs["distance"].to_numpy()
    return pairs.iloc[int(distance.argmin())], pairs.iloc[int(distance.argmax())]


def _with_interval(pair: pd.Series) -> str:
    return f"{pair['distance']:.2f}, interval {pair['distance_low']:.2f} to {pair['distance_high']:.2f}"


def _figure(found: CultureDistances) -> Figure:
    order = by_region(found.cultures)
    side = max(3.2, 0.42 * len(order) + 1.1)
    figure, (left, right) = plotting_style.panels(2 * side + 0.4, side + 0.3, 1, 2)
    names = [found.cultures[i] for i in order]
    labels = [found.label(name) for name in names]
    block = np.ix_(order, order)
    with plotting_style.styled():
        heat_map(left, found.distance[block], names, "{:.2f}", reverse=True, labels=labels)
        left.set_title("Distance between means (L2)")
        heat_map(right, 100 * found.similarity[block], names, "{:.1f}", labels=labels)
        right.set_title("Similarity of row to column, %")
    return figure


def heat_map(
    axes: Axes, values: Matrix, names: list[str], form: str, reverse: bool = False, labels: list[str] | None = None
) -> None:
    """A square matrix with its numbers, its diagonal left empty, regions parted by white lines.

    Args:
        axes: to draw on.
        values: C x C.
        names: of the cultures.
        form: of the numbers, as "{:.1f}".
        reverse: whether small numbers are light.
        labels: what to write for the names, where it is not they.
    """
    n = len(names)
    shown = np.ma.masked_array(values, mask=np.eye(n, dtype=bool))
    colours = plotting_style.SEQUENTIAL + ("_r" if reverse else "")
    image = axes.imshow(shown, cmap=colours, aspect="equal")
    size = 7.5 if n <= 12 else max(4.0, 90 / n)
    for row, column in itertools.permutations(range(n), 2):
        red, green, blue, _ = image.cmap(image.norm(values[row, column]))
        ink = "white" if 0.299 * red + 0.587 * green + 0.114 * blue < 0.5 else plotting_style.INK
        text = form.format(values[row, column])
        axes.text(column, row, text, ha="center", va="center", fontsize=size, color=ink)
    style_culture_axes(axes, names, labels)


def style_culture_axes(axes: Axes, names: list[str], labels: list[str] | None = None) -> None:
    """Name rows and columns in their regions' colours and part the regions."""
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
