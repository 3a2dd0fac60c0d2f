"""Calibration: reliability diagrams before and after temperature scaling."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from artculture.analysis import plotting_style
from artculture.analysis.figure import Finding
from artculture.analysis.model_under_study import Embeddings
from artculture.evaluation.calibration import BINS, bin_indices, expected_calibration_error
from artculture.evaluation.intervals import wilson

NAME, TITLE = "reliability", "Calibration of the probabilities"
# Simulations of the ECE of calibrated probabilities.
SIMULATIONS = 2000


def reliability_finding(embeddings: Embeddings, seed: int = 0) -> Finding:
    """Plot accuracy against confidence on the test split, before and after temperature scaling."""
    rows = embeddings.members("test")
    if not len(rows):
        return Finding(NAME, TITLE, "Left out: the test split is empty.")
    truth = embeddings.labels[rows]
    after = embeddings.probabilities()[rows]
    before = replace(embeddings, temperature=1.0).probabilities()[rows]
    right = after.argmax(axis=1) == truth
    states = {"before": before.max(axis=1), "after": after.max(axis=1)}
    numbers: dict[str, Any] = {"paintings": len(rows), "bins": BINS, "temperature": embeddings.temperature}
    for name, chances in (("before", before), ("after", after)):
        # Probabilities that underflow to 0 would make the log loss infinite.
        own = np.clip(chances[np.arange(len(rows)), truth], 1e-300, None)
        numbers[name] = {
            "ece": expected_calibration_error(states[name], right),
            "ece_if_calibrated": ece_by_chance(states[name], seed),
            "log_loss": float(-np.log(own).mean()),
            "mean_confidence": float(states[name].mean()),
        }
    numbers["accuracy"] = float(right.mean())
    numbers["accuracy_interval"] = list(wilson(int(right.sum()), len(rows)))
    table = pd.concat([bin_table(states[name], right).assign(state=name) for name in states], ignore_index=True)
    return Finding(
        NAME,
        TITLE,
        _caption(numbers),
        _figure(table, numbers),
        {NAME: table},
        numbers,
        alt=_alt(numbers),
    )


def ece_by_chance(confidences: NDArray[np.float64], seed: int, bins: int = BINS) -> list[float]:
    """Return mean and 95th percentile of the simulated ECE of calibrated probabilities for this many paintings."""
    # A calibrated classifier is right with a probability equal to its confidence.
    drawn = np.random.default_rng(seed).random((SIMULATIONS, len(confidences))) < confidences
    member = np.eye(bins)[bin_indices(confidences, bins)]
    errors = np.abs((drawn - confidences) @ member).sum(axis=1) / len(confidences)
    return [float(errors.mean()), float(np.percentile(errors, 95))]


def bin_table(confidences: NDArray[np.float64], right: NDArray[np.bool_], bins: int = BINS) -> pd.DataFrame:
    """Return one row per non-empty bin: limits, paintings, confidence, accuracy with its Wilson interval."""
    bin_index = bin_indices(confidences, bins)
    rows = []
    for index in np.unique(bin_index):
        mine = bin_index == index
        low, high = wilson(int(right[mine].sum()), int(mine.sum()))
        rows.append(
            {
                "from": index / bins,
                "to": (index + 1) / bins,
                "paintings": int(mine.sum()),
                "confidence": float(confidences[mine].mean()),
                "accuracy": float(right[mine].mean()),
                "low": low,
                "high": high,
            }
        )
    return pd.DataFrame(rows)


def _caption(numbers: dict[str, Any]) -> str:
    before, after = numbers["before"], numbers["after"]
    mean, most = after["ece_if_calibrated"]
    low, high = numbers["accuracy_interval"]
    sure = before["mean_confidence"]
    return (
        f"Test paintings in {BINS} bins by the probability of the predicted culture; for dots on the diagonal, "
        "accuracy equals confidence. Lines are 95 % Wilson intervals, bars count paintings. Before temperature "
        f"scaling, the classifier is {_confidence(numbers)} on average (confidence {100 * sure:.1f} %, accuracy "
        f"{100 * numbers['accuracy']:.1f} %, interval {100 * low:.1f} to {100 * high:.1f}) "
        f"and its expected calibration error (ECE) is {100 * before['ece']:.1f} %. "
        f"Dividing the logits by the temperature {numbers['temperature']:.2f}, which changes no prediction, makes it "
        f"{100 * after['ece']:.1f} %. Calibrated probabilities would have an ECE of {100 * mean:.1f} % on average for "
        f"{numbers['paintings']} paintings, and at most {100 * most:.1f} % in 19 of 20 cases: a lower ECE is not "
        "significantly different from 0."
    )


def _confidence(numbers: dict[str, Any]) -> str:
    low, high = numbers["accuracy_interval"]
    sure = numbers["before"]["mean_confidence"]
    return "overconfident" if sure > high else "underconfident" if sure < low else "about as confident as accurate"


def _alt(numbers: dict[str, Any]) -> str:
    before, after = (100 * numbers[state]["ece"] for state in ("before", "after"))
    most = 100 * numbers["after"]["ece_if_calibrated"][1]
    calibrated = "not significantly different from" if after <= most else "significantly worse than"
    return (
        f"Before temperature scaling the classifier is {_confidence(numbers)}; the calibration error of {before:.1f} % "
        f"becomes {after:.1f} %, {calibrated} that of calibrated probabilities."
    )


def _figure(table: pd.DataFrame, numbers: dict[str, Any]) -> Figure:
    figure, axes = plotting_style.panels(7.4, 4.6, 2, 2, height_ratios=[4, 1], sharex=True)
    titles = {"before": "Before temperature scaling", "after": f"Temperature {numbers['temperature']:.2f}"}
    with plotting_style.styled():
        for column, (state, title) in enumerate(titles.items()):
            rows = table[table["state"] == state]
            _diagram(axes[column], rows, plotting_style.SOFT if state == "before" else plotting_style.SERIES[0])
            axes[column].set_title(f"{title}: ECE {100 * numbers[state]['ece']:.1f} %")
            bars = axes[column + 2]
            width = rows["to"] - rows["from"]
            bars.bar(
                rows["from"], rows["paintings"], width, align="edge", color=plotting_style.FAINT, edgecolor="white"
            )
            bars.set_xlabel("probability of the predicted culture")
            bars.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
        axes[0].set_ylabel("accuracy")
        axes[2].set_ylabel("paintings")
    return figure


def _diagram(axes: Axes, rows: pd.DataFrame, colour: str) -> None:
    axes.plot([0, 1], [0, 1], color=plotting_style.SOFT, linewidth=0.8, linestyle=(0, (4, 3)))
    axes.vlines(rows["confidence"], rows["low"], rows["high"], color=colour, alpha=0.4, linewidth=1.8)
    axes.scatter(rows["confidence"], rows["accuracy"], color=colour, s=28, edgecolor="white", linewidth=0.6, zorder=3)
    axes.set_xlim(0, 1.01)
    axes.set_ylim(-0.02, 1.02)
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
