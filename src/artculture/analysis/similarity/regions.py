"""Separation of the three regions: silhouettes, and Asian-against-Western accuracy."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.metrics import pairwise_distances

from artculture.analysis import plotting_style
from artculture.analysis.claims import SIGNIFICANT, TOO_FEW, p_text
from artculture.analysis.figure import Finding
from artculture.analysis.many_classes import some
from artculture.analysis.model_under_study import Embeddings
from artculture.analysis.similarity.culture_colours import region_colour
from artculture.analysis.similarity.culture_locations import OTHER, by_region, region_of
from artculture.analysis.similarity.separation import Separation, distance_sums, region_codes, separation, silhouettes
from artculture.evaluation.intervals import Interval, wilson

NAME, TITLE = "regions", "Separation of Asian, European and North American art"
# Silhouettes need the distances of all pairs of paintings; beyond this number a seeded sample is used.
MAX_PAINTINGS = 8000


def regions_finding(embeddings: Embeddings, seed: int = 0) -> Finding:
    """Compute silhouettes by region, of paintings and of culture means, and Asian-against-Western test accuracy."""
    unknown = [name for name in embeddings.classes if region_of(name) == OTHER]
    if unknown:
        return Finding(NAME, TITLE, f"Left out: the region is unknown for {some(unknown)}.")
    rows = _sample(embeddings, seed)
    present, labels = np.unique(embeddings.labels[rows], return_inverse=True)
    cultures = [embeddings.classes[label] for label in present]
    regions = [region_of(name) for name in cultures]
    if len(set(regions)) < 2 or len(cultures) < 3:
        return Finding(NAME, TITLE, "Left out: at least three cultures of at least two regions are needed.")
    features = embeddings.features[rows]
    means = np.array([features[labels == label].mean(axis=0) for label in range(len(cultures))])
    sums, counts = distance_sums(features, labels, len(cultures)), np.bincount(labels)
    of_paintings = separation(sums, labels, counts, regions, seed)
    # The means weight all cultures equally; the silhouette of paintings is dominated by large cultures.
    of_means = separation(
        pairwise_distances(means), np.arange(len(cultures)), np.ones(len(cultures), dtype=np.int64), regions, seed
    )
    each = silhouettes(sums, labels, counts, region_codes(regions))
    table = pd.DataFrame(
        {
            "culture": cultures,
            "region": regions,
            "paintings": counts,
            "silhouette": [float(each[labels == label].mean()) for label in range(len(cultures))],
        }
    )
    asian_western = asian_western_accuracy(embeddings)
    numbers: dict[str, Any] = {
        "silhouette_of_paintings": _plain(of_paintings),
        "silhouette_of_culture_means": _plain(of_means),
        "paintings": len(rows),
        "asian_against_western": asian_western.numbers if asian_western else None,
    }
    tables = {"region_silhouettes": table}
    if asian_western:
        tables["asian_against_western"] = asian_western.table
    return Finding(
        NAME,
        TITLE,
        _caption(of_paintings, of_means, len(cultures), asian_western),
        _figure(table, of_paintings, asian_western),
        tables,
        numbers,
        alt=" ".join([_claim(of_paintings) + ".", *_asian_western_claim(asian_western)]),
    )


def _sample(embeddings: Embeddings, seed: int) -> NDArray[np.int64]:
    n = len(embeddings.labels)
    if n <= MAX_PAINTINGS:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, MAX_PAINTINGS, replace=False))


@dataclass(frozen=True)
class AsianWesternAccuracy:
    """Accuracy of classifying test paintings as Asian or Western: total numbers, and one row per culture."""

    numbers: dict[str, Any]
    table: pd.DataFrame


def asian_western_accuracy(embeddings: Embeddings) -> AsianWesternAccuracy | None:
    """Compute Asian-against-Western accuracy; None for an empty test split or a side without cultures."""
    rows = embeddings.members("test")
    asian = np.array([region_of(name) == "Asian" for name in embeddings.classes])
    if not len(rows) or asian.all() or not asian.any():
        return None
    chances, labels = embeddings.probabilities()[rows], embeddings.labels[rows]
    truth = asian[labels]
    by_sum = (chances[:, asian].sum(axis=1) > 0.5) == truth
    by_culture = asian[chances.argmax(axis=1)] == truth
    # Baseline accuracy of a constant prediction.
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
    for label, name in enumerate(embeddings.classes):
        mine = by_sum[labels == label]
        if len(mine):
            low, high = wilson(int(mine.sum()), len(mine))
            lines.append((name, region_of(name), len(mine), int(mine.sum()), float(mine.mean()), low, high))
    columns = ["culture", "region", "test_paintings", "right_side", "share", "low", "high"]
    return AsianWesternAccuracy(numbers, pd.DataFrame(lines, columns=columns))


def _share(right: NDArray[np.bool_]) -> dict[str, Any]:
    interval: Interval = wilson(int(right.sum()), len(right))
    return {"share": float(right.mean()) if len(right) else None, "interval": list(interval), "n": len(right)}


def _plain(found: Separation) -> dict[str, Any]:
    return {
        "silhouette": found.observed,
        "p": found.p,
        "groupings": len(found.by_chance),
        "exact": found.exact,
        "verdict": found.verdict,
        "mean_of_groupings": float(found.by_chance.mean()),
    }


def _claim(found: Separation) -> str:
    """Return the result of the permutation test as a clause."""
    result = f"mean silhouette of the paintings {found.observed:.3f}, {p_text(found.p)}"
    if found.verdict == TOO_FEW:
        return f"These are too few cultures to say whether their regions are separable ({result})"
    are = "are" if found.verdict == SIGNIFICANT else "are not"
    return f"The regions {are} significantly more separable than permuted groups of cultures ({result})"


def _asian_western_claim(found: "AsianWesternAccuracy | None") -> list[str]:
    if found is None:
        return []
    share, larger = found.numbers["by_summed_probability"], found.numbers["larger_side"]
    low, high = share["interval"]
    better = "significantly more than" if low > larger else "not significantly more than"
    return [
        f"{100 * share['share']:.1f} % of {share['n']} test paintings are classified correctly as Asian or Western by "
        f"their summed probabilities (95 % interval {100 * low:.1f} to {100 * high:.1f}), {better} the "
        f"{100 * larger:.1f} % of always predicting the larger side."
    ]


def _caption(
    paintings: Separation, means: Separation, cultures: int, asian_western: AsianWesternAccuracy | None
) -> str:
    how = "all" if paintings.exact else "randomly drawn"
    text = (
        f"{_claim(paintings)}. A silhouette near 1 means that a painting is much closer to its own region than to the "
        "next one, near 0 that it is in between. Left: mean per culture. Middle: the mean over all paintings for"
        f" {how} {len(paintings.by_chance):,} assignments of the region labels to the {cultures} cultures "
        f"(the line is the true one). Labels are permuted over cultures, not over paintings, because paintings of one "
        "culture are close to each other in any grouping. The silhouette of the culture means is "
        f"{means.observed:.3f} ({p_text(means.p)}; a region of one culture counts as 0). "
    )
    if asian_western:
        by_culture = asian_western.numbers["by_likeliest_culture"]["share"]
        text += f"Right: {' '.join(_asian_western_claim(asian_western))} By the region of the predicted culture: "
        text += f"{100 * by_culture:.1f} %."
    return text.strip()


def _figure(table: pd.DataFrame, found: Separation, asian_western: AsianWesternAccuracy | None) -> Figure:
    columns = 3 if asian_western else 2
    height = max(2.8, 0.26 * len(table) + 1.2)
    figure, axes = plotting_style.panels(3.1 * columns + 0.4, height, 1, columns)
    with plotting_style.styled():
        _silhouette_by_culture(axes[0], table)
        axes[1].hist(found.by_chance, bins=40, color=plotting_style.FAINT, edgecolor="white", linewidth=0.3)
        axes[1].axvline(found.observed, color=plotting_style.INK, linewidth=1.6)
        axes[1].set_title("Permuted region labels")
        axes[1].set_xlabel("mean silhouette of all paintings\n(line: true regions)")
        axes[1].locator_params(axis="x", nbins=4)
        axes[1].set_ylabel("groupings")
        if asian_western:
            _accuracy_by_culture(axes[2], asian_western.table)
    return figure


def _silhouette_by_culture(axes: Axes, table: pd.DataFrame) -> None:
    rows = table.iloc[by_region(table["culture"].tolist())]
    colours = [region_colour(name) for name in rows["culture"]]
    axes.barh(range(len(rows)), rows["silhouette"], color=colours, height=0.7)
    axes.set_yticks(range(len(rows)), rows["culture"])
    axes.invert_yaxis()
    axes.axvline(0, color=plotting_style.SOFT, linewidth=0.7)
    axes.tick_params(axis="y", length=0)
    axes.locator_params(axis="x", nbins=4)
    axes.set_title("Silhouette by culture")
    axes.set_xlabel("mean silhouette of its paintings")


def _accuracy_by_culture(axes: Axes, table: pd.DataFrame) -> None:
    rows = table.iloc[by_region(table["culture"].tolist())].reset_index(drop=True)
    colours = [region_colour(name) for name in rows["culture"]]
    axes.hlines(range(len(rows)), rows["low"], rows["high"], color=colours, linewidth=1.6, alpha=0.6)
    axes.scatter(rows["share"], range(len(rows)), color=colours, s=26, zorder=3)
    names = [f"{name} ({n})" for name, n in zip(rows["culture"], rows["test_paintings"], strict=True)]
    axes.set_yticks(range(len(rows)), names)
    axes.invert_yaxis()
    axes.set_xlim(-0.02, 1.03)
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    axes.tick_params(axis="y", length=0)
    axes.set_title("Asian-Western accuracy")
    axes.set_xlabel("share of test paintings, 95 % interval")
