"""A grid's rows: composed, checked and placed, all of them before the first one trains."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.config_search_path import ConfigSearchPath
from omegaconf import DictConfig, OmegaConf

from artculture.config.composition import config_flags, explained_errors, resolved
from artculture.config.schema.train import TrainConfig, plain
from artculture.config.validation import mistakes_error, value_mistakes
from artculture.studies import run_name
from artculture.training import resume
from artculture.training.job import Job
from artculture.training.run_directory import RunDirectory
from artculture.utils.errors import InputError


@dataclass(frozen=True)
class PlannedRun:
    """One run of a grid.

    Attributes:
        arguments: of `artculture train`, which compose it.
        config: checked.
        directory: where it lives.
        plan: what is to be done with it.
        variant: what differs from the defaults of its architecture, method and scheduler.
    """

    arguments: tuple[str, ...]
    config: TrainConfig
    directory: RunDirectory
    plan: resume.Plan
    variant: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.directory.path.name

    @property
    def job(self) -> Job:
        return Job(self.config, self.variant, self.arguments)


def compose_runs(loader: Any, master: DictConfig, job_overrides: Sequence[Sequence[str]]) -> list[PlannedRun]:
    """All rows of a grid, in its order.

    Args:
        loader: Hydra's config loader.
        master: the config that the sweep was composed with.
        job_overrides: one list of overrides a row.

    Raises:
        InputError: a wrong value in any row (all are listed), a group that the study's rows set themselves, two
            rows that would share a directory, or a directory made with another config.
    """
    _refuse_groups_of_study(loader.get_search_path(), master, job_overrides)
    mistakes: dict[str, None] = {}
    runs: list[PlannedRun] = []
    fingerprints = resume.Fingerprints()
    for overrides in job_overrides:
        with explained_errors():
            composed = loader.load_sweep_config(master, list(overrides))
        values = resolved(composed)
        wrong = value_mistakes(TrainConfig, values)
        mistakes.update(dict.fromkeys(wrong))
        if not wrong and not mistakes:
            runs.append(_place(TrainConfig.model_validate(values), composed, overrides, fingerprints))
    if mistakes:
        raise mistakes_error(list(mistakes))
    _refuse_duplicates(runs)
    return runs


def planned_run(
    config: TrainConfig,
    path: Path,
    arguments: Sequence[str] = (),
    variant: Sequence[str] = (),
    fingerprints: resume.Fingerprints | None = None,
) -> PlannedRun:
    """A single run as a row, with what is to be done with it.

    Args:
        config: the run's.
        path: its directory.
        arguments: of `artculture train`, which compose it.
        variant: what differs from the defaults of its architecture, method and scheduler.
        fingerprints: shared by the runs of a grid.

    Raises:
        InputError: as `resume.plan`.
    """
    directory = RunDirectory(path)
    plan = resume.plan(directory, plain(config), config.resume, fingerprints)
    return PlannedRun(tuple(arguments), config, directory, plan, tuple(variant))


def _place(
    config: TrainConfig, composed: DictConfig, overrides: Sequence[str], fingerprints: resume.Fingerprints
) -> PlannedRun:
    path, variant = run_name.locate_run(config, dict(composed.hydra.runtime.choices))
    return planned_run(config, path, [*config_flags(), *overrides], variant, fingerprints)


def _refuse_duplicates(runs: list[PlannedRun]) -> None:
    by_path: dict[Path, list[PlannedRun]] = defaultdict(list)
    for run in runs:
        by_path[run.directory.path].append(run)
    for path, twins in by_path.items():
        if len(twins) > 1:
            shown = "\n  ".join(" ".join(twin.arguments) for twin in twins)
            raise InputError(f"{len(twins)} rows of the grid are the same run, {path}:\n  {shown}")


def _refuse_groups_of_study(
    search_path: ConfigSearchPath, master: DictConfig, job_overrides: Sequence[Sequence[str]]
) -> None:
    # Hydra lets a group typed beside a study win over its rows, which then silently repeat one another.
    typed = {text.split("=")[0] for text in master.hydra.overrides.task}
    for overrides in job_overrides:
        for override in overrides:
            key, _, option = override.partition("=")
            clash = typed & _groups_of_row(search_path, option) if key == "row" else None
            if clash:
                group = sorted(clash)[0]
                raise InputError(
                    f"the rows of this study set `{group}` themselves (row={option}): leave {group}=… out, or make a "
                    "grid of your own with -m, as in `artculture train -m architecture=… method=… scheduler=…`"
                )


def _groups_of_row(search_path: ConfigSearchPath, row: str) -> set[str]:
    for element in search_path.get_path():
        file = Path((element.path or "").removeprefix("file://")) / "row" / f"{row}.yaml"
        if file.is_file():
            defaults: Any = OmegaConf.to_container(OmegaConf.load(file))
            keys = [str(key) for entry in defaults.get("defaults", []) if isinstance(entry, dict) for key in entry]
            return {key.removeprefix("override").strip().lstrip("/") for key in keys}
    return set()
