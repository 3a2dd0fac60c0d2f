"""Figure 7: a chord diagram of the strongest similarities."""

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Wedge
from matplotlib.path import Path
from numpy.typing import NDArray

from artculture.analysis import plotting_style
from artculture.analysis.figure import Finding
from artculture.analysis.many_classes import SHOWN, are_many
from artculture.analysis.similarity.culture_colours import culture_colours
from artculture.analysis.similarity.culture_locations import OTHER, by_region, region_of
from artculture.analysis.similarity.distances import CultureDistances

NAME, TITLE = "culture_chords", "Strongest similarities between cultures"
GAP = 0.045  # between the arcs of two cultures, radians
RIM = 0.06  # width of an arc; the radius of the circle is 1
# A chord is wide at its source culture and tapers to a point at its target; the taper starts at this radius.
TIP = 0.94


def chord_finding(distances: CultureDistances) -> Finding:
    """Draw the ordered pairs in the top quartile of similarity as chords."""
    if len(distances.cultures) < 2:
        return Finding(NAME, TITLE, "Left out: at least two cultures with three paintings each are needed.")
    everything = distances
    distances = distances.largest(SHOWN) if are_many(distances.cultures) else distances
    chosen, threshold = top_quartile(distances)
    pairs = len(distances.cultures) * (len(distances.cultures) - 1)
    numbers = {"threshold": threshold, "chords": len(chosen), "ordered_pairs": pairs}
    caption = (
        f"The strongest quarter of the normalised similarities: the {len(chosen)} of {pairs} "
        f"ordered pairs at or above their upper quartile, {100 * threshold:.1f} % (linear interpolation, ties kept). "
        "A chord is wide at culture A, whose colour it has, and tapers to a point at B: compared with all other "
        "cultures, B is close to A. The width is the similarity of A to B. A pair that is strong in both directions "
        "has two chords. "
        f"{distances.note()}"
    )
    if distances is not everything:
        caption += (
            f"Shown are the {SHOWN} cultures with the most paintings of {len(everything.cultures)}; similarities are "
            "shares among all. "
        )
    if len(chosen):
        first = chosen.iloc[0]
        caption += (
            f"The strongest is {first['culture']} to {first['other']} with {100 * first['similarity']:.1f} %; with "
            f"{len(everything.cultures)} cultures an equal share would be {100 / (len(everything.cultures) - 1):.1f} %."
        )
    return Finding(
        NAME,
        TITLE,
        caption.strip(),
        _figure(distances, chosen, culture_colours([*everything.cultures, *everything.absent])),
        {"culture_chords": chosen},
        numbers,
        alt=_alt(chosen),
    )


def _alt(chosen: pd.DataFrame) -> str:
    if chosen.empty:
        return "No similarity is stronger than the others."
    first = chosen.iloc[0]
    inside = sum(region_of(a) == region_of(b) for a, b in zip(chosen["culture"], chosen["other"], strict=True))
    text = f"The strongest similarity is that of {first['culture']} to {first['other']}."
    if any(region_of(name) != OTHER for name in chosen["culture"]):
        text += f" {inside} of the {len(chosen)} strongest are between cultures of one region."
    return text


def top_quartile(distances: CultureDistances) -> tuple[pd.DataFrame, float]:
    """Return the ordered pairs at or above the upper quartile of similarity, strongest first, and that quartile.

    The quartile is numpy's 75th percentile with method `linear`; ties at the quartile are all kept.
    """
    n = len(distances.cultures)
    apart = ~np.eye(n, dtype=bool)
    values = distances.similarity[apart]
    columns = ["culture", "other", "similarity"]
    if not len(values):
        return pd.DataFrame(columns=columns), math.nan
    threshold = float(np.quantile(values, 0.75, method="linear"))
    # The interpolated quartile may exceed a tied value by rounding.
    kept = np.argwhere(apart & (distances.similarity >= threshold * (1 - 1e-12)))
    rows = [(distances.cultures[a], distances.cultures[b], distances.similarity[a, b]) for a, b in kept]
    table = pd.DataFrame(rows, columns=columns)
    return table.sort_values("similarity", ascending=False, kind="stable", ignore_index=True), threshold


def _figure(distances: CultureDistances, chosen: pd.DataFrame, colours: dict[str, str]) -> Figure:
    figure, (axes,) = plotting_style.panels(6.4, 6.4)
    order = [distances.cultures[i] for i in by_region(distances.cultures)]
    arcs = _arcs(order, chosen)
    with plotting_style.styled():
        axes.set_axis_off()
        axes.set_aspect("equal")
        axes.set_xlim(-1.45, 1.45)
        axes.set_ylim(-1.35, 1.35)
        for name, (start, end) in arcs.items():
            turns = math.degrees(start), math.degrees(end)
            axes.add_patch(Wedge((0, 0), 1, *turns, width=RIM, facecolor=colours[name], linewidth=0))
            _write_name(axes, distances.label(name), (start + end) / 2)
        _chords(axes, order, arcs, chosen, colours)
        regions = [region_of(name) for name in order]
        plotting_style.region_legend(figure, regions, loc="outside lower center", ncols=4)
    return figure


