"""`artculture evaluate`: all test metrics of a checkpoint, on its own or other paintings."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from artculture.config.composition import run_app
from artculture.config.schema.checkpoint_commands import EvaluateConfig
from artculture.utils.visible_text import visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

DEFAULT_ROOT = Path("outputs")


def run(argv: list[str]) -> int:
    return run_app("evaluate", EvaluateConfig, evaluate_checkpoint, argv)


def evaluate_checkpoint(config: EvaluateConfig) -> int:
    # torch is imported after the config is validated, so that help and errors appear at once.
    from artculture.analysis.loading import load_all_labels
    from artculture.analysis.performance.evaluation import FILES, default_folder, evaluate_labels, write_evaluation
    from artculture.data.data_choice import DataChoice
    from artculture.utils.logging import configure_logging
    from artculture.utils.outputs import output_folder
    from artculture.utils.progress import shown_progress

    configure_logging()
    output = output_folder(config.output, overwrite=config.overwrite, replaces=FILES) if config.output else None
    data = None if config.data is None else DataChoice.of(config.data)
    with shown_progress("decoding pictures") as progress:
        model = load_all_labels(config.checkpoint, data, progress, config.trust, ensembles=True)
    result, predictions = evaluate_labels(
        model,
        config.split,
        accelerator=config.device,
        include_trained=config.include_trained,
        tta=config.tta,
        sets=config.sets,
        with_unlike=config.unlike,
        sets_by_culture=config.sets_by == "culture",
        precision=config.precision,
    )
    folder = output or default_folder(model, config.split, DEFAULT_ROOT, config.tta, config.precision)
    files = write_evaluation(folder, result, predictions)
    _show(result)
    sys.stdout.write(visible("".join(f"{file}\n" for file in files)))
    return 0


def _show(result: dict[str, Any]) -> None:
    from artculture.utils.console import PlainConsole

    console = PlainConsole()
    what = f"{result['run'] or result['checkpoint']} on {result['data']} ({result['split']}: {result['n']} paintings)"
    if result["tta"]:
        what += f", averaged over {' and '.join(result['tta'])}"
    console.print(what, style="bold", markup=False, highlight=False, soft_wrap=True)
    _show_scores(console, result, result.get("label", result["label_name"]))
    console.print("Intervals are over paintings, for this one network.", style="dim")
    _show_parts(console, result)
    for label, scores in result.get("labels", {}).items():
        console.print(f"{label} ({scores['n']} paintings)", style="bold", markup=False, highlight=False)
        _show_scores(console, scores, label)
        _show_parts(console, scores)


def _show_scores(console: "Console", result: dict[str, Any], label: str) -> None:
    """Print the scores of a label and its recall by class."""
    numbers = _numbers("", "percent", "95 % interval")
    for name, word in (
        ("top1", "top-1"),
        ("top3", "top-3"),
        ("macro_f1", "macro-F1"),
        ("macro_recall", "macro recall"),
    ):
        numbers.add_row(word, f"{100 * result[name]:.2f}", _range(result["intervals"][name]))
    numbers.add_row("calibration error (ECE)", f"{100 * result['ece']:.2f}", "")
    numbers.add_row(f"… at temperature {result['temperature']:.3f}", f"{100 * result['ece_calibrated']:.2f}", "")
    if "mae" in result:
        low, high = result["mae_interval"]
        numbers.add_row("mean absolute error, classes", f"{result['mae']:.2f}", f"{low:.2f} to {high:.2f}")
    console.print(numbers)
    recalls = _numbers(label, "recall", "paintings")
    for name, recall in result["recall"].items():
        shown = "none" if recall is None else f"{100 * recall:.1f}"
        recalls.add_row(name, shown, str(result["support"][name]))
    console.print(recalls)


def _show_parts(console: "Console", result: dict[str, Any]) -> None:
    if "sets" in result:
        console.print(_sets_table(result["sets"]))
    if "unlike" in result:
        share = result["unlike"]
        console.print(
            f"More unlike the training paintings than 95 % of the validation paintings: {100 * share['high']:.1f} % "
            f"({_range(share['interval'])}); 5 % are expected of paintings like those.",
            highlight=False,
        )
    if "by_artist" in result:
        console.print(_artist_table(result["by_artist"]))
    if "by_source" in result:
        console.print(_source_table(result["by_source"]))


def _sets_table(sets: dict[str, Any]) -> "Table":
    table = _numbers(f"sets with a coverage of {100 * sets['asked']:g} %", "coverage", "95 % interval", "mean size")
    table.add_row("all", f"{100 * sets['coverage']:.1f}", _range(sets["interval"]), f"{sets['mean_size']:.2f}")
    for culture, own in sets["by_culture"].items():
        if own["coverage"] is not None:
            table.add_row(culture, f"{100 * own['coverage']:.1f}", "", f"{own['mean_size']:.2f}")
    return table


def _artist_table(by_artist: dict[str, Any]) -> "Table":
    from artculture.evaluation.parts import ARTIST_PARTS

    table = _numbers("", "paintings", "top-1", "95 % interval")
    for part, words in ARTIST_PARTS.items():
        score = by_artist[part]
        if score["n"]:
            table.add_row(words, str(score["n"]), f"{100 * score['top1']:.1f}", _range(score["interval"]))
    return table


def _source_table(by_source: dict[str, Any]) -> "Table":
    table = _numbers("source", "paintings", "trained on", "top-1", "95 % interval", "macro recall", "95 % interval")
    for source, score in by_source.items():
        shown = [f"{100 * score[name]:.1f}" for name in ("top1", "macro_recall")]
        ranges = [_range(score["intervals"][name]) for name in ("top1", "macro_recall")]
        trained = "unknown" if score["trained_on"] is None else str(score["trained_on"])
        table.add_row(source or "not given", str(score["n"]), trained, shown[0], ranges[0], shown[1], ranges[1])
    return table


def _numbers(*headings: str) -> "Table":
    """Return an empty table with text in the first column and numbers in the others."""
    from rich.table import Table

    table = Table(header_style="bold", box=None, padding=(0, 2, 0, 0))
    for place, heading in enumerate(headings):
        table.add_column(heading, justify="right" if place else "left")
    return table


def _range(interval: Sequence[float]) -> str:
    return f"{100 * interval[0]:.1f} to {100 * interval[1]:.1f}"
