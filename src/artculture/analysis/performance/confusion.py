"""Confusion matrix of the test split."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from artculture.analysis import plotting_style
from artculture.analysis.figure import Finding
from artculture.analysis.many_classes import SHOWN, are_many, clustered
from artculture.analysis.model_under_study import Embeddings
from artculture.analysis.similarity.culture_locations import by_region
from artculture.analysis.similarity.distance_matrix import bare_heat_map, style_culture_axes

NAME, TITLE = "confusion_matrix", "Confusion matrix"
OF_FEW = (
    "The colour and the first number of a cell are its share of the row in %, the number below is the count of "
    "paintings; empty cells have none. "
)
OF_MANY = (
    "Left: errors alone, cultures that are often confused next to each other (average-linkage clustering); the tables "
    "hold all counts. Right: the most frequent errors. "
)
# Number of equally frequent errors that the caption lists.
MAX_LISTED = 3


def confusion_finding(embeddings: Embeddings) -> Finding:
    """Draw the counts of test paintings and their shares per true culture, and list the errors."""
    matrix = confusion_matrix(embeddings)
    n = int(matrix.sum())
    if not n:
        return Finding(NAME, TITLE, "Left out: the test split is empty.")
    names = list(embeddings.classes)
    mistakes = _mistakes(matrix, names)
    right = int(np.trace(matrix))
    text = (
        f"Rows are true cultures, columns predictions: {n:,} test paintings, {right:,} of them right "
        f"({100 * right / n:.1f} %). "
    )
    text += OF_MANY if are_many(names) else OF_FEW
    text += _most_frequent(mistakes)
    counts = pd.DataFrame(matrix, columns=names)
    counts.insert(0, "culture", names)
    numbers = {"paintings": n, "right": right}
    alt = f"{right:,} of {n:,} test paintings are right ({100 * right / n:.1f} %). {_most_frequent(mistakes)}".strip()
    tables = {NAME: counts, "mistakes": mistakes}
    figure = _figure_of_many(matrix, names, mistakes) if are_many(names) else _figure(matrix, names)
    return Finding(NAME, TITLE, text.strip(), figure, tables, numbers, alt=alt)


def _most_frequent(mistakes: pd.DataFrame) -> str:
    """Return the sentence that names the most frequent errors; "" without any."""
    if mistakes.empty:
        return ""
    most = mistakes[mistakes["paintings"] == mistakes["paintings"].max()]
    kinds = [
        f"{m['culture']} predicted as {m['predicted']} (of {m['of']})" for m in most.head(MAX_LISTED).to_dict("records")
    ]
    rest = f" and {len(most) - MAX_LISTED} others" if len(most) > MAX_LISTED else ""
    times = f"{most['paintings'].iloc[0]} times{' each' if len(most) > 1 else ''}"
    return f"Most frequent error, {times}: {', '.join(kinds)}{rest}."


def confusion_matrix(embeddings: Embeddings) -> NDArray[np.int64]:
    """Count test paintings by true (rows) and predicted culture (columns), int64 C x C."""
    rows, n = embeddings.members("test"), len(embeddings.classes)
    # Each (true, predicted) pair is encoded as one integer and counted.
    pairs = embeddings.labels[rows] * n + embeddings.logits[rows].argmax(axis=1)
    return np.bincount(pairs, minlength=n * n).reshape(n, n)


def _mistakes(matrix: NDArray[np.int64], names: list[str]) -> pd.DataFrame:
    rows = [(names[a], names[b], int(matrix[a, b]), int(matrix[a].sum())) for a, b in np.argwhere(matrix) if a != b]
    table = pd.DataFrame(rows, columns=["culture", "predicted", "paintings", "of"])
    return table.sort_values("paintings", ascending=False, kind="stable", ignore_index=True)


def _figure_of_many(matrix: NDArray[np.int64], names: list[str], mistakes: pd.DataFrame) -> Figure:
    total = matrix.sum(axis=1, keepdims=True)
    shares = np.divide(100 * matrix, total, out=np.zeros(matrix.shape), where=total > 0)
    alike = shares + shares.T
    order = clustered(alike.max() - alike * (1 - np.eye(len(names))))
    figure, (left, right) = plotting_style.panels(12.4, 6.4, 1, 2, width_ratios=(1.6, 1))
    with plotting_style.styled():
        bare_heat_map(
            left,
            np.sqrt(shares[np.ix_(order, order)]),
            [names[i] for i in order],
            "Blues",
            "square root of the share of the row in %",
        )
        left.set_title("Confusions")
        left.set_xlabel("predicted culture")
        left.set_ylabel("true culture (test paintings)")
        top = mistakes.head(SHOWN)
        right.barh(range(len(top)), top["paintings"], color=plotting_style.WRONG, height=0.7)
        kinds = [f"{m['culture']} → {m['predicted']} (of {m['of']})" for m in top.to_dict("records")]
        right.set_yticks(range(len(top)), kinds, fontsize=7)
        right.invert_yaxis()
        right.tick_params(axis="y", length=0)
        right.xaxis.set_major_locator(MaxNLocator(integer=True))
        right.set_title("Most frequent confusions")
        right.set_xlabel("test paintings")
    return figure


def _figure(matrix: NDArray[np.int64], names: list[str]) -> Figure:
    order = by_region(names)
    counts, shown = matrix[np.ix_(order, order)], [names[i] for i in order]
    total = counts.sum(axis=1, keepdims=True)
    shares = np.divide(100 * counts, total, out=np.zeros(counts.shape), where=total > 0)
    side = max(3.4, 0.47 * len(names) + 1.6)
    figure, (axes,) = plotting_style.panels(side + 1.1, side)
    size = 7.5 if len(names) <= 12 else max(3.5, 90 / len(names))
    with plotting_style.styled():
        # vmax above 100 % avoids the darkest end of the colour map.
        image = axes.imshow(np.ma.masked_equal(shares, 0), cmap="Blues", vmin=0, vmax=115)
        for row, column in np.argwhere(counts):
            ink = "white" if shares[row, column] > 60 else plotting_style.INK
            text = f"{shares[row, column]:.0f}\n({counts[row, column]})"
            axes.text(column, row, text, ha="center", va="center", fontsize=size, color=ink, linespacing=1.05)
        bar = figure.colorbar(image, ax=axes, shrink=0.75, pad=0.02, label="share of the true culture's paintings, %")
        bar.ax.set_ylim(0, 100)
        bar.outline.set_visible(False)
        style_culture_axes(axes, shown)
        # Setting new tick labels resets their colours, so they are restored afterwards.
        labels = [f"{name} ({count})" for name, count in zip(shown, total.ravel(), strict=True)]
        for label, text in zip(axes.get_yticklabels(), labels, strict=True):
            label.set_text(text)
        colours = [label.get_color() for label in axes.get_yticklabels()]
        axes.set_yticks(range(len(labels)), labels)
        for label, colour in zip(axes.get_yticklabels(), colours, strict=True):
            label.set_color(colour)
        axes.set_xlabel("predicted culture")
        axes.set_ylabel("true culture (test paintings)")
        for place in range(len(names) + 1):
            axes.axhline(place - 0.5, color=plotting_style.FAINT, linewidth=0.4)
            axes.axvline(place - 0.5, color=plotting_style.FAINT, linewidth=0.4)
        image.set_zorder(0.5)
    return figure
