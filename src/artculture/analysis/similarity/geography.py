"""Style distance against geographic distance of the cultures."""

import itertools

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from artculture.analysis import plotting_style
from artculture.analysis.claims import NOT_SIGNIFICANT, SIGNIFICANT, TOO_FEW, p_text
from artculture.analysis.figure import Finding
from artculture.analysis.many_classes import some
from artculture.analysis.similarity.culture_locations import CULTURE_LOCATIONS, great_circle, region_of
from artculture.analysis.similarity.distances import CultureDistances, Matrix
from artculture.analysis.similarity.mantel import MIN_ITEMS, MantelTest, mantel

NAME, TITLE = "geography", "Style distance against geographic distance"
PERMUTATIONS = 9999


def geography_finding(distances: CultureDistances, seed: int = 0) -> Finding:
    """Compute Spearman's correlation with a Mantel test, over all cultures and within regions of at least four."""
    unknown = [name for name in distances.cultures if name not in CULTURE_LOCATIONS]
    if unknown:
        return Finding(NAME, TITLE, f"Left out: no geographic location is known for {some(unknown)}.")
    if len(distances.cultures) < MIN_ITEMS:
        return Finding(
            NAME, TITLE, f"Left out: at least {MIN_ITEMS} cultures are needed, found {len(distances.cultures)}."
        )
    kilometres = great_circle(distances.cultures)
    whole = mantel(distances.distance, kilometres, PERMUTATIONS, seed)
    if whole is None:
        return Finding(NAME, TITLE, "Left out: all cultures are equally far apart.")
    inside = _inside_regions(distances, kilometres, seed)
    numbers = {
        "all": _plain(whole),
        "inside": {region: _plain(test) for region, test in inside.items()},
    }
    return Finding(
        NAME,
        TITLE,
        _caption(whole, inside, _untested_regions(distances, inside)) + (f" {distances.note()}".rstrip()),
        _figure(distances, kilometres, whole),
        {"geography": _table(distances, kilometres)},
        numbers,
        alt=_claim(whole) + ".",
    )


def _inside_regions(distances: CultureDistances, kilometres: Matrix, seed: int) -> dict[str, MantelTest]:
    tests = {}
    for region in plotting_style.REGIONS:
        members = [i for i, name in enumerate(distances.cultures) if region_of(name) == region]
        # If all cultures are in one region, this test would repeat the one over all cultures.
        if len(members) < len(distances.cultures):
            block = np.ix_(members, members)
            test = mantel(distances.distance[block], kilometres[block], PERMUTATIONS, seed)
            if test is not None:
                tests[region] = test
    return tests


def _untested_regions(distances: CultureDistances, inside: dict[str, MantelTest]) -> list[str]:
    present = {region_of(name) for name in distances.cultures}
    return [
        region for region in plotting_style.REGIONS if region in present and region not in inside and len(present) > 1
    ]


def _plain(test: MantelTest) -> dict[str, float | int | bool | str]:
    return {
        "spearman": test.correlation,
        "p_one_sided": test.greater,
        "p_two_sided": test.two_sided,
        "permutations": test.permutations,
        "exact": test.exact,
        "verdict": test.verdict,
    }


def _table(distances: CultureDistances, kilometres: Matrix) -> pd.DataFrame:
    rows = []
    for a, b in itertools.combinations(range(len(distances.cultures)), 2):
        one, other = distances.cultures[a], distances.cultures[b]
        rows.append(
            {
                "culture": one,
                "other": other,
                "kilometres": round(float(kilometres[a, b]), 1),
                "distance": distances.distance[a, b],
                "regions": " / ".join(sorted({region_of(one), region_of(other)})),
            }
        )
    return pd.DataFrame(rows)


_WORDS = {SIGNIFICANT: "significant", NOT_SIGNIFICANT: "not significant", TOO_FEW: "too few cultures to be significant"}


def _claim(test: MantelTest) -> str:
    """Return the result of the test as a clause."""
    result = f"Spearman {test.correlation:+.2f}, {p_text(test.greater)}"
    if test.verdict == TOO_FEW:
        return f"These are too few cultures to say whether style distance grows with geographic distance ({result})"
    grows = "grows significantly" if test.verdict == SIGNIFICANT else "does not grow significantly"
    return f"Style distance {grows} with geographic distance ({result})"


def _caption(whole: MantelTest, inside: dict[str, MantelTest], few: list[str]) -> str:
    how = "all orders" if whole.exact else f"{whole.permutations:,} random orders"
    text = (
        "Each dot is a pair of cultures: x axis, great-circle distance between the present capitals; y axis, distance "
        f"of their mean feature vectors, as in the matrix of distances. {_claim(whole)}, by a one-sided Mantel test "
        f"over {how} of the cultures (two-sided {p_text(whole.two_sided)}). "
    )
    for region, test in inside.items():
        text += (
            f"Within {region} cultures, without the influence of the gaps between regions, the correlation is "
            f"{test.correlation:+.2f} ({_WORDS[test.verdict]}, {p_text(test.greater)}). "
        )
    if few:
        text += f"Too few cultures for a test of their own: {', '.join(few)}. "
    return text + "A present capital is only a rough proxy for where paintings were made."


def _figure(distances: CultureDistances, kilometres: Matrix, whole: MantelTest) -> Figure:
    table = _table(distances, kilometres)
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
        axes.set_title(f"Spearman {whole.correlation:+.2f}, one-sided {p_text(whole.greater)}")
        figure.legend(loc="outside lower center", ncols=3, handletextpad=0.2, columnspacing=1.2)
    labelled = _pairs_to_label(table)
    points = list(zip(table["kilometres"], table["distance"], strict=True))
    names = [
        f"{distances.label(a)} and {distances.label(b)}" if i in labelled else ""
        for i, (a, b) in enumerate(zip(table.culture, table.other, strict=True))
    ]
    plotting_style.place_labels(axes, points, names, 3.0, fontsize=7.5, path_effects=[plotting_style.halo()])
    return figure


def _between(kind: str) -> str:
    return {
        "Asian / European": "#8a6f9c",
        "Asian / North American": "#c2a35c",
        "European / North American": "#6f9a86",
    }.get(kind, plotting_style.ELSEWHERE)


def _pairs_to_label(table: pd.DataFrame) -> set[int]:
    """Return the indices of pairs with extreme distances, and of those whose two ranks differ most."""
    # Spearman's correlation compares ranks, so outliers are pairs with a large difference of ranks.
    off = table["distance"].rank() - table["kilometres"].rank()
    ends = [table["distance"].nsmallest(2), table["distance"].nlargest(2), off.nsmallest(2), off.nlargest(2)]
    ends += [table["kilometres"].nlargest(1)]
    return {int(index) for series in ends for index in series.index}
