"""Are the three regions apart? Silhouettes, and telling Asian from Western paintings."""

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.metrics import pairwise_distances

from artculture.analysis import look
from artculture.analysis.finding import Finding
from artculture.analysis.places import OTHER, by_region, region_of
from artculture.analysis.subject import Featurised
from artculture.runs.intervals import Interval, wilson

NAME, TITLE = "regions", "Asian, European and North American art"
PERMUTATIONS = 9999
# Distances between all pairs of paintings are needed: beyond this many, a seeded sample stands for them.
AT_MOST = 8000

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Separation:
    """How far regions are apart, in silhouettes (-1..1), and what other groupings of the same cultures reach.

    Attributes:
        observed: mean silhouette.
        by_chance: the same for every other way (or many) to give the cultures those regions' names.
        p: share of groupings at least as well apart, the true one among them.
        exact: whether all groupings were tried.
    """

    observed: float
    by_chance: Values
    p: float
    exact: bool


def regions_finding(featurised: Featurised, seed: int = 0) -> Finding:
    """Silhouettes of paintings and of culture means by region, and Asian-against-Western accuracy on the test split."""
    unknown = [name for name in featurised.classes if region_of(name) == OTHER]
    if unknown:
        return Finding(NAME, TITLE, f"Left out: no region is known for {', '.join(unknown)}.")
    rows = _sample(featurised, seed)
    present, labels = np.unique(featurised.labels[rows], return_inverse=True)
    cultures = [featurised.classes[label] for label in present]
    regions = [region_of(name) for name in cultures]
    if len(set(regions)) < 2 or len(cultures) < 3:
        return Finding(NAME, TITLE, "Left out: it needs at least three cultures of at least two regions.")
    features = featurised.features[rows]
    means = np.array([features[labels == label].mean(axis=0) for label in range(len(cultures))])
    sums, counts = distance_sums(features, labels, len(cultures)), np.bincount(labels)
    of_paintings = separation(sums, labels, counts, regions, seed)
    of_means = separation(
        pairwise_distances(means), np.arange(len(cultures)), np.ones(len(cultures), dtype=np.int64), regions, seed
    )
    each = silhouettes(sums, labels, counts, _codes(regions))
    table = pd.DataFrame(
        {
            "culture": cultures,
            "region": regions,
            "paintings": counts,
            "silhouette": [float(each[labels == label].mean()) for label in range(len(cultures))],
        }
    )
    sides = sides_of_test(featurised)
    numbers: dict[str, Any] = {
        "silhouette_of_paintings": _plain(of_paintings),
        "silhouette_of_culture_means": _plain(of_means),
        "paintings": len(rows),
        "asian_against_western": sides.numbers if sides else None,
    }
    tables = {"region_silhouettes": table}
    if sides:
        tables["asian_against_western"] = sides.table
    return Finding(
        NAME,
        TITLE,
        _caption(of_paintings, of_means, len(cultures), sides),
        _figure(table, of_paintings, sides),
        tables,
        numbers,
        alt="Left: mean silhouette of each culture's paintings. Middle: silhouettes of other groupings of cultures, "
        "the true one marked. Right: share of each culture's test paintings put on the right side of Asian or Western.",
    )


def distance_sums(features: NDArray[np.float32], labels: NDArray[np.intp], cultures: int) -> Values:
    """Of each painting, the summed L2 distance to all paintings of each culture, N x C."""
    member = np.eye(cultures)[labels]
    centred = features - features.mean(axis=0)
    blocks = range(0, len(centred), 1024)
    parts = [pairwise_distances(centred[at : at + 1024].astype(np.float64), centred) for at in blocks]
    # A painting's distance to itself is 0, whatever rounding says.
    for at, part in zip(blocks, parts, strict=True):
        part[np.arange(len(part)), at + np.arange(len(part))] = 0
    return np.concatenate([part @ member for part in parts])


