"""`artculture evaluate`: all test metrics of a checkpoint, on its own or other paintings."""

import sys
from pathlib import Path
from typing import Any

from artculture.config.composition import run_app
from artculture.config.schema.checkpoint_commands import EvaluateConfig
from artculture.utils.visible_text import visible

DEFAULT_ROOT = Path("outputs")


def run(argv: list[str]) -> int:
    return run_app("evaluate", EvaluateConfig, evaluate_checkpoint, argv)


def evaluate_checkpoint(config: EvaluateConfig) -> int:
    # torch is imported after the config is validated, so that help and errors appear at once.
    from artculture.analysis.loading import load_model_under_study
    from artculture.analysis.performance.evaluation import FILES, default_folder, evaluate, write_evaluation
    from artculture.data.selection import DataChoice
    from artculture.utils.logging import configure_logging
    from artculture.utils.outputs import output_folder
    from artculture.utils.progress import shown_progress

    configure_logging()
    output = output_folder(config.output, overwrite=config.overwrite, replaces=FILES) if config.output else None
    data = None if config.data is None else DataChoice.of(config.data)
    with shown_progress("decoding pictures") as progress:
        model = load_model_under_study(Path(config.checkpoint), data, progress, config.trust)
    result, predictions = evaluate(
        model, config.split, accelerator=config.device, include_trained=config.include_trained
    )
    folder = output or default_folder(model, config.split, DEFAULT_ROOT)
    file = write_evaluation(folder, result, predictions)
    _show(result)
    sys.stdout.write(visible(f"{file}\n{file.with_name('predictions.csv')}\n"))
    return 0


def _show(result: dict[str, Any]) -> None:
    from rich.table import Table

    from artculture.utils.console import PlainConsole

    console = PlainConsole()
    what = f"{result['run'] or result['checkpoint']} on {result['data']} ({result['split']}: {result['n']} paintings)"
    console.print(what, style="bold", markup=False, highlight=False, soft_wrap=True)
    numbers = Table(header_style="bold", box=None, padding=(0, 2, 0, 0))
    for heading, justify in (("", "left"), ("percent", "right"), ("95 % interval", "right")):
        numbers.add_column(heading, justify=justify)  # type: ignore[arg-type]
    for name, word in (
        ("top1", "top-1"),
        ("top3", "top-3"),
        ("macro_f1", "macro-F1"),
        ("macro_recall", "macro recall"),
    ):
        low, high = result["intervals"][name]
        numbers.add_row(word, f"{100 * result[name]:.2f}", f"{100 * low:.1f} to {100 * high:.1f}")
    numbers.add_row("calibration error (ECE)", f"{100 * result['ece']:.2f}", "")
    numbers.add_row(f"… at temperature {result['temperature']:.3f}", f"{100 * result['ece_calibrated']:.2f}", "")
    console.print(numbers)
    console.print("Intervals are over paintings, for this one network.", style="dim")
    recalls = Table(header_style="bold", box=None, padding=(0, 2, 0, 0))
    for heading, justify in (("culture", "left"), ("recall", "right"), ("paintings", "right")):
        recalls.add_column(heading, justify=justify)  # type: ignore[arg-type]
    for culture, recall in result["recall"].items():
        shown = "none" if recall is None else f"{100 * recall:.1f}"
        recalls.add_row(culture, shown, str(result["support"][culture]))
    console.print(recalls)
