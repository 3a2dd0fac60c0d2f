"""Learning curves as small charts in SVG coordinates."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from artculture.report.study_data import StudyRun
from artculture.studies.paper import word

# Size of one chart in SVG units, and its margins for the tick labels.
WIDTH, HEIGHT = 300, 170
LEFT, RIGHT, TOP, BOTTOM = 34, 8, 10, 24

SPLITS = ("train", "val")


@dataclass(frozen=True)
class Line:
    """A metric of one run on one split; `points` is the SVG attribute, `end` the last point."""

    split: str
    seed: int
    points: str
    end: tuple[float, float]


@dataclass(frozen=True)
class Tick:
    """Position and label of a tick on an axis."""

    at: float
    label: str


@dataclass(frozen=True)
class Chart:
    """One metric by epoch: training and validation of all seeds."""

    name: str
    alt: str
    lines: list[Line]
    x_ticks: list[Tick]
    y_ticks: list[Tick]


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
            f"{word(architecture)}, {word(method).lower()}, {word(scheduler)}",
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
    classes = max((len(run.result["classes"]) for run in runs if run.result and "classes" in run.result), default=11)
    usual = [value for value in losses if value <= 2 * math.log(max(classes, 2))]
    return 1.05 * max(usual, default=1.0) or 1.0


def _chart(name: str, metric: str, runs: Sequence[StudyRun], epochs: int, top: float) -> Chart:
    lines = [line for run in runs for split in SPLITS if (line := _line(run, split, metric, epochs, top))]
    percent = metric == "top1"
    last = [_last(run, metric, percent) for run in runs]
    return Chart(
        name,
        f"{name} over {epochs} epochs. " + " ".join(last),
        lines,
        [Tick(_x(epoch, epochs), str(epoch)) for epoch in _epoch_ticks(epochs)],
        [Tick(_y(value, top), f"{100 * value:.0f}" if percent else f"{value:g}") for value in _round_values(top)],
    )


def _last(run: StudyRun, metric: str, percent: bool) -> str:
    final = run.metrics.iloc[-1]
    values = {split: final.get(f"{split}/{metric}", float("nan")) for split in SPLITS}
    scale = 100 if percent else 1
    values_text = ", ".join(f"{_split(split)} {scale * value:.3g}" for split, value in values.items())
    return f"Seed {run.seed} ends at {values_text}."


def _split(name: str) -> str:
    return {"train": "training", "val": "validation"}[name]


def _line(run: StudyRun, split: str, metric: str, epochs: int, top: float) -> Line | None:
    column = f"{split}/{metric}"
    if column not in run.metrics:
        return None
    values = pd.to_numeric(run.metrics[column], errors="coerce")
    pairs = [
        (_x(int(epoch) + 1, epochs), _y(min(float(value), top), top))
        for epoch, value in zip(run.metrics["epoch"], values, strict=True)
        if math.isfinite(value)
    ]
    if not pairs:
        return None
    return Line(split, run.seed, " ".join(f"{x:.1f},{y:.1f}" for x, y in pairs), pairs[-1])


def _x(epoch: int, epochs: int) -> float:
    # A single epoch is drawn in the middle of the axis.
    share = (epoch - 1) / (epochs - 1) if epochs > 1 else 0.5
    return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)


def _y(value: float, top: float) -> float:
    return round(HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM), 1)


def _epoch_ticks(epochs: int) -> Iterable[int]:
    if epochs <= 6:
        return range(1, epochs + 1)
    step = next(s for s in (2, 5, 10, 20, 25, 50, 100, 200, 500, epochs) if epochs / s <= 6)
    return [1, *(n for n in range(step, epochs + 1, step) if n > 1)]


def _round_values(top: float) -> list[float]:
    """Return about four round values from 0 to `top`."""
    raw = top / 4
    power = 10.0 ** math.floor(math.log10(raw))
    step = min((m * power for m in (1, 2, 2.5, 5, 10)), key=lambda s: abs(s - raw))
    return [round(step * n, 10) for n in range(int(top / step + 1e-9) + 1)]


def frame() -> dict[str, int]:
    """Return the size and margins of every chart, for the template."""
    return {"width": WIDTH, "height": HEIGHT, "left": LEFT, "right": RIGHT, "top": TOP, "bottom": BOTTOM}
