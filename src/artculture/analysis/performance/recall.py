"""Recall of each culture against its number of training paintings."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import stats

from artculture.analysis import plotting_style
from artculture.analysis.claims import SIGNIFICANT, TOO_FEW, least_p, p_text, verdict
from artculture.analysis.figure import Finding
from artculture.analysis.many_classes import NAMED, are_many, largest, some
from artculture.analysis.model_under_study import Embeddings
from artculture.analysis.similarity.culture_colours import region_colour
from artculture.analysis.similarity.culture_locations import region_of
from artculture.evaluation.intervals import wilson

NAME, TITLE = "recall_by_paintings", "Recall by number of training paintings"
# A correlation of fewer cultures is meaningless.
MIN_CULTURES = 4
PERMUTATIONS = 9999


def recalls_finding(embeddings: Embeddings, seed: int = 0) -> Finding:
    """Plot test recall against training paintings, with Wilson intervals and Spearman's correlation."""
    table = recall_table(embeddings)
    shown = table[(table["test_paintings"] > 0) & (table["training_paintings"] > 0)]
    if shown.empty:
        return Finding(NAME, TITLE, "Left out: no culture has both training and test paintings.")
    correlation, p, said = _spearman(shown["training_paintings"].to_numpy(), shown["recall"].to_numpy(), seed)
    text = (
        "Each dot is a culture: x axis (logarithmic), its number of training paintings; y axis, its recall on the test "
        "split with a 95 % Wilson interval, which is wide for few test paintings. "
    )
    if shown["training_paintings"].duplicated().any():
        text += "Cultures with equal numbers of training paintings lie on one vertical line. "
    if correlation is not None and p is not None:
        text += (
            f"{_claim(correlation, said)} (Spearman's correlation {correlation:+.2f}, two-sided permutation "
            f"{p_text(p)}, {len(shown)} cultures). "
        )
    if are_many(shown["culture"].tolist()):
        text += f"Named are the cultures with the most training paintings and the {NAMED} with the lowest recall. "
    if len(shown) < len(table):
        absent = table[~table["culture"].isin(shown["culture"])]["culture"]
        text += f"Not shown, without training or test paintings: {some(absent.tolist())}. "
    numbers = {"spearman": correlation, "p_two_sided": p, "verdict": said, "cultures": len(shown)}
    alt = _alt(shown, correlation, p, said)
    return Finding(NAME, TITLE, text.strip(), _figure(shown), {NAME: table}, numbers, alt=alt)


def recall_table(embeddings: Embeddings) -> pd.DataFrame:
    """Return one row per culture; recall and its interval are NaN without test paintings."""
    test, train = embeddings.members("test"), embeddings.members("train")
    n = len(embeddings.classes)
    trained = np.bincount(embeddings.labels[train], minlength=n)
    tested = np.bincount(embeddings.labels[test], minlength=n)
    guessed, truth = embeddings.logits[test].argmax(axis=1), embeddings.labels[test]
    right = np.bincount(truth[guessed == truth], minlength=n)
    rows = []
    for label, name in enumerate(embeddings.classes):
        known = tested[label] > 0
        low, high = wilson(int(right[label]), int(tested[label])) if known else (np.nan, np.nan)
        recall = right[label] / tested[label] if known else np.nan
        rows.append((name, int(trained[label]), int(tested[label]), int(right[label]), recall, low, high))
    return pd.DataFrame(
        rows, columns=["culture", "training_paintings", "test_paintings", "right", "recall", "low", "high"]
    )


