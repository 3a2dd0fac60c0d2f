"""Learning curves, drawn in the style of the figures."""

import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from markupsafe import Markup, escape
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator
from numpy.typing import NDArray

from artculture.analysis import plotting_style
from artculture.report.study_data import StudyRun
from artculture.studies.paper import row_title

SPLITS = {"train": "training", "val": "validation"}
BLUE = plotting_style.REGIONS["European"]
LINES: dict[str, dict[str, Any]] = {
    "train": {"color": plotting_style.SOFT, "linewidth": 1.2, "linestyle": (0, (3, 2))},
    "val": {"color": BLUE, "linewidth": 1.6},
}
# Inside the page the colours are those of the page, which has a dark mode.
PAGE_COLOURS = {
    plotting_style.INK: "var(--soft)",
    plotting_style.SOFT: "var(--soft)",
    plotting_style.FAINT: "var(--line)",
    BLUE: "var(--accent)",
    "#ffffff": "none",
}


@dataclass(frozen=True)
class Chart:
    """One metric by epoch: training and validation of all seeds."""

    name: str
    alt: str
    figure: Figure

    @cached_property
    def svg(self) -> str:
        """An SVG element with the alternative text, without ids, so that a page can hold several."""
        about = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        with io.StringIO() as file, plotting_style.styled(), mpl.rc_context({"svg.fonttype": "none"}):
            self.figure.savefig(file, format="svg", metadata=about)
            text = file.getvalue()
        text = re.sub(r' id="[^"]*"|<defs>.*?</defs>\s*', "", text[text.index("<svg") :], flags=re.DOTALL)
        return text.replace("<svg", f'<svg class="chart" role="img" aria-label="{escape(self.alt)}"', 1)

    @property
    def inline(self) -> Markup:
        """The SVG element in the colours of the page."""
        return Markup(re.sub("#[0-9a-f]{6}", lambda match: PAGE_COLOURS[match[0]], self.svg))


@dataclass(frozen=True)
class Panel:
    """The charts of one row of Table 2; `clipped_loss` is its highest loss if that exceeds the axis."""

    title: str
    variant: str
    charts: list[Chart]
    clipped_loss: float | None


def panels(runs: Sequence[StudyRun]) -> list[Panel]:
    """Return one panel per row of Table 2, all with the same axes so that they can be compared."""
    shown = [run for run in runs if _has_curves(run.metrics)]
    groups: dict[tuple[str, str, str, str], list[StudyRun]] = {}
    for run in shown:
        groups.setdefault(run.row_key, []).append(run)
    epochs = max((int(run.metrics["epoch"].max()) + 1 for run in shown), default=1)
    top = _loss_axis_end([value for run in shown for value in _finite_losses(run.metrics)], shown)
    return [
        Panel(
            row_title(architecture, method, scheduler),
            variant,
            [_chart("Loss", "loss", group, epochs, top), _chart("Top-1 accuracy, %", "top1", group, epochs, 1.0)],
            highest
            if (highest := max(value for run in group for value in _finite_losses(run.metrics))) > top
            else None,
        )
        for (architecture, scheduler, method, variant), group in groups.items()
    ]


def _has_curves(metrics: pd.DataFrame) -> bool:
    return "epoch" in metrics and bool(_finite_losses(metrics))


def _finite_losses(metrics: pd.DataFrame) -> list[float]:
    """Return all finite losses of a run."""
    columns = [f"{split}/loss" for split in SPLITS if f"{split}/loss" in metrics]
    values = [float(value) for column in columns for value in pd.to_numeric(metrics[column], errors="coerce")]
    return [value for value in values if math.isfinite(value)]


def _loss_axis_end(losses: list[float], runs: Sequence[StudyRun]) -> float:
    """Return the end of the loss axis: losses above twice ln(classes), the loss of guessing, do not stretch it."""
    guessing = max(
        (_guessing_loss(run.result) for run in runs if run.result and "classes" in run.result), default=math.log(11)
    )
    usual = [value for value in losses if value <= 2 * guessing]
    return 1.05 * max(usual, default=1.0) or 1.0


def _guessing_loss(result: dict[str, Any]) -> float:
    """Return the loss of guessing, the sum over labels of ln(classes)."""
    labels = [result, *result.get("labels", {}).values()]
    return sum(math.log(max(len(numbers["classes"]), 2)) for numbers in labels)


def _chart(name: str, metric: str, runs: Sequence[StudyRun], epochs: int, top: float) -> Chart:
    scale = 100 if metric == "top1" else 1
    with plotting_style.styled():
        figure = Figure((4.2, 2.5))
        # The same position in all charts, whatever the length of the tick labels.
        axes = figure.add_axes((0.1, 0.1, 0.87, 0.74))
        axes.set_title(name, color=plotting_style.SOFT, fontsize=9, x=-0.11, pad=12)
        for run in runs:
            for split in SPLITS:
                x, y = _points(run, f"{split}/{metric}")
                y = scale * np.minimum(y, top)
                axes.plot(x, y, clip_on=False, **LINES[split])
                # A dot at the end, as a line without length: markers would need ids.
                end = {"linewidth": 4, "solid_capstyle": "round", "color": LINES[split]["color"]}
                axes.plot(x[-1:].repeat(2), y[-1:].repeat(2), clip_on=False, **end)
        # A single epoch is drawn in the middle of the axis.
        axes.set(xlim=(1, epochs) if epochs > 1 else (0.5, 1.5), ylim=(0, top * scale))
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True) if epochs > 1 else FixedLocator([1]))
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
        axes.grid(axis="y", color=plotting_style.FAINT, linewidth=0.7, clip_on=False)
        axes.set_axisbelow(True)
        axes.spines[:].set_visible(False)
        axes.tick_params(left=False, bottom=False, labelcolor=plotting_style.SOFT)
    own = max(int(run.metrics["epoch"].max()) + 1 for run in runs)
    alt = f"{name} over {own} epoch{'s' if own > 1 else ''}. " + " ".join(_last(run, metric, scale) for run in runs)
    return Chart(name, alt, figure)


def _points(run: StudyRun, column: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return epochs, counted from 1, and finite values of a metric."""
    values = pd.to_numeric(run.metrics.get(column, pd.Series(dtype=float)), errors="coerce")
    kept = values[np.isfinite(values)]
    return run.metrics["epoch"][kept.index].to_numpy(float) + 1, kept.to_numpy(float)


def _last(run: StudyRun, metric: str, scale: int) -> str:
    final = run.metrics.iloc[-1]
    values = {name: final.get(f"{split}/{metric}", float("nan")) for split, name in SPLITS.items()}
    values_text = ", ".join(f"{name} {scale * value:.3g}" for name, value in values.items())
    return f"Seed {run.seed} ends at {values_text}."
