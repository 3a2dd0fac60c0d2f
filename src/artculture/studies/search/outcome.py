"""Results of a search: table of trials, config of the best values, and the command that trains with them."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from optuna.importance import get_param_importances
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console
from rich.table import Table

from artculture.studies.search.space import Dimension
from artculture.studies.search.store import best_trial, counted
from artculture.training.run_directory import RunDirectory
from artculture.utils.io import write_text
from artculture.utils.overrides import override_value
from artculture.utils.spreadsheets import write_csv
from artculture.utils.terminal_table import print_table

# With fewer finished trials importances are meaningless.
MIN_TRIALS_FOR_IMPORTANCE = 8
MAX_SHOWN = 20
STATES = {
    TrialState.COMPLETE: "finished",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}


class _Values:
    """A finished trial with the interface of Optuna's `Trial`, so that `Dimension.suggest` decodes its values."""

    def __init__(self, trial: FrozenTrial) -> None:
        self.params = trial.params

    def suggest_categorical(self, key: str, *_: Any, **__: Any) -> Any:
        return self.params[key]

    suggest_int = suggest_float = suggest_categorical


def values_of(trial: FrozenTrial, space: Sequence[Dimension]) -> dict[str, Any]:
    """Return the values of a trial by key, without keys that it has no value of."""
    return {dimension.key: dimension.suggest(_Values(trial)) for dimension in space if dimension.key in trial.params}


def trial_table(trials: Sequence[FrozenTrial], space: Sequence[Dimension]) -> pd.DataFrame:
    """Return one row per trial: number, state, val_top1 (0..1), epochs, seconds, values, run and why it ended early."""
    rows = [
        {
            "trial": trial.number,
            "state": STATES[trial.state],
            "val_top1": trial.value,
            "epochs": trial.user_attrs.get("epochs"),
            "seconds": trial.user_attrs.get("seconds"),
            **values_of(trial, space),
            "run": trial.user_attrs.get("run"),
            "why": trial.user_attrs.get("why"),
        }
        for trial in trials
    ]
    return pd.DataFrame(rows)


def write_trials(file: Path, trials: Sequence[FrozenTrial], space: Sequence[Dimension]) -> None:
    write_csv(trial_table(trials, space), file)


def write_best(file: Path, trial: FrozenTrial, space: Sequence[Dimension], command: str) -> None:
    """Write the values of a trial as an option of the config group `tuned`."""
    nested: dict[str, Any] = {}
    for key, value in values_of(trial, space).items():
        section = nested
        *parents, name = key.split(".")
        for parent in parents:
            section = section.setdefault(parent, {})
        section[name] = value
    header = (
        "# @package _global_\n"
        f"# Trial {trial.number}, validation top-1 {100 * (trial.value or 0):.2f} %: the best of\n"
        f"# {command}\n"
    )
    write_text(file, header + yaml.safe_dump(nested, sort_keys=False))


def drop_checkpoints(folder: Path, trials: Sequence[FrozenTrial], best: FrozenTrial | None) -> None:
    """Remove the checkpoints of ended trials except the best one."""
    ended = {t.user_attrs.get("run") for t in trials if t.state in (TrialState.COMPLETE, TrialState.PRUNED)}
    kept = {t.user_attrs.get("run") for t in trials if t.state in (TrialState.RUNNING, TrialState.FAIL)}
    kept.add(best.user_attrs.get("run") if best is not None else None)
    for run in ended - kept:
        if run:
            for file in RunDirectory(folder / run).best.parent.glob("*.ckpt"):
                file.unlink(missing_ok=True)


def importances(study: Study) -> dict[str, float]:
    """Return the importance of each value, 0..1; empty if there are too few finished trials."""
    finished = [trial for trial in study.get_trials(deepcopy=False) if trial.state == TrialState.COMPLETE]
    if len(finished) < MIN_TRIALS_FOR_IMPORTANCE or len({trial.value for trial in finished}) < 2:
        return {}
    return get_param_importances(study)


def show(console: Console, study: Study, space: Sequence[Dimension]) -> None:
    """Print the trials, the best first, and the importance of each value."""
    trials = counted(study.get_trials(deepcopy=False))
    ordered = sorted(trials, key=lambda trial: (trial.state != TrialState.COMPLETE, -(trial.value or 0), trial.number))
    table = Table(header_style="bold", box=None)
    for heading in ("trial", "val top-1", "epochs", *(dimension.key.partition(".")[2] for dimension in space)):
        table.add_column(heading, justify="right")
    best = best_trial(trials)
    for trial in ordered[:MAX_SHOWN]:
        accuracy = f"{100 * (trial.value or 0):.2f} %" if trial.state == TrialState.COMPLETE else STATES[trial.state]
        shown = (f"{value:g}" if isinstance(value, float) else str(value) for value in values_of(trial, space).values())
        style = "bold green" if trial is best else ""
        epochs = str(trial.user_attrs.get("epochs", ""))
        table.add_row(str(trial.number), accuracy, epochs, *shown, style=style)
    console.print(f"search {study.study_name}", style="bold", highlight=False, soft_wrap=True)
    print_table(console, table)
    if len(ordered) > MAX_SHOWN:
        console.print(f"… and {len(ordered) - MAX_SHOWN} more")
    parts = [f"{key.partition('.')[2]} {100 * share:.0f} %" for key, share in importances(study).items()]
    if parts:
        console.print(f"importance: {', '.join(parts)}", highlight=False, soft_wrap=True)


def using_command(folder: Path, option: str, typed: Sequence[str], flags: Sequence[str], values: dict[str, Any]) -> str:
    """Return the command that trains with the best values and evaluates on the test split.

    Args:
        folder: the study directory.
        option: option of the group `tuned`.
        typed: overrides of `artculture train`.
        flags: Hydra flags given to the search. If they name a config folder, the values are passed one by one, as
            Hydra accepts one `--config-dir` only.
        values: values of the best trial, by key.
    """
    if flags:
        best = [*flags, *(f"{key}={override_value(value)}" for key, value in values.items())]
    else:
        best = ["--config-dir", str(folder / "conf"), f"+tuned={option}"]
    return shlex.join(["artculture", "train", *best, *typed])