def _spearman(
    paintings: NDArray[np.int64], recall: NDArray[np.float64], seed: int
) -> tuple[float | None, float | None, str | None]:
    """Return the correlation, its p-value and the verdict; None where there is no correlation."""
    if len(paintings) < MIN_CULTURES or np.ptp(paintings) == 0 or np.ptp(recall) == 0:
        return None, None, None
    ranks = stats.rankdata(recall)

    def correlation(order: NDArray[np.float64], axis: int = -1) -> NDArray[np.float64]:
        # Pearson's correlation of ranks; ranks can be permuted in place of values.
        own = order - order.mean(axis=axis, keepdims=True)
        other = ranks - ranks.mean()
        lengths = np.linalg.norm(own, axis=axis) * np.linalg.norm(other)
        result: NDArray[np.float64] = (own * other).sum(axis=axis) / lengths
        return result

    test = stats.permutation_test(
        (stats.rankdata(paintings),),
        correlation,
        permutation_type="pairings",
        n_resamples=PERMUTATIONS,
        vectorized=True,
        rng=np.random.default_rng(seed),
    )
    drawn = np.asarray(test.null_distribution, dtype=np.float64)
    least = 2 * least_p(drawn, exact=len(drawn) < PERMUTATIONS)
    return float(test.statistic), float(test.pvalue), verdict(float(test.pvalue), least)


def _claim(correlation: float, said: str | None) -> str:
    if said == TOO_FEW:
        return "These are too few cultures to say whether recall follows the number of training paintings"
    if said != SIGNIFICANT:
        return "Recall does not significantly follow the number of training paintings"
    return f"Recall {'rises' if correlation > 0 else 'falls'} significantly with the number of training paintings"


def _alt(shown: pd.DataFrame, correlation: float | None, p: float | None, said: str | None) -> str:
    missed = shown[shown["recall"] == 0]["culture"].tolist()
    best = shown.iloc[int(shown["recall"].to_numpy().argmax())]
    parts = [] if correlation is None or p is None else [f"{_claim(correlation, said)} ({p_text(p)})."]
    parts.append(f"Highest recall: {best['culture']}, {100 * best['recall']:.0f} %.")
    parts += [f"No test painting is recognised of: {some(missed)}."] if missed else []
    return " ".join(parts)


def _figure(shown: pd.DataFrame) -> Figure:
    figure, (axes,) = plotting_style.panels(6.4, 4.2)
    colours = [region_colour(name) for name in shown["culture"]]
    with plotting_style.styled():
        axes.set_xscale("log")
        across = shown["training_paintings"].to_numpy(dtype=np.float64)
        # Limits before anything is drawn: matplotlib can't fit a logarithmic axis to one value.
        axes.set_xlim(across.min() / 1.5, across.max() * 1.6)
        axes.vlines(across, shown["low"], shown["high"], color=colours, alpha=0.45, linewidth=1.8)
        axes.scatter(across, shown["recall"], color=colours, s=36, edgecolor="white", linewidth=0.7, zorder=3)
        # Room for the names of cultures without any recall.
        axes.set_ylim(-0.2, 1.08)
        axes.set_yticks(np.linspace(0, 1, 6))
        counts = np.unique(across).astype(int).tolist()
        # With few distinct counts, label these instead of round numbers.
        ticks = counts if len(counts) < 4 else plotting_style.round_counts(axes)
        axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
        axes.minorticks_off()
        axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
        axes.set_xlabel("training paintings (logarithmic)")
        axes.set_ylabel("recall on the test split")
        axes.grid(axis="y", color=plotting_style.FAINT, linewidth=0.6)
        axes.set_axisbelow(True)
        # Outside of the axes, where it covers no label.
        regions = [region_of(name) for name in shown["culture"]]
        plotting_style.region_legend(figure, regions, loc="outside lower center", ncols=4)
    points = list(zip(across.tolist(), shown["recall"], strict=True))
    # Thin boxes along the intervals, which labels should not cover.
    bars = [
        (x - 0.01 * x, low, x + 0.01 * x, high)
        for x, low, high in zip(across, shown["low"], shown["high"], strict=True)
    ]
    style = {"fontsize": 8.5, "path_effects": [plotting_style.halo()]}
    names = shown["culture"].tolist()
    if are_many(names):
        extremes = {*largest(across), *largest(-shown["recall"].to_numpy(), NAMED)}
        names, bars = [name if i in extremes else "" for i, name in enumerate(names)], []
    plotting_style.place_labels(axes, points, names, 3.5, keep_clear=bars, **style)
    return figure