def silhouettes(sums: Values, labels: NDArray[Any], counts: NDArray[np.int64], codes: NDArray[np.int64]) -> Values:
    """Each item's silhouette when cultures are merged into regions; 0 in a region of one item (as scikit-learn).

    Args:
        sums: summed distances of each item to each culture, N x C.
        labels: culture of each item.
        counts: items of each culture.
        codes: region of each culture, 0, 1, …
    """
    merge = np.eye(codes.max() + 1)[codes]
    sizes, to_region = counts @ merge, sums @ merge
    own = codes[labels]
    itself = np.arange(len(labels))
    alone = sizes[own] <= 1
    inside = to_region[itself, own] / np.where(alone, 1, sizes[own] - 1)
    others = to_region / sizes
    others[itself, own] = np.inf
    outside = others.min(axis=1)
    larger = np.maximum(inside, outside)
    score = np.divide(outside - inside, larger, out=np.zeros(len(labels)), where=larger > 0)
    return np.where(alone, 0.0, score)


def separation(
    sums: Values, labels: NDArray[Any], counts: NDArray[np.int64], regions: Sequence[str], seed: int = 0
) -> Separation:
    """The mean silhouette of a grouping of cultures against all others of the same sizes.

    Names of regions are permuted over cultures, never over paintings: paintings of a culture belong together for any
    reason, so mixing paintings would call every grouping of cultures significant.
    """
    truth = _codes(regions)
    groupings, exact = _groupings(truth, seed)
    # The mean over paintings, culture by culture: one small product a grouping.
    means = np.array([silhouettes(sums, labels, counts, grouping).mean() for grouping in groupings])
    observed = float(silhouettes(sums, labels, counts, truth).mean())
    reached = int((means >= observed - 1e-12).sum())
    p = reached / len(means) if exact else (reached + 1) / (len(means) + 1)
    return Separation(observed, means, p, exact)


def _codes(regions: Sequence[str]) -> NDArray[np.int64]:
    names = sorted(set(regions))
    return np.array([names.index(region) for region in regions], dtype=np.int64)


def _groupings(truth: NDArray[np.int64], seed: int) -> tuple[list[NDArray[np.int64]], bool]:
    sizes = Counter(truth.tolist())
    ways = math.factorial(len(truth)) // math.prod(math.factorial(size) for size in sizes.values())
    if ways <= PERMUTATIONS:
        return [np.array(codes) for codes in _arrangements(sizes, len(truth))], True
    rng = np.random.default_rng(seed)
    return [rng.permutation(truth) for _ in range(PERMUTATIONS)], False


def _arrangements(sizes: dict[int, int], n: int) -> list[list[int]]:
    """All different orders of a multiset of codes."""
    codes = sorted(sizes)
    if len(codes) == 1:
        return [[codes[0]] * n]
    first, rest = codes[0], {code: sizes[code] for code in codes[1:]}
    orders = []
    for places in itertools.combinations(range(n), sizes[first]):
        for inner in _arrangements(rest, n - sizes[first]):
            others = iter(inner)
            orders.append([first if place in places else next(others) for place in range(n)])
    return orders


def _sample(featurised: Featurised, seed: int) -> NDArray[np.int64]:
    n = len(featurised.labels)
    if n <= AT_MOST:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, AT_MOST, replace=False))


@dataclass(frozen=True)
class Sides:
    """Test paintings told Asian or Western: numbers of all, and one row a culture."""

    numbers: dict[str, Any]
    table: pd.DataFrame


def sides_of_test(featurised: Featurised) -> Sides | None:
    """Asian against Western on the test split; None where that is empty or a side has no culture."""
    rows = featurised.members("test")
    asian = np.array([region_of(name) == "Asian" for name in featurised.classes])
    if not len(rows) or asian.all() or not asian.any():
        return None
    chances, labels = featurised.probabilities()[rows], featurised.labels[rows]
    truth = asian[labels]
    by_sum = (chances[:, asian].sum(axis=1) > 0.5) == truth
    by_culture = asian[chances.argmax(axis=1)] == truth
    larger = max(int(truth.sum()), int((~truth).sum()))
    numbers = {
        "paintings": len(rows),
        "by_summed_probability": _share(by_sum),
        "by_likeliest_culture": _share(by_culture),
        "asian": _share(by_sum[truth]),
        "western": _share(by_sum[~truth]),
        "larger_side": larger / len(rows),
    }
    lines = []
    for label, name in enumerate(featurised.classes):
        mine = by_sum[labels == label]
        if len(mine):
            low, high = wilson(int(mine.sum()), len(mine))
            lines.append((name, region_of(name), len(mine), int(mine.sum()), float(mine.mean()), low, high))
    columns = ["culture", "region", "test_paintings", "right_side", "share", "low", "high"]
    return Sides(numbers, pd.DataFrame(lines, columns=columns))