def _arcs(order: list[str], chosen: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """Return the start and end angle (radians) of each culture, proportional to the total width of its chords."""
    # A culture without chords still gets a short arc.
    room = dict.fromkeys(order, 0.02)
    for _, chord in chosen.iterrows():
        room[chord["culture"]] += chord["similarity"]
        room[chord["other"]] += _arrival(chord["similarity"])
    free = 2 * math.pi - GAP * len(order)
    unit = free / sum(room.values())
    arcs, at = {}, math.pi / 2
    for name in reversed(order):
        arcs[name] = (at + GAP / 2, at + GAP / 2 + room[name] * unit)
        at = arcs[name][1] + GAP / 2
    return arcs


def _arrival(similarity: float) -> float:
    return 0.35 * similarity


def _write_name(axes: Axes, name: str, angle: float) -> None:
    x, y = 1.05 * math.cos(angle), 1.05 * math.sin(angle)
    turned = math.degrees(angle) % 360
    flipped = 90 < turned < 270
    axes.text(
        x,
        y,
        name,
        rotation=turned - 180 if flipped else turned,
        rotation_mode="anchor",
        ha="right" if flipped else "left",
        va="center",
        fontsize=9.5,
    )


def _chords(
    axes: Axes,
    order: list[str],
    arcs: dict[str, tuple[float, float]],
    chosen: pd.DataFrame,
    colours: dict[str, str],
) -> None:
    ends = _ends(order, arcs, chosen)
    # Weak chords are drawn last, so that thin ones stay visible on wide ones.
    for index, chord in chosen.iterrows():
        leave, arrive = ends[(index, "culture")], ends[(index, "other")]
        path = ribbon(leave, arrive)
        style = {"facecolor": colours[chord["culture"]], "alpha": 0.65, "edgecolor": "white", "linewidth": 0.5}
        axes.add_patch(PathPatch(path, **style))


def _ends(
    order: list[str], arcs: dict[str, tuple[float, float]], chosen: pd.DataFrame
) -> dict[tuple[object, str], tuple[float, float]]:
    """Return the angles of both ends of each chord, ordered within each arc so that chords cross little."""
    middle = {name: (start + end) / 2 for name, (start, end) in arcs.items()}
    ends = {}
    for name in order:
        mine = []
        for index, chord in chosen.iterrows():
            for side, far in (("culture", "other"), ("other", "culture")):
                if chord[side] == name:
                    width = chord["similarity"] if side == "culture" else _arrival(chord["similarity"])
                    # Sorted by the direction of the other end, to reduce crossings.
                    turn = (middle[chord[far]] - middle[name]) % (2 * math.pi)
                    mine.append((-turn, side, index, width))
        start, end = arcs[name]
        unit = (end - start) / (0.02 + sum(width for *_, width in mine))
        at = start + 0.01 * unit
        for _, side, index, width in sorted(mine):
            ends[(index, side)] = (at, at + width * unit)
            at += width * unit
    return ends


def ribbon(leave: tuple[float, float], arrive: tuple[float, float]) -> Path:
    """Return a closed path from an interval of angles (radians) to a point in the middle of another interval."""
    radius = 1 - RIM - 0.01
    arc = _on_circle(np.linspace(*leave, 24), radius)
    tip = _on_circle(np.array([sum(arrive) / 2]), radius)[0]
    # The target end is an arrowhead: two wings at a smaller radius and a tip on the rim.
    wings = _on_circle(np.array(arrive), TIP * radius)
    # Chords between neighbouring arcs bend less towards the centre, so that not all chords meet there.
    apart = abs((sum(arrive) - sum(leave)) / 2) % (2 * math.pi)
    depth = radius * 0.55 * (1 - math.sin(min(apart, 2 * math.pi - apart) / 2))
    turn_out = _on_circle(np.array(leave), depth)
    turn_in = _on_circle(np.array(arrive), depth)
    points = [*arc, turn_out[1], turn_in[0], wings[0], tip, wings[1], turn_in[1], turn_out[0], arc[0]]
    codes = [Path.MOVETO, *[Path.LINETO] * (len(arc) - 1), *[Path.CURVE4] * 3, Path.LINETO, Path.LINETO]
    return Path(points, [*codes, *[Path.CURVE4] * 3])


def _on_circle(angles: NDArray[np.float64], radius: float) -> NDArray[np.float64]:
    points: NDArray[np.float64] = radius * np.column_stack([np.cos(angles), np.sin(angles)])
    return points
