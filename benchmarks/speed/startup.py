"""From the start of the process to its first training step, with a warm cache."""

import json
import shutil
import time
from functools import partial
from pathlib import Path

from artculture.utils.errors import WorkError
from benchmarks.speed import ours, watch
from benchmarks.speed.pictures import make_gallery
from benchmarks.speed.plan import Plan
from benchmarks.speed.report import Line, limited
from benchmarks.speed.timing import Spread, interleaved

SECONDS = 6.0
LOGGERS = ("csv", "wandb_offline")


def measure(plan: Plan, folder: Path) -> list[Line]:
    gallery = make_gallery(folder / "gallery", plan.batches * plan.batch_size, source=plan.source)
    typed = ours.overrides(plan, gallery, folder / "cache", f"study.root={folder / 'outputs'}")
    phases: dict[str, list[dict[str, float]]] = {logger: [] for logger in LOGGERS}

    def start(logger: str) -> float:
        shutil.rmtree(folder / "outputs", ignore_errors=True)
        found = _start([*typed, f"logger={logger}"])
        phases[logger].append(found)
        return found["data, model, trainer"]

    found = interleaved("start-up", {logger: partial(start, logger) for logger in LOGGERS}, plan.repeats)
    lines = []
    for logger in LOGGERS:
        what = f"start of the process to the start of its first training step, logger={logger}"
        lines.append(limited(what, "s", found[logger], SECONDS))
        lengths = _lengths(phases[logger][1:])
        step = lengths.pop("first step")
        for phase, seconds in lengths.items():
            share = [part / whole for part, whole in zip(seconds, found[logger], strict=True)]
            lines.append(Line(f"– of it {phase}", f"{Spread.of(seconds)} s", ratio=f"{Spread.of(share).median:.0%}"))
        lines.append(Line("– the first step itself, after that", f"{Spread.of(step)} s"))
    return lines


def _start(typed: list[str]) -> dict[str, float]:
    command = ["benchmarks.speed.first_step", str(time.monotonic()), "train", *typed]
    output = watch.run(command, interval=None, WANDB_MODE="offline", WANDB_SILENT="true").output
    lines = [line for line in output.splitlines() if line.startswith("{")]
    if not lines:
        raise WorkError(f"no training step was seen:\n{output[-2000:]}")
    times: dict[str, float] = json.loads(lines[-1])
    return times


def _lengths(turns: list[dict[str, float]]) -> dict[str, list[float]]:
    """Seconds of each phase from the moments they ended, turn by turn."""
    lengths: dict[str, list[float]] = {}
    for turn in turns:
        before = 0.0
        for phase, at in turn.items():
            lengths.setdefault(phase, []).append(at - before)
            before = at
    return lengths
