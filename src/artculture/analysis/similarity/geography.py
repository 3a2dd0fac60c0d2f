"""Do styles lie apart as their countries do? Style distance against distance on the globe."""

import itertools

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from artculture.analysis import plotting_style
from artculture.analysis.figure import Finding
from artculture.analysis.similarity.culture_locations import CULTURE_LOCATIONS, great_circle, region_of
from artculture.analysis.similarity.distances import CultureDistances, Matrix
from artculture.analysis.similarity.mantel import FEWEST, MantelTest, mantel

NAME, TITLE = "geography", "Does the layout match the world?"
PERMUTATIONS = 9999


def geography_finding(found: CultureDistances, seed: int = 0) -> Finding:
    """Spearman's correlation with a Mantel test over all cultures, and inside each region that has at least four."""
    unknown = [name for name in found.cultures if name not in CULTURE_LOCATIONS]
    if unknown:
        return Finding(NAME, TITLE, f"Left out: no place on the globe is known for {', '.join(unknown)}.")
    if len(found.cultures) < FEWEST:
        return Finding(NAME, TITLE, f"Left out: it needs at least {FEWEST} cultures, here are {len(found.cultures)}.")
    kilometres = great_circle(found.cultures)
    whole = mantel(found.distance, kilometres, PERMUTATIONS, seed)
    if whole is None:
        return Finding(NAME, TITLE, "Left out: all cultures lie equally far apart.")
    inside = _inside_regions(found, kilometres, seed)
    numbers = {
        "all": _plain(whole),
        "inside": {region: _plain(test) for region, test in inside.items()},
    }
    return Finding(
        NAME,
        TITLE,
        _caption(whole, inside) + (f" {found.note()}".rstrip()),
        _figure(found, kilometres, whole),
        {"geography": _table(found, kilometres)},
        numbers,
        alt="Scatter plot of pairs of cultures: distance on the globe across, style distance upwards.",
    )


def _inside_regions(found: CultureDistances, kilometres: Matrix, seed: int) -> dict[str, MantelTest]:
    tests = {}
    for region in plotting_style.REGIONS:
        members = [i for i, name in enumerate(found.cultures) if region_of(name) == region]
        # Of the whole world this test would only repeat the first one.
        if len(members) < len(found.cultures):
            block = np.ix_(members, members)
            test = mantel(found.distance[block], kilometres[block], PERMUTATIONS, seed)
            if test is not None:
                tests[region] = test
    return tests


def _plain(test: MantelTest) -> dict[str, float | int | bool]:
    return {
        "spearman": test.correlation,
        "p_one_sided": test.greater,
        "p_two_sided": test.two_sided,
        "permutations": test.permutations,
        "exact": test.exact,
    }


def _table(found: CultureDistances, kilometres: Matrix) -> pd.DataFrame:
    rows = []
    for a, b in itertools.combinations(range(len(found.cultures)), 2):
        one, other = found.cultures[a], found.cultures[b]
        rows.append(
            {
                "culture": one,
                "other": other,
                "kilometres": round(float(kilometres[a, b]), 1),
                "distance": found.distance[a, b],
                "regions": " / ".join(sorted({region_of(one), region_of(other)})),
            }
        )
    return pd.DataFrame(rows)


def _caption(whole: MantelTest, inside: dict[str, MantelTest]) -> str:
    how = "all orders" if whole.exact else f"{whole.permutations:,} random orders"
    verdict = "go together" if whole.greater < 0.05 else "can't be said to go together"
    text = (
        "Each dot is a pair of cultures: across, the great-circle distance between today's capitals; upwards, the "
        f"distance of their mean feature vectors, as in the matrix of distances. The two {verdict}: Spearman's "
        f"correlation is {whole.correlation:+.2f}, one-sided p = {whole.greater:.4f} (two-sided {whole.two_sided:.4f}) "
        f"by a Mantel test over {how} of the cultures. "
    )
    for region, test in inside.items():
        text += (
            f"Among {region} cultures alone it is {test.correlation:+.2f} (p = {test.greater:.3f}), which asks whether "
            "more than the gap between regions is behind it. "
        )
    return text + "A modern capital is a coarse stand-in for where paintings were made."


def _figure(found: CultureDistances, kilometres: Matrix, whole: MantelTest) -> Figure:
    table = _table(found, kilometres)
    figure, (axes,) = plotting_style.panels(7.0, 4.6)
    with plotting_style.styled():
        kinds = table["regions"]
        for kind in sorted(kinds.unique(), key=lambda kind: (" / " in kind, kind)):
            rows = table[kinds == kind]
            inside = " / " not in kind
            axes.scatter(
                rows["kilometres"],
                rows["distance"],
                s=30,
                marker="o" if inside else "D",
                color=plotting_style.REGIONS.get(kind, plotting_style.ELSEWHERE) if inside else _between(kind),
                edgecolor="white",
                linewidth=0.6,
                label=f"within {kind}" if inside else kind.replace(" / ", " and "),
                zorder=3,
            )
        axes.set_xlabel("distance between capitals, km")
        axes.set_ylabel("style distance (L2)")
        axes.set_xlim(0, None)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.set_title(f"Spearman {whole.correlation:+.2f}, one-sided p = {whole.greater:.4f}")
        figure.legend(loc="outside lower center", ncols=3, handletextpad=0.2, columnspacing=1.2)
    told = _worth_naming(table)
    points = list(zip(table["kilometres"], table["distance"], strict=True))
    names = [
        f"{found.label(a)} and {found.label(b)}" if i in told else ""
        for i, (a, b) in enumerate(zip(table.culture, table.other, strict=True))
    ]
    plotting_style.place_labels(axes, points, names, 3.0, fontsize=7.5, path_effects=[plotting_style.halo()])
    return figure


def _between(kind: str) -> str:
    return {
        "Asian / European": "#8a6f9c",
        "Asian / North American": "#d98d5f",
        "European / North American": "#6f9a86",
    }.get(kind, plotting_style.ELSEWHERE)


def _worth_naming(table: pd.DataFrame) -> set[int]:
    """The pairs at the ends of either distance, and those that lie farthest off the common order."""
    off = table["distance"].rank() - table["kilometres"].rank()
    ends = [table["distance"].nsmallest(2), table["distance"].nlargest(2), off.nsmallest(2), off.nlargest(2)]
    ends += [table["kilometres"].nlargest(1)]
    return {int(index) for series in ends for index in series.index}
