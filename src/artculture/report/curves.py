"""Learning curves as points on small charts, ready to be drawn as SVG."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from artculture.report.study_data import StudyRun
from artculture.studies.paper import word

# Of one chart, in SVG units; the margins hold the ticks' labels.
WIDTH, HEIGHT = 300, 170
LEFT, RIGHT, TOP, BOTTOM = 34, 8, 10, 24

SPLITS = ("train", "val")


@dataclass(frozen=True)
class Line:
    """One run's metric of one split; `points` as SVG writes them, `end` its last point."""

    split: str
    seed: int
    points: str
    end: tuple[float, float]


@dataclass(frozen=True)
class Tick:
    """Where a value stands on an axis, and its label."""

    at: float
    label: str


@dataclass(frozen=True)
class Chart:
    """One metric over the epochs: all seeds, training and validation."""

    name: str
    alt: str
    lines: list[Line]
    x_ticks: list[Tick]
    y_ticks: list[Tick]


@dataclass(frozen=True)
class Panel:
    """The charts of one row of the grid; `beyond` is its highest loss where the axis ends below it."""

    title: str
    variant: str
    charts: list[Chart]
    beyond: float | None


def panels(runs: Sequence[StudyRun]) -> list[Panel]:
    """One panel a row, all on the same axes, so that rows can be compared by eye."""
    shown = [run for run in runs if _has_curves(run.metrics)]
    groups: dict[tuple[str, str, str, str], list[StudyRun]] = {}
    for run in shown:
        groups.setdefault(run.row, []).append(run)
    epochs = max((int(run.metrics["epoch"].max()) + 1 for run in shown), default=1)
    top = _ceiling([value for run in shown for value in _values(run.metrics)], shown)
    return [
        Panel(
            f"{word(architecture)}, {word(method).lower()}, {word(scheduler)}",
            variant,
            [_chart("Loss", "loss", group, epochs, top), _chart("Top-1 accuracy, %", "top1", group, epochs, 1.0)],
            highest if (highest := max(value for run in group for value in _values(run.metrics))) > top else None,
        )
        for (architecture, scheduler, method, variant), group in groups.items()
    ]


def _has_curves(metrics: pd.DataFrame) -> bool:
    return "epoch" in metrics and bool(_values(metrics))


def _values(metrics: pd.DataFrame) -> list[float]:
    """All finite losses of a run."""
    columns = [f"{split}/loss" for split in SPLITS if f"{split}/loss" in metrics]
    values = [float(value) for column in columns for value in pd.to_numeric(metrics[column], errors="coerce")]
    return [value for value in values if math.isfinite(value)]


def _ceiling(losses: list[float], runs: Sequence[StudyRun]) -> float:
    """Where the loss axis ends: a diverging row must not flatten all others, and guessing costs ln(classes)."""
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
        [Tick(_y(value, top), f"{100 * value:.0f}" if percent else f"{value:g}") for value in _nice(top)],
    )


def _last(run: StudyRun, metric: str, percent: bool) -> str:
    final = run.metrics.iloc[-1]
    values = {split: final.get(f"{split}/{metric}", float("nan")) for split in SPLITS}
    scale = 100 if percent else 1
    told = ", ".join(f"{_split(split)} {scale * value:.3g}" for split, value in values.items())
    return f"Seed {run.seed} ends at {told}."


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
    # A single epoch stands in the middle.
    share = (epoch - 1) / (epochs - 1) if epochs > 1 else 0.5
    return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)


def _y(value: float, top: float) -> float:
    return round(HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM), 1)


def _epoch_ticks(epochs: int) -> Iterable[int]:
    if epochs <= 6:
        return range(1, epochs + 1)
    step = next(s for s in (2, 5, 10, 20, 25, 50, 100, 200, 500, epochs) if epochs / s <= 6)
    return [1, *(n for n in range(step, epochs + 1, step) if n > 1)]


def _nice(top: float) -> list[float]:
    """About four round values from 0 to `top`."""
    raw = top / 4
    power = 10.0 ** math.floor(math.log10(raw))
    step = min((m * power for m in (1, 2, 2.5, 5, 10)), key=lambda s: abs(s - raw))
    return [round(step * n, 10) for n in range(int(top / step + 1e-9) + 1)]


def sizes() -> dict[str, int]:
    """The frame of every chart, for the template."""
    return {"width": WIDTH, "height": HEIGHT, "left": LEFT, "right": RIGHT, "top": TOP, "bottom": BOTTOM}
