"""Composition and validation of all runs of a grid, before the first one trains."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.config_search_path import ConfigSearchPath
from omegaconf import DictConfig, OmegaConf

from artculture.config.composition import config_flags, explained_errors, resolved
from artculture.config.schema.data import HubDataset
from artculture.config.schema.train import TrainConfig, plain
from artculture.config.validation import mistakes_error, value_mistakes
from artculture.data.hub import dataset
from artculture.studies import run_name
from artculture.training import resume
from artculture.training.job import Job
from artculture.training.numeric_choice import with_recorded
from artculture.training.run_directory import RunDirectory
from artculture.utils.errors import InputError

EPOCHS_KEYS = ("trainer.max_epochs=", "data.epochs=")


@dataclass(frozen=True)
class PlannedRun:
    """A composed run and what a launch would do with it.

    Attributes:
        arguments: arguments of `artculture train` that compose the run.
        config: the validated config.
        directory: the run directory.
        plan: whether to start, continue, restart or skip the run.
        variant: values that differ from the defaults of the architecture, method and scheduler, as text.
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
    """Compose all runs of a grid, in the order of the sweep.

    Args:
        loader: Hydra's config loader.
        master: the config that the sweep was composed with.
        job_overrides: one list of overrides per run.

    Raises:
        InputError: an invalid value in any run (all are listed), an override of a group that the study sets, two
            runs with the same directory, or a directory of a run with another config.
    """
    _refuse_groups_of_study(loader.get_search_path(), master, job_overrides)
    mistakes: dict[str, None] = {}
    runs: list[PlannedRun] = []
    fingerprints = resume.Fingerprints()
    with_epochs = _differ_in_epochs(job_overrides)
    for overrides in job_overrides:
        with explained_errors():
            composed = loader.load_sweep_config(master, list(overrides))
        values = resolved(composed)
        wrong = value_mistakes(TrainConfig, values)
        mistakes.update(dict.fromkeys(wrong))
        if not wrong and not mistakes:
            config = TrainConfig.model_validate(values)
            choices = dict(composed.hydra.runtime.choices)
            path, variant = run_name.locate_run(config, choices, composed, with_epochs=with_epochs)
            runs.append(planned_run(config, path, [*config_flags(), *overrides], variant, fingerprints))
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
    """Plan a single run.

    Args:
        config: the run's config.
        path: the run directory.
        arguments: arguments of `artculture train` that compose the run.
        variant: values that differ from the defaults of the architecture, method and scheduler, as text.
        fingerprints: cache of file hashes, shared by the runs of a grid.

    Raises:
        InputError: as `resume.plan`; also a column that the table of pictures lacks, or a dataset of the Hub that
            does not exist.
        WorkError: the Hub can't be reached to ask for the newest commit of a dataset.
    """
    directory = RunDirectory(path)
    config = at_commit(config, directory)
    if config.resume != "never":
        config = with_recorded(config, directory.read_config() or {})
    plan = resume.plan(directory, plain(config), config.resume, fingerprints)
    if plan.action != "skip":
        _check_columns(config)
    return PlannedRun(tuple(arguments), config, directory, plan, tuple(variant))


def _check_columns(config: TrainConfig) -> None:
    """Refuse a mistyped column before a run directory is made; the table's header is enough for it."""
    values = plain(config)["data"]
    if not any(values.get(key) for key in resume.COLUMN_KEYS):
        return
    # A launch that names no column needs no pandas.
    from artculture.data.picture_table import ColumnNames
    from artculture.data.sources import check_columns

    check_columns(values["name"], values.get("root"), ColumnNames.of_config(values))


def at_commit(config: TrainConfig, directory: RunDirectory) -> TrainConfig:
    """Return the config with the commit of a dataset of the Hub as its revision.

    A run that exists keeps its commit where the config names no revision.
    """
    data = config.data
    if not isinstance(data, HubDataset):
        return config
    stored = (directory.read_config() or {}) if config.resume != "never" else {}
    revision = data.revision or stored.get("data", {}).get("revision")
    revision = dataset.pinned(dataset.HubDataset(data.path, data.config, revision)).revision
    return config.model_copy(update={"data": data.model_copy(update={"revision": revision})})


def _differ_in_epochs(job_overrides: Sequence[Sequence[str]]) -> bool:
    """Return whether a grid compares numbers of epochs, so that each of them is a run of its own."""
    given = [[text for text in overrides if text.startswith(EPOCHS_KEYS)] for overrides in job_overrides]
    return any(texts != given[0] for texts in given)


def _refuse_duplicates(runs: list[PlannedRun]) -> None:
    by_path: dict[Path, list[PlannedRun]] = defaultdict(list)
    for run in runs:
        by_path[run.directory.path].append(run)
    for path, duplicates in by_path.items():
        if len(duplicates) > 1:
            shown = "\n  ".join(" ".join(run.arguments) for run in duplicates)
            raise InputError(f"{len(duplicates)} entries of the grid are the same run, {path}:\n  {shown}")


def _refuse_groups_of_study(
    search_path: ConfigSearchPath, master: DictConfig, job_overrides: Sequence[Sequence[str]]
) -> None:
    # In Hydra a group given on the command line overrides the study's `row` options, so all runs would be the same.
    typed = {text.split("=")[0] for text in master.hydra.overrides.task}
    for overrides in job_overrides:
        for override in overrides:
            key, _, option = override.partition("=")
            clash = typed & _groups_of_row(search_path, option) if key == "row" else None
            if clash:
                group = sorted(clash)[0]
                raise InputError(
                    f"the runs of this study set `{group}` themselves (row={option}): omit {group}=…, or define a "
                    "grid with -m, as in `artculture train -m architecture=… method=… scheduler=…`"
                )


def _groups_of_row(search_path: ConfigSearchPath, row: str) -> set[str]:
    for element in search_path.get_path():
        file = Path((element.path or "").removeprefix("file://")) / "row" / f"{row}.yaml"
        if file.is_file():
            defaults: Any = OmegaConf.to_container(OmegaConf.load(file))
            keys = [str(key) for entry in defaults.get("defaults", []) if isinstance(entry, dict) for key in entry]
            return {key.removeprefix("override").strip().lstrip("/") for key in keys}
    return set()
