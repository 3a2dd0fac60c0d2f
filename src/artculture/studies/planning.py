"""Dry run of a launch: the action, time and memory of each run (`plan=true`)."""

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from artculture.config.schema.model import Probe
from artculture.config.schema.train import TrainConfig
from artculture.data.cache.keys import file_states
from artculture.data.data_choice import DataChoice
from artculture.data.selection import select
from artculture.studies.grid import PlannedRun
from artculture.studies.progress_view import clock
from artculture.studies.throughput import Workload, latest_throughput, recorded_throughput
from artculture.training.distributed.context import find_context
from artculture.training.numeric_choice import expected_precision
from artculture.training.origin import origin_of
from artculture.training.run_lock import is_locked
from artculture.utils import hardware
from artculture.utils.console import PlainConsole
from artculture.utils.io import json_text
from artculture.utils.terminal_table import print_table


@dataclass(frozen=True)
class RunEstimate:
    """What a launch would do with a run, and the estimated cost.

    Attributes:
        run: the run directory.
        action: `skip`, `start`, `continue`, `restart`, `retry` or `wait` (another process trains it).
        detail: description of the action.
        epochs: epochs left to train.
        seconds: estimated time; None if unknown.
        memory: estimated peak memory in bytes; None if unknown.
        source: origin of the estimate.
    """

    run: str
    action: str
    detail: str
    epochs: int
    seconds: float | None = None
    memory: int | None = None
    source: str = ""


def show_plan(runs: Sequence[PlannedRun], at_once: int) -> int:
    """Print what a launch of the runs would do; writes no file.

    Args:
        runs: composed and validated runs.
        at_once: number of runs executed in parallel.

    Raises:
        InputError: a run can't be trained; the message lists all mistakes.
    """
    from artculture.studies.preparation import check_runs
    from artculture.studies.settings import described_settings

    check_runs(runs)
    choice = runs[0].config.plan
    choices = choice if isinstance(choice, list) else [choice]
    planned = estimate_runs(runs, measure="measure" in choices)
    seconds = _total(planned, at_once)
    settings = described_settings([run.config for run in runs])
    if "json" in choices:
        value = {
            "runs": [asdict(estimate) for estimate in planned],
            "at_once": at_once,
            "seconds": seconds,
            "settings": settings,
        }
        sys.stdout.write(json_text(value, indent=2, ensure_ascii=True) + "\n")
    else:
        console = PlainConsole(file=sys.stdout, width=None if sys.stdout.isatty() else 160)
        _print(console, planned, at_once, seconds)
        for line in (*settings, *_ensembles(runs)):
            console.print(f"  {line}", highlight=False, soft_wrap=True, markup=False)
    return 0


def _ensembles(runs: Sequence[PlannedRun]) -> list[str]:
    """Return how to average the runs of each study that has several of one split."""
    keys = ("name", "root", "split_seed", "fold")
    splits = Counter(
        (run.config.study.name, run.config.study.root, *(getattr(run.config.data, key, None) for key in keys))
        for run in runs
    )
    places = {
        (name, root): "" if root == "outputs" else f" study.root={root}"
        for (name, root, *_), n in splits.items()
        if n > 1
    }
    return [
        f"`artculture ensemble study.name={name}{place}` averages runs of one split"
        for (name, _), place in places.items()
    ]


def estimate_runs(runs: Sequence[PlannedRun], *, measure: bool) -> list[RunEstimate]:
    """Return the action and estimated cost of each run.

    Args:
        runs: composed and validated runs.
        measure: whether to measure a few steps if no earlier run shows the throughput.
    """
    speeds = {root: recorded_throughput(Path(root)) for root in {run.config.study.root for run in runs}}
    counts: dict[str, tuple[int, int, int]] = {}
    measured: dict[str, dict[str, float]] = {}
    planned = []
    for run in runs:
        action, detail, done = _what(run)
        epochs = 0 if action == "skip" else max(0, _epochs(run.config) - done)
        if action == "skip" or epochs == 0:
            planned.append(RunEstimate(str(run.directory.path), action, detail, epochs))
            continue
        key = str(run.config.data)
        train, val, classes = counts[key] = counts.get(key) or _counts(run.config)
        estimate = _from_runs(run.config, speeds[run.config.study.root], epochs, train, fresh=done == 0)
        if not estimate and measure:
            estimate = _from_steps(run.config, epochs, train, val, classes, measured)
        planned.append(RunEstimate(str(run.directory.path), action, detail, epochs, **estimate))
    return planned


def _what(run: PlannedRun) -> tuple[str, str, int]:
    """Return the action, its description and the number of finished epochs."""
    status, plan, epochs = run.directory.status(), run.plan, _epochs(run.config)
    if plan.action == "skip":
        return "skip", "skip (finished)", epochs
    if run.directory.path.is_dir() and is_locked(run.directory.path):
        where = f"process {status.get('pid')} of {status.get('host')}"
        return "wait", f"running in {where}", int(status.get("epoch", 0))
    if plan.action == "restart":
        return "restart", "start over (resume=never)", 0
    if plan.action == "continue":
        if (origin := origin_of(run.directory, plan.checkpoint)) is not None:
            return "continue", f"start from {origin.path}, after epoch {origin.epochs} of {epochs}", origin.epochs
        done = int(status.get("epoch", 0))
        where = "only evaluate" if done >= epochs else f"resume from epoch {done} of {epochs}"
        failed = status["state"] == "failed"
        return ("retry", f"{where} (failed: {status.get('error')})", done) if failed else ("continue", where, done)
    if status["state"] == "failed":
        return "retry", f"retry (failed: {status.get('error')})", 0
    return "start", "run", 0


