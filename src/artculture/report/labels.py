"""Further labels of the best run: their paintings by class, and their analyses."""

from dataclasses import dataclass

from artculture.analysis.figure import INDEX
from artculture.report.figures import Analysis, read_analysis
from artculture.report.paintings import CultureCount, culture_counts
from artculture.report.study_data import StudyRun
from artculture.utils.text import file_word


@dataclass(frozen=True)
class LabelSection:
    """A further label.

    Attributes:
        name: of the label.
        counts: paintings of each class, and its recall.
        analysis: what `analyze label=…` found; None if it was not run.
    """

    name: str
    counts: list[CultureCount]
    analysis: Analysis | None


def label_sections(run: StudyRun | None) -> list[LabelSection]:
    """Return the further labels of a run."""
    if run is None or run.result is None:
        return []
    return [
        LabelSection(name, culture_counts(run, name), _analysis(run, name)) for name in run.result.get("labels", {})
    ]


def _analysis(run: StudyRun, name: str) -> Analysis | None:
    folder = run.analysis.with_name(f"{run.analysis.name}-label={file_word(name)}")
    return read_analysis(folder) if (folder / INDEX).is_file() else None
