"""What a report is made of: a study's run directories, read and never written to."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from artculture.analysis.figure import INDEX
from artculture.studies.results import KEY, read_results, summarise
from artculture.training.result import validation_rank
from artculture.training.run_directory import RunDirectory
from artculture.training.run_records import metrics_numbers
from artculture.utils.tables import read_own_csv


@dataclass(frozen=True)
class StudyRun:
    """One run as it stands.

    Attributes:
        status: of `status.json`; `state` is always there.
        config: of `config.yaml`.
        result: of `result.json`; None where the run is not finished.
        metrics: one row an epoch; empty where none is over.
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
    def row(self) -> tuple[str, str, str, str]:
        """Architecture, scheduler, method and variant: what all seeds of one row share."""
        if self.result is not None:
            architecture, scheduler, method, variant = (str(self.result[key]) for key in KEY)
            return architecture, scheduler, method, variant
        names = [str(self.config.get(group, {}).get("name", "")) for group in ("architecture", "scheduler", "method")]
        # The rest of the directory's name is what tells it from its choices alone, and the seed.
        rest = self.name.removeprefix("-".join([names[0], names[2], names[1]])).removesuffix(f"-seed={self.seed}")
        return names[0], names[1], names[2], " ".join(rest.strip("-").split("-"))


@dataclass(frozen=True)
class StudyRecord:
    """A study, whole.

    Attributes:
        summary: one row a row of Table 2, as `runs.results.summarise` gives it; empty where no run is finished.
        states: of the runs that are not in the table, by name.
        runs: finished ones first, in the table's order.
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
    def analysed(self) -> StudyRun | None:
        """The run whose analysis is shown: the best one's, else that of the best that has one."""
        having = [run for run in self.finished if (run.analysis / INDEX).is_file()]
        return min(having, key=_rank, default=None)


def _rank(run: StudyRun) -> tuple[tuple[float, float], str]:
    assert run.result is not None
    return validation_rank(run.result), run.name


def read_study(folder: Path) -> StudyRecord:
    """Everything that a study's run directories hold.

    Raises:
        InputError: no such study, or a file of it that is not whole.
    """
    table, states = read_results(folder)
    summary = summarise(table) if len(table) else pd.DataFrame()
    names = [*(table["run"] if len(table) else []), *states]
    by_name = {path.parent.name: path.parent for path in folder.glob("*/config.yaml")}
    # A copied run directory may be called otherwise than its result says.
    names += [name for name in sorted(by_name) if name not in names]
    runs = [_read_run(RunDirectory(by_name[name])) for name in names if name in by_name]
    return StudyRecord(folder, summary, states, runs)


def _read_run(directory: RunDirectory) -> StudyRun:
    status = directory.status()
    whole = status["state"] == "finished" and directory.result.is_file()
    for file in (directory.metrics, directory.predictions, directory.split):
        directory.check_unchanged(file)
    return StudyRun(
        directory,
        status,
        directory.read_config() or {},
        directory.read_result() if whole else None,
        metrics_numbers(directory.metrics),
    )


def read_table(path: Path, **options: Any) -> pd.DataFrame:
    """A CSV file that a run has written.

    Raises:
        InputError: it is not there or not readable.
    """
    return read_own_csv(path, "train the row again with resume=never", **options)
