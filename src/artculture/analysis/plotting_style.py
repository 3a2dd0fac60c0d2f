"""Style of all figures: sizes, fonts, colours, and placement of labels without overlaps."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import AbstractPathEffect, withStroke
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from artculture.analysis import fonts

# The colours differ in lightness, so they are distinguishable in greyscale and with colour vision deficiency. Red is
# left to wrong predictions.
REGIONS = {"Asian": "#9a6700", "European": "#1f4e79", "North American": "#7d9360"}
ELSEWHERE = "#6b6b6b"
RIGHT, WRONG = "#17807a", "#b8432f"
# Of series without an order, such as the rows of a table.
SERIES = ("#1f4e79", "#b5811c", "#6b3f87", "#5b8fbf", "#8a9a3b", "#d98b6a", "#c26ba0", "#443b56", "#6b6b6b")
SEQUENTIAL = "cividis"
INK, SOFT, FAINT = "#22211f", "#6e6a64", "#dcd8d0"

STYLE = {
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "figure.facecolor": "white",
    # A name such as `$x` is no formula.
    "text.parse_math": False,
    # Outlines instead of text: SVGs look the same on machines without this font.
    "svg.fonttype": "path",
    # A fixed salt makes the ids, and so the bytes of an SVG, reproducible.
    "svg.hashsalt": "artculture",
}


@contextmanager
def styled() -> Iterator[None]:
    """Apply the style of the project to everything drawn or saved inside the `with` block."""
    style: Any = {**STYLE, "font.family": fonts.families()}
    with mpl.rc_context(style):
        yield


def new_figure(width: float, height: float) -> Figure:
    """Create a figure, size in inches, without changing the state of pyplot."""
    with styled():
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        return figure


def panels(width: float, height: float, rows: int = 1, columns: int = 1, **choices: Any) -> tuple[Figure, list[Axes]]:
    """Create a figure (inches) with rows x columns axes in reading order; `choices` are passed to Figure.subplots."""
    figure = new_figure(width, height)
    with styled():
        axes = figure.subplots(rows, columns, squeeze=False, **choices)
    return figure, list(axes.ravel())


def save(figure: Figure, path: Path, kind: str) -> None:
    """Write a figure as `png` or `svg`, reproducibly: equal figures give equal bytes."""
    # matplotlib writes the current date into SVGs by default.
    metadata: dict[str, Any] = {"Date": None} if kind == "svg" else {}
    with styled():
        figure.savefig(path, format=kind, dpi=160, metadata=metadata, bbox_inches="tight")


def round_counts(axes: Axes) -> list[int]:
    """Return the round numbers within a logarithmic x axis, for its ticks."""
    low, high = axes.get_xlim()
    return [count for count in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000) if low <= count <= high]


def region_legend(target: Axes | Figure, regions: Sequence[str], **choices: Any) -> None:
    """Add a legend of the regions that occur in `regions` to axes, or outside of them to a figure."""
    names = [name for name in (*REGIONS, "other") if name in regions]
    if names == ["other"]:  # labels that are no cultures have no regions
        return
    dots = [
        Line2D([], [], marker="o", linestyle="", markersize=7, color=REGIONS.get(name, ELSEWHERE)) for name in names
    ]
    with styled():
        target.legend(dots, names, handletextpad=0.3, **choices)


# Offset of a label from its point (x, y, in points) with its horizontal and vertical alignment.
LabelPosition = tuple[float, float, str, str]

# Candidate positions of a label: direction and alignment; the first that fits is used.
_LABEL_POSITIONS: tuple[LabelPosition, ...] = (
    (1, 0, "left", "center"),
    (-1, 0, "right", "center"),
    (0, 1, "center", "bottom"),
    (0, -1, "center", "top"),
    (0.75, 0.75, "left", "bottom"),
    (-0.75, 0.75, "right", "bottom"),
    (0.75, -0.75, "left", "top"),
    (-0.75, -0.75, "right", "top"),
)


def place_labels(
    axes: Axes,
    points: Sequence[tuple[float, float]],
    names: Sequence[str],
    radii: Sequence[float] | float = 3.0,
    keep_clear: Sequence[tuple[float, float, float, float]] = (),
    **style: Any,
) -> list[Text]:
    """Label points so that labels overlap neither each other nor a point.

    Each label tries eight positions around its point, then farther ones with a leader line.

    Args:
        axes: with final limits: changing them afterwards would invalidate the positions.
        points: (x, y) in data coordinates.
        names: one per point; "" for a point without a label that must not be covered.
        radii: of the markers, in points (1/72 inch).
        keep_clear: further boxes (x0, y0, x1, y1) to avoid, in data coordinates.
        style: properties of the text.
    """
    figure = axes.figure
    assert isinstance(figure, Figure)
    with styled():
        figure.draw_without_rendering()
        # Freeze the layout: constrained layout would resize the axes to make room for the labels.
        figure.set_layout_engine("none")
        sizes = [radii] * len(points) if isinstance(radii, int | float) else list(radii)
        scale = figure.dpi / 72
        centres = axes.transData.transform(np.asarray(points, dtype=float).reshape(-1, 2))
        marks = [
            Bbox.from_extents(x - r * scale, y - r * scale, x + r * scale, y + r * scale)
            for (x, y), r in zip(centres, sizes, strict=True)
        ]
        free = [Bbox(axes.transData.transform([box[:2], box[2:]])) for box in keep_clear]
        placed: list[Bbox] = []
        texts: list[Text] = []
        for index, name in enumerate(names):
            if name:
                others = marks[:index] + marks[index + 1 :] + free
                text, box = _place_label(axes, points[index], name, sizes[index], others, placed, style)
                placed.append(box)
                texts.append(text)
        return texts


def _place_label(
    axes: Axes,
    point: tuple[float, float],
    name: str,
    radius: float,
    marks: list[Bbox],
    placed: list[Bbox],
    style: dict[str, Any],
) -> tuple[Text, Bbox]:
    text = axes.annotate(name, point, (0, 0), textcoords="offset points", annotation_clip=False, **style)
    inside, size = axes.get_window_extent(), text.get_window_extent()
    scale = axes.figure.dpi / 72
    x, y = axes.transData.transform(point)
    best: tuple[float, LabelPosition, Bbox] | None = None
    for far in (2.5, 9, 18, 30, 45, 62):
        for right, up, horizontal, vertical in _LABEL_POSITIONS:
            reach = radius + far
            place = (right * reach, up * reach, horizontal, vertical)
            box = _box_at(x + scale * place[0], y + scale * place[1], size, place).padded(3)
            # Overlapping another label is worst, then leaving the axes, then covering a marker.
            cost = 50 * sum(_overlap(box, other) for other in placed) + sum(_overlap(box, mark) for mark in marks)
            cost += 5 * _area_outside(box, inside)
            if best is None or cost < best[0] - 1e-9:
                best = (cost, place, box)
        if best is not None and best[0] < 1e-9:
            break
    assert best is not None
    _, place, box = best
    _set_position(text, place)
    if np.hypot(place[0], place[1]) > radius + 10:
        line = {"arrowstyle": "-", "color": SOFT, "linewidth": 0.5, "shrinkA": 0, "shrinkB": radius}
        text.remove()
        text = axes.annotate(
            name, point, textcoords="offset points", annotation_clip=False, arrowprops=line, xytext=place[:2], **style
        )
        _set_position(text, place)
    return text, box


def _box_at(x: float, y: float, size: Bbox, place: LabelPosition) -> Bbox:
    """Return the bounding box (pixels) of a text of this size anchored at (x, y)."""
    left = x - size.width * {"left": 0.0, "center": 0.5, "right": 1.0}[place[2]]
    low = y - size.height * {"bottom": 0.0, "center": 0.5, "top": 1.0}[place[3]]
    return Bbox.from_bounds(left, low, size.width, size.height)


def _set_position(text: Text, place: LabelPosition) -> None:
    text.set_position(place[:2])
    text.set_horizontalalignment(place[2])  # type: ignore[arg-type]
    text.set_verticalalignment(place[3])  # type: ignore[arg-type]


def _overlap(one: Bbox, other: Bbox) -> float:
    width = min(one.x1, other.x1) - max(one.x0, other.x0)
    height = min(one.y1, other.y1) - max(one.y0, other.y0)
    return float(width * height) if width > 0 and height > 0 else 0.0


def _area_outside(box: Bbox, inside: Bbox) -> float:
    return float(box.width * box.height - _overlap(box, inside))


def halo() -> AbstractPathEffect:
    """Return a white outline for text that is drawn over markers."""
    return withStroke(linewidth=2.5, foreground="white")
