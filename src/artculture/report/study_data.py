"""Reader of a study's run directories for the report; it never writes to them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from artculture.analysis.figure import INDEX
from artculture.report.results_table import common_variant, without
from artculture.studies.cross_validation import without_fold
from artculture.studies.paper import row_title
from artculture.studies.results import KEY, read_results, summarise
from artculture.training.identity import ALWAYS, NONE, choice_names
from artculture.training.result import validation_rank
from artculture.training.run_directory import RunDirectory
from artculture.training.run_records import metrics_numbers
from artculture.utils.tables import read_own_csv


@dataclass(frozen=True)
class StudyRun:
    """One run in its current state.

    Attributes:
        status: content of `status.json`; `state` is always present.
        config: content of `config.yaml`.
        result: content of `result.json`; None if the run is not finished.
        metrics: one row per epoch; empty before the end of the first one.
    """

    directory: RunDirectory
    status: dict[str, Any]
    config: dict[str, Any]
    result: dict[str, Any] | None
    metrics: pd.DataFrame

    @property
    def name(self) -> str:
        return self.directory.path.name

    @property
    def state(self) -> str:
        return str(self.status["state"])

    @property
    def seed(self) -> int:
        return int(self.config.get("seed", 0))

    @property
    def analysis(self) -> Path:
        return self.directory.path / "analysis"

    @property
    def row_key(self) -> tuple[str, str, str, str]:
        """Architecture, scheduler, method and variant: the key of a row of Table 2, shared by all its seeds."""
        if self.result is not None:
            architecture, scheduler, method, variant = (str(self.result[key]) for key in KEY)
            return architecture, scheduler, method, without_fold(variant, self.result.get("fold"))
        if not set(ALWAYS) <= set(self.config):
            return "", "", "", self.name
        architecture, method, scheduler = choice_names(self.config)
        chosen = self.status.get("variant")
        if isinstance(chosen, list):
            return architecture, scheduler, method, without_fold(" ".join(map(str, chosen)), _fold(self.config))
        # Otherwise, the variant is what remains of the directory's name without the choices and the seed.
        named = "-".join(name for name in (architecture, method, scheduler) if name != NONE)
        rest = self.name.removeprefix(named).removesuffix(f"-seed={self.seed}")
        return architecture, scheduler, method, " ".join(rest.strip("-").split("-"))


def _fold(config: dict[str, Any]) -> int | None:
    data = config.get("data")
    return data.get("fold") if isinstance(data, dict) else None


@dataclass(frozen=True)
class StudyRecord:
    """All runs of a study.

    Attributes:
        summary: one row per row of Table 2, from `studies.results.summarise`; empty if no run is finished.
        states: state of each run that is not in the table, by name.
        runs: finished runs first, in the table's order.
    """

    folder: Path
    summary: pd.DataFrame
    states: dict[str, str]
    runs: list[StudyRun]

    @property
    def finished(self) -> list[StudyRun]:
        return [run for run in self.runs if run.result is not None and run.name not in self.states]

    @property
    def best(self) -> StudyRun | None:
        """The finished run with the best validation accuracy, as `artculture analyze` chooses it."""
        return min(self.finished, key=_rank, default=None)

    @property
    def analysed_runs(self) -> list[StudyRun]:
        """The finished runs that have an analysis, the best first."""
        return sorted((run for run in self.finished if (run.analysis / INDEX).is_file()), key=_rank)

    @property
    def analysed(self) -> StudyRun | None:
        """The best finished run that has an analysis."""
        return next(iter(self.analysed_runs), None)

    def label(self, run: StudyRun) -> str:
        """Return a run's choices in words, with what distinguishes it from the other runs of the study."""
        architecture, scheduler, method, variant = run.row_key
        if not architecture:
            return run.name
        parts = [row_title(architecture, method, scheduler), *without(variant, common_variant(self.summary)).split()]
        row = [other for other in self.runs if other.row_key == run.row_key]
        if len({other.seed for other in row}) > 1:
            parts.append(f"seed {run.seed}")
        folds = {(other.result or {}).get("fold") for other in row}
        if len(folds) > 1:
            parts.append(f"fold {(run.result or {}).get('fold')}")
        return ", ".join(parts)


def _rank(run: StudyRun) -> tuple[tuple[float, float], str]:
    assert run.result is not None
    return validation_rank(run.result), run.name


def read_study(folder: Path) -> StudyRecord:
    """Read all run directories of a study.

    Raises:
        InputError: there is no such study, or one of its files is incomplete.
    """
    table, states = read_results(folder)
    summary = summarise(table) if len(table) else pd.DataFrame()
    names = [*(table["run"] if len(table) else []), *states]
    by_name = {path.parent.name: path.parent for path in folder.glob("*/config.yaml")}
    # A copied or renamed run directory differs from the name in its result.
    names += [name for name in sorted(by_name) if name not in names]
    runs = [_read_run(RunDirectory(by_name[name])) for name in names if name in by_name]
    return StudyRecord(folder, summary, states, runs)


def _read_run(directory: RunDirectory) -> StudyRun:
    status = directory.status()
    complete = status["state"] == "finished" and directory.result.is_file()
    for file in (directory.metrics, directory.predictions, directory.split):
        directory.check_unchanged(file)
    return StudyRun(
        directory,
        status,
        directory.read_config() or {},
        directory.read_result() if complete else None,
        metrics_numbers(directory.metrics),
    )


def read_table(path: Path, **options: Any) -> pd.DataFrame:
    """Read a CSV file that a run has written.

    Raises:
        InputError: the file is missing or unreadable.
    """
    return read_own_csv(path, "train the run again with resume=never", **options)