def _epochs(config: TrainConfig) -> int:
    return 1 if isinstance(config.method, Probe) else config.trainer.max_epochs


def _counts(config: TrainConfig) -> tuple[int, int, int]:
    """Return the numbers of training and validation paintings and of classes, without drawing sample data."""
    if config.data.name == "sample":
        from artculture.data.sample import sample_counts

        counts = sample_counts(config.data.per_culture)
        cultures = config.data.cultures or list(counts)
        pictures = sum(counts.get(culture, 0) for culture in cultures)
        return round(pictures * config.data.fractions[0]), round(pictures * config.data.fractions[1]), len(cultures)

    selection = select(DataChoice.of(config.data))
    if selection.whole.has_files:
        file_states(selection.whole)  # raises where a file is missing, as the run would
    return len(selection.members("train")), len(selection.members("val")), len(selection.classes)


def _from_runs(config: TrainConfig, speeds: Any, epochs: int, train: int, *, fresh: bool) -> dict[str, Any]:
    speed = latest_throughput(speeds, workload_of(config), config.data.batch_size) if speeds else None
    if speed is None:
        return {}
    seconds = train * ((speed.first if fresh else speed.later) + speed.later * (epochs - 1))
    # Memory depends on the batch size.
    memory = speed.memory if speed.batch_size == config.data.batch_size else None
    return {"seconds": round(seconds, 1), "memory": memory, "source": f"as {speed.run}"}


def _from_steps(
    config: TrainConfig, epochs: int, train: int, val: int, classes: int, measured: dict[str, dict[str, float]]
) -> dict[str, Any]:
    from artculture.studies.measurement import measure_in_subprocess

    key = (
        f"{config.architecture} {config.method.name} {config.data.image_size} {config.data.batch_size} {config.trainer}"
    )
    rates = measured[key] = measured.get(key) or measure_in_subprocess(config, classes)
    if isinstance(config.method, Probe):  # each picture passes the backbone once
        seconds = train / config.data.fractions[0] / rates["forward"]
    elif config.method.name == "transfer" and config.method.features == "cached":
        # Each view passes the frozen backbone once; training the head takes negligible time.
        seconds = (train * min(config.method.views, epochs) + val) / rates["forward"]
    else:
        seconds = epochs * (train / rates["train"] + val / rates["forward"])
    memory = int(rates["peak_memory"]) if "peak_memory" in rates else None
    return {"seconds": round(seconds, 1), "memory": memory, "source": "measured in a few steps"}


def workload_of(config: TrainConfig) -> Workload:
    """Return the properties of a config that determine its throughput on this machine."""
    accelerator = config.trainer.accelerator
    if accelerator == "auto":
        accelerator = "gpu" if hardware.visible_gpus() else "cpu"
    device: str = accelerator
    if accelerator == "gpu":
        import torch

        device = torch.cuda.get_device_name() if torch.cuda.is_available() else "gpu"
    size = config.data.image_size
    if size is None:
        from artculture.models.backbones import preprocessing_of
        from artculture.training.factory import backbone_choice

        size = preprocessing_of(*backbone_choice(config.architecture)).image_size
    return Workload(
        config.architecture.name,
        config.method.name,
        config.method.features if config.method.name == "transfer" else None,
        size,
        expected_precision(config, accelerator),
        hardware.device_label(device, find_context(config).world_size),
    )


def _total(planned: Sequence[RunEstimate], at_once: int) -> float | None:
    """Return the seconds until the last run ends, each starting in order as soon as there is capacity."""
    totals = [0.0] * at_once
    for estimate in planned:
        if estimate.epochs and estimate.seconds is None:
            return None
        shortest = totals.index(min(totals))
        totals[shortest] += estimate.seconds or 0.0
    return round(max(totals), 1)


def _print(console: Console, planned: Sequence[RunEstimate], at_once: int, seconds: float | None) -> None:
    table = Table(header_style="bold", box=None, padding=(0, 2, 0, 0))
    for heading, justify in (("", "right"), ("run", "left"), ("what", "left"), ("epochs", "right")):
        table.add_column(heading, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for heading in ("time, about", "memory, about"):
        table.add_column(heading, justify="right")
    for number, estimate in enumerate(planned, 1):
        memory = "" if estimate.memory is None else f"{estimate.memory / 2**30:.1f} GiB"
        time = clock(estimate.seconds) if estimate.seconds is not None else ("?" if estimate.epochs else "")
        table.add_row(str(number), estimate.run, estimate.detail, str(estimate.epochs or ""), time, memory)
    print_table(console, table)
    todo = [estimate for estimate in planned if estimate.action != "skip"]
    rest = f"{len(todo)} of {len(planned)} runs to train, {at_once} in parallel"
    console.print(f"{rest}: about {clock(seconds)} in all" if seconds is not None else rest, highlight=False)
    for source in dict.fromkeys(estimate.source for estimate in planned if estimate.source):
        console.print(f"  time and memory {source}", highlight=False, soft_wrap=True, markup=False)
    if any(estimate.epochs and estimate.seconds is None for estimate in planned):
        console.print("  ?: no similar earlier run on this machine; plan=measure measures a few steps")