def _share(right: NDArray[np.bool_]) -> dict[str, Any]:
    interval: Interval = wilson(int(right.sum()), len(right))
    return {"share": float(right.mean()) if len(right) else None, "interval": list(interval), "n": len(right)}


def _plain(found: Separation) -> dict[str, Any]:
    return {
        "silhouette": found.observed,
        "p": found.p,
        "groupings": len(found.by_chance),
        "exact": found.exact,
        "mean_of_groupings": float(found.by_chance.mean()),
    }


def _caption(paintings: Separation, means: Separation, cultures: int, sides: Sides | None) -> str:
    how = "all" if paintings.exact else "randomly drawn"
    text = (
        "A silhouette near 1 says that a painting lies far closer to its own region than to the next, near 0 that it "
        f"lies between. Left: its mean in each culture. Over all paintings it is {paintings.observed:.3f}; middle: "
        f"that number among {how} {len(paintings.by_chance):,} ways to give the {cultures} cultures these regions' "
        f"names (p = {paintings.p:.4f}). Names are permuted over cultures, not over paintings, for paintings of one "
        "culture lie together whatever it is grouped with. Of the culture means alone the silhouette is "
        f"{means.observed:.3f} (p = {means.p:.4f}; a region of one culture counts as 0). "
    )
    if sides:
        told, other = sides.numbers["by_summed_probability"], sides.numbers["by_likeliest_culture"]
        low, high = told["interval"]
        text += (
            f"Right: {100 * told['share']:.1f} % of {told['n']} test paintings are put on the right side of Asian or "
            f"Western by their summed probabilities (95 % interval {100 * low:.1f} to {100 * high:.1f}), "
            f"{100 * other['share']:.1f} % by the region of the likeliest culture; always naming the larger side would "
            f"get {100 * sides.numbers['larger_side']:.1f} %."
        )
    return text.strip()


def _figure(table: pd.DataFrame, found: Separation, sides: Sides | None) -> Figure:
    columns = 3 if sides else 2
    height = max(2.8, 0.26 * len(table) + 1.2)
    figure, axes = look.panels(3.1 * columns + 0.4, height, 1, columns)
    with look.styled():
        _by_culture(axes[0], table)
        axes[1].hist(found.by_chance, bins=40, color=look.FAINT, edgecolor="white", linewidth=0.3)
        axes[1].axvline(found.observed, color=look.WRONG, linewidth=1.6)
        axes[1].set_title("Other groupings of the cultures")
        axes[1].set_xlabel("mean silhouette of all paintings\n(line: the true regions)")
        axes[1].locator_params(axis="x", nbins=4)
        axes[1].set_ylabel("groupings")
        if sides:
            _by_side(axes[2], sides.table)
    return figure


def _by_culture(axes: Axes, table: pd.DataFrame) -> None:
    rows = table.iloc[by_region(table["culture"].tolist())]
    colours = [look.REGIONS.get(region, look.ELSEWHERE) for region in rows["region"]]
    axes.barh(range(len(rows)), rows["silhouette"], color=colours, height=0.7)
    axes.set_yticks(range(len(rows)), rows["culture"])
    axes.invert_yaxis()
    axes.axvline(0, color=look.SOFT, linewidth=0.7)
    axes.tick_params(axis="y", length=0)
    axes.locator_params(axis="x", nbins=4)
    axes.set_title("Each culture in its region")
    axes.set_xlabel("mean silhouette of its paintings")


def _by_side(axes: Axes, table: pd.DataFrame) -> None:
    rows = table.iloc[by_region(table["culture"].tolist())].reset_index(drop=True)
    colours = [look.REGIONS.get(region, look.ELSEWHERE) for region in rows["region"]]
    axes.hlines(range(len(rows)), rows["low"], rows["high"], color=colours, linewidth=1.6, alpha=0.6)
    axes.scatter(rows["share"], range(len(rows)), color=colours, s=26, zorder=3)
    names = [f"{name} ({n})" for name, n in zip(rows["culture"], rows["test_paintings"], strict=True)]
    axes.set_yticks(range(len(rows)), names)
    axes.invert_yaxis()
    axes.set_xlim(-0.02, 1.03)
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    axes.tick_params(axis="y", length=0)
    axes.set_title("Asian or Western, told rightly")
    axes.set_xlabel("share of test paintings, 95 % interval")
