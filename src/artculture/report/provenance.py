"""Provenance of a study: commands, configs, versions, hardware, and failures."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import yaml

from artculture.report.reproduce_commands import reproduce_command
from artculture.report.results_table import common_variant, without
from artculture.report.study_data import StudyRecord, StudyRun, read_table
from artculture.studies.paper import row_title
from artculture.studies.progress_view import clock
from artculture.training.identity import leaves

# Config values that are always shown, with their label.
CHOICES = {
    "Architecture": "architecture.name",
    "Weights": "architecture.weights",
    "Head": "head.hidden",
    "Method": "method.name",
    "Scheduler": "scheduler.name",
    "Data": "data.name",
    "Split": "data.split",
    "Augmentation": "augment.name",
    "Class balance": "balance.name",
    "Epochs": "trainer.max_epochs",
    "Batch size": "data.batch_size",
    "Learning rate, head": "method.head_lr",
    "Learning rate, backbone": "method.backbone_lr",
    "Precision": "trainer.precision",
    "Deterministic": "trainer.deterministic",
    "Seed": "seed",
}


@dataclass(frozen=True)
class Cost:
    """Training cost of one row of the table, averaged over its seeds."""

    row: str
    epochs: int
    time: str
    images_per_second: float
    parameters: str
    trainable: str
    precision: str
    device: str
    image_size: str


@dataclass(frozen=True)
class UnfinishedRun:
    run: str
    label: str
    state: str
    progress: str
    error: str
    log: str


@dataclass(frozen=True)
class RunConfig:
    """Config of a run: the values of interest, and all of it as YAML."""

    run: str
    label: str
    state: str
    command: str
    values: list[tuple[str, str]]
    yaml: str


def costs(study: StudyRecord) -> list[Cost]:
    groups: dict[tuple[str, str, str, str], list[dict[str, Any]]] = {}
    for run in study.finished:
        groups.setdefault(run.row_key, []).append(run.result or {})
    common = common_variant(study.summary)
    return [_cost((*row[:3], without(row[3], common)), results) for row, results in groups.items()]


def _cost(row: tuple[str, str, str, str], results: list[dict[str, Any]]) -> Cost:
    architecture, scheduler, method, variant = row
    table = pd.DataFrame(results)
    what = "seeds" if "fold" not in table or table["fold"].isna().all() else "runs"
    seeds = f" · mean of {len(results)} {what}" if len(results) > 1 else ""
    extra = f" · {variant}" if variant else ""
    return Cost(
        f"{row_title(architecture, method, scheduler)}{extra}{seeds}",
        int(table["epochs"].max()),
        clock(float(table["seconds"].mean())),
        float(table["images_per_second"].mean()),
        *(_millions(table, name) for name in ("parameters", "trainable_parameters")),
        *(_joined(table, name) for name in ("precision", "device", "image_size")),
    )


def _millions(table: pd.DataFrame, name: str) -> str:
    return f"{table[name].iloc[0] / 1e6:.1f} M" if name in table else ""


def _joined(table: pd.DataFrame, name: str) -> str:
    return " / ".join(dict.fromkeys(str(value) for value in table[name])) if name in table else ""


def unfinished(study: StudyRecord) -> list[UnfinishedRun]:
    """Return the runs that are not in the table, with the reason."""
    return [_unfinished(run, study.label(run)) for run in study.runs if run.name in study.states]


def _unfinished(run: StudyRun, label: str) -> UnfinishedRun:
    epoch, of = run.status.get("epoch"), run.status.get("max_epochs")
    progress = f"after epoch {epoch} of {of}" if epoch is not None and of is not None else "before the first epoch"
    log = run.directory.log
    return UnfinishedRun(
        run.name,
        label,
        run.state,
        progress,
        str(run.status.get("error") or ""),
        f"{run.name}/{log.name}" if log.is_file() else "",
    )


def quarantine(runs: Iterable[StudyRun]) -> pd.DataFrame:
    """Return the unreadable images of all runs without duplicates, in columns `image` and `reason`."""
    found = [
        read_table(file, dtype=str, keep_default_na=False)
        for run in runs
        if (file := run.directory.path / "quarantine.csv").is_file()
    ]
    usable = [table[["image", "reason"]] for table in found if {"image", "reason"} <= set(table)]
    return pd.concat(usable).drop_duplicates(ignore_index=True) if usable else pd.DataFrame(columns=["image", "reason"])


def environments(study: StudyRecord) -> list[tuple[str, list[str]]]:
    """Return facts about hardware and software of the finished runs, each with its distinct values."""
    facts: dict[str, dict[str, None]] = {}
    for run in study.finished:
        for label, value in _facts(run):
            facts.setdefault(label, {})[value] = None
    return [(label, list(values)) for label, values in facts.items()]


def _facts(run: StudyRun) -> list[tuple[str, str]]:
    result = run.result or {}
    finished = run.status.get("finished")
    when = datetime.fromtimestamp(finished, UTC).strftime("%-d %B %Y") if isinstance(finished, (int, float)) else ""
    facts = [
        ("Trained on", str(result.get("device", ""))),
        ("Precision of training", str(result.get("precision", ""))),
        ("Image size", f"{result['image_size']} px" if "image_size" in result else ""),
        ("Weights", str(result.get("weights", ""))),
        ("Seeds", str(run.seed)),
        ("Finished", when),
        ("Git commit", str(result.get("git_commit") or "")),
        ("Manifest (SHA-256)", str(result.get("manifest", ""))),
    ]
    versions = result.get("versions", {})
    facts += [(name, str(number)) for name, number in versions.items()]
    return [(label, value) for label, value in facts if value]


def run_configs(study: StudyRecord) -> list[RunConfig]:
    """Return each run's config, with the values in `CHOICES` and those that differ between the runs."""
    flat = {run.name: dict(leaves(run.config)) for run in study.runs}
    keys = list(dict.fromkeys(key for values in flat.values() for key in values))
    always = set(CHOICES.values())
    differing = [
        key for key in keys if key not in always and len({repr(values.get(key)) for values in flat.values()}) > 1
    ]
    return [_run_config(run, study.label(run), flat[run.name], differing) for run in study.runs]


def _run_config(run: StudyRun, label: str, values: dict[str, Any], differing: list[str]) -> RunConfig:
    shown = [(label, values[key]) for label, key in CHOICES.items() if key in values]
    # Recipes also hold the values for other methods, which have no effect on this run.
    shown += [(key, values[key]) for key in differing if key in values and ".recipe." not in key]
    return RunConfig(
        run.name,
        label,
        run.state,
        reproduce_command(run),
        [(label, _format(value)) for label, value in shown],
        yaml.safe_dump(run.config, sort_keys=False, allow_unicode=True),
    )


def _format(value: Any) -> str:
    if isinstance(value, list):
        return " \N{MULTIPLICATION SIGN} ".join(map(str, value))
    return "none" if value is None else str(value)
