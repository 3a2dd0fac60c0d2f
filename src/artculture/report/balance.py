"""Recall by number of training paintings, of rows that differ in their class balance alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from artculture.analysis import plotting_style
from artculture.report.curves import BLUE, Chart
from artculture.report.study_data import StudyRecord, StudyRun
from artculture.studies.paper import row_title

NONE = "none"
# Classes with fewer training paintings count as rare.
RARE = 30
WORDS = {
    "balanced_sampler": "balanced sampler",
    "balanced_softmax": "balanced softmax",
    "class_weights": "class weights",
    "focal": "focal loss",
    "half_logit_adjustment": "half the logit adjustment",
    "logit_adjustment": "logit adjustment",
    "sqrt_sampler": "square-root sampler",
}


@dataclass(frozen=True)
class BalanceComparison:
    """Recall of each class without and with a class balance, in percent, means over the seeds.

    Attributes:
        title: the row that both have in common.
        balance: the class balance, in words.
        table: columns `culture`, `training`, `test`, `without`, `with`; most training paintings first.
        chart: recall against training paintings.
    """

    title: str
    balance: str
    table: pd.DataFrame
    chart: Chart

    @property
    def sentence(self) -> str:
        """The change of macro recall, and of the recall of rare classes."""
        return self.chart.alt


def balance_comparisons(study: StudyRecord) -> list[BalanceComparison]:
    """Return one comparison per class balance of a row that the study also has without any."""
    rows: dict[tuple[str, ...], dict[str, list[StudyRun]]] = {}
    for run in study.finished:
        balance = str((run.config.get("balance") or {}).get("name", NONE))
        architecture, scheduler, method, variant = run.row_key
        # `none` may also be an option of another group.
        own = () if balance == NONE else (balance, "balance.")
        kept = " ".join(part for part in variant.split() if not part.startswith(own))
        rows.setdefault((architecture, method, scheduler, kept), {}).setdefault(balance, []).append(run)
    found = [
        _comparison(row_title(*key[:3]), WORDS.get(balance, balance), kinds[NONE], runs)
        for key, kinds in rows.items()
        if NONE in kinds
        for balance, runs in kinds.items()
        if balance != NONE
    ]
    return [comparison for comparison in found if comparison is not None]


def _comparison(
    title: str, balance: str, without: Sequence[StudyRun], runs: Sequence[StudyRun]
) -> BalanceComparison | None:
    """Return a comparison; None if no class has training paintings and a recall in both."""
    before, after = _recalls(without), _recalls(runs)
    table = before.join(after["recall"].rename("with"), how="inner").rename(columns={"recall": "without"})
    table = table.dropna().sort_values("training", ascending=False, kind="stable").reset_index(names="culture")
    if table.empty:
        return None
    return BalanceComparison(title, balance, table, Chart(balance, _sentence(table, balance), _figure(table, balance)))


def _recalls(runs: Sequence[StudyRun]) -> pd.DataFrame:
    """Return training paintings, test paintings and mean recall in percent of each class."""
    parts = []
    for run in runs:
        result = run.result or {}
        counts = result.get("class_counts", {})
        rows = {
            name: (counts.get(name, np.nan), one.get("test_paintings", np.nan), one.get("recall"))
            for name, one in result.get("per_culture", {}).items()
        }
        parts.append(pd.DataFrame.from_dict(rows, orient="index", columns=["training", "test", "recall"], dtype=float))
    table = pd.concat(parts)
    table["recall"] *= 100
    return table.groupby(level=0, sort=False).mean()


def _sentence(table: pd.DataFrame, balance: str) -> str:
    text = f"With {balance}, macro recall is {table['with'].mean():.1f} %, without {table['without'].mean():.1f} %."
    rare = table[table["training"] < RARE]
    if 0 < len(rare) < len(table):
        text += (
            f" Of the {len(rare)} with fewer than {RARE} training paintings it is {rare['with'].mean():.1f} %, without "
            f"{rare['without'].mean():.1f} %."
        )
    return text


def _figure(table: pd.DataFrame, balance: str) -> Figure:
    with plotting_style.styled():
        figure = plotting_style.new_figure(4.8, 3.0)
        axes = figure.subplots()
        axes.set_xscale("log")
        x = table["training"].to_numpy(dtype=np.float64)
        axes.set_xlim(x.min() / 1.5, x.max() * 1.6)
        axes.set_ylim(-6, 108)
        axes.vlines(x, table["without"], table["with"], color=plotting_style.FAINT, linewidth=2)
        # Lines without length, as markers would need ids in the SVG.
        for name, colour, width in (("without", plotting_style.SOFT, 6.0), ("with", BLUE, 9.0)):
            dot: dict[str, Any] = {"color": colour, "linewidth": width, "solid_capstyle": "round"}
            for at, value in zip(x, table[name], strict=True):
                axes.plot([at, at], [value, value], **dot)
            axes.plot([], [], label=f"{name} {balance}", **dot)
        axes.set_xlabel("training paintings (logarithmic)")
        axes.set_ylabel("recall on the test split, %")
        ticks = plotting_style.round_counts(axes)
        axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
        axes.minorticks_off()
        axes.grid(axis="y", color=plotting_style.FAINT, linewidth=0.7)
        axes.set_axisbelow(True)
        axes.spines[:].set_visible(False)
        figure.legend(loc="outside upper left", ncols=2, handlelength=0.1, handletextpad=1)
    ends = [*zip(x, table["with"], strict=True), *zip(x, table["without"], strict=True)]
    names = [*table["culture"].tolist(), *([""] * len(table))]
    plotting_style.place_labels(axes, [(float(a), float(b)) for a, b in ends], names, 5.0, fontsize=7.5)
    return figure
