"""Compare artculture's speed with the classic torchvision recipe, timm and a plain Lightning template.

Prints one table per part and writes it to that part's section of benchmarks/results/<machine>.md.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.speed import (
    evaluation,
    formats,
    grid,
    input_pipeline,
    limit,
    machine,
    memory,
    modern,
    ours,
    processes,
    startup,
    training,
    transfer,
    with_timm,
)
from benchmarks.speed.plan import Plan, planned, run_command
from benchmarks.speed.report import Line, keep, table

RESULTS = Path(__file__).resolve().parents[1] / "results"
PARTS: dict[str, tuple[str, Callable[[Plan, Path], list[Line]]]] = {
    "input": ("Input pipeline", input_pipeline.measure),
    "limit": ("Distance to the limit", limit.measure),
    "training": ("Fine-tuning", training.measure),
    "transfer": ("Transfer", transfer.measure),
    "formats": ("Precision and memory format", formats.measure),
    "modern": ("The modern recipe", modern.measure),
    "evaluation": ("Evaluation and prediction", evaluation.measure),
    "startup": ("Start-up", startup.measure),
    "memory": ("Memory", memory.measure),
    "processes": ("Several processes", processes.measure),
    "grid": ("The six-row grid", grid.measure),
}


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, help="these parts alone; the others' results stay")
    parser.add_argument("--results", type=Path, help="Markdown file; --quick writes none unless this is given")
    parser.add_argument("--folder", type=Path, help="where pictures and caches are made; a temporary one unless given")
    return run_command(parser, argv, _measure)


def _measure(given: argparse.Namespace, argv: list[str]) -> int:
    plan = planned(given)
    ours.quiet()
    title = machine.title(plan.device)
    results = given.results or (None if given.quick else RESULTS / machine.file_name(plan.device))
    if not with_timm.installed():
        sys.stdout.write("timm is missing, so it is left out: pip install timm\n")
    for part in given.only or PARTS:
        name, measure = PARTS[part]
        if part == "grid" and plan.peers == "none":
            name += ", artculture alone"
        said = list(machine.circumstances(plan, argv))
        with tempfile.TemporaryDirectory(dir=given.folder) as folder:
            lines = measure(plan, Path(folder))
        body = "\n\n".join([*said, table(lines)])
        sys.stdout.write(f"## {name}\n\n{body}\n")
        sys.stdout.flush()
        if results:
            keep(results, f"Speed on {title}", name, body)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
