"""A study with the W&B runs of its runs, and where its dashboard is."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from artculture.analysis.plotting_style import SERIES
from artculture.report.study_data import StudyRecord, StudyRun, read_study
from artculture.training.tracking.wandb_settings import WandbRun, wandb_run_of
from artculture.utils.errors import InputError


@dataclass(frozen=True)
class TrackedStudy:
    """A study with a dashboard.

    Attributes:
        record: the study.
        wandb_runs: W&B run of each run that has one, by the run's name.
        entity: None for the user's default.
        title: of the workspace and the report.
    """

    record: StudyRecord
    wandb_runs: dict[str, WandbRun]
    entity: str | None
    project: str
    title: str

    def of_entity(self, entity: str) -> "TrackedStudy":
        return replace(self, entity=entity)

    @property
    def group(self) -> str:
        return next(iter(self.wandb_runs.values())).group

    @property
    def colours(self) -> dict[str, str]:
        """The colour of each row, which all its seeds share, in the order of the table."""
        rows = list(dict.fromkeys(run.config["row"] for run in self.wandb_runs.values()))
        return {row: SERIES[place % len(SERIES)] for place, row in enumerate(rows)}

    def metric_names(self, prefix: str) -> list[str]:
        """Return the summary's numbers for each culture, as in `test/recall/Dutch`."""
        classes = dict.fromkeys(name for run in self.record.finished for name in _cultures(run))
        return [f"{prefix}{name}" for name in classes]


def _cultures(run: StudyRun) -> Iterator[str]:
    assert run.result is not None
    yield from run.result.get("per_culture", {})


def tracked_study(folder: Path, entity: str | None, project: str | None, title: str | None) -> TrackedStudy:
    """Read a study and the W&B runs of its runs.

    Args:
        folder: the study's folder.
        entity: of the dashboard; None for that of the runs.
        project: of the dashboard; None for that of the runs.
        title: None for the study's own title.

    Raises:
        InputError: there is no such study, it is incomplete, or none of its runs was logged to W&B.
    """
    record = read_study(folder)
    found = {}
    for run in record.runs:
        run_id = run.status.get("wandb_id")
        known = run_id and wandb_run_of(run.config, run.directory, str(run_id), run.status.get("variant", []))
        if known:
            found[run.name] = known
    if not found:
        raise InputError(
            f"no run of {folder} was logged to W&B: train with logger=wandb, or logger=wandb_offline and `wandb sync`"
        )
    first = next(iter(found.values()))
    titles = (run.config.get("study", {}).get("title") for run in record.runs)
    own = next((str(text) for text in titles if text), folder.name)
    return TrackedStudy(record, found, entity or first.entity, project or first.project, title or own)
