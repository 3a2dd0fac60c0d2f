"""Panels that the workspace and the report of a study share."""

from typing import Any

import wandb_workspaces.reports.v2 as wr

from artculture.report.dashboard.tracked_study import TrackedStudy
from artculture.report.figures import Analysis, read_analysis
from artculture.studies.table import label_words, markdown
from artculture.training.tracking.media import recall_table

WIDTH = 24  # of a row of panels
ROW = "row"  # key of the config that all seeds of a row share
CURVES = {
    "Training loss": "train/loss",
    "Validation loss": "val/loss",
    "Training top-1": "train/top1",
    "Validation top-1": "val/top1",
    "Validation top-3": "val/top3",
    "Validation macro recall": "val/macro_recall",
}
RESULTS = {
    "Top-1 accuracy, test": "test/top1",
    "Top-3 accuracy, test": "test/top3",
    "Macro recall, test": "test/macro_recall",
    "Calibration error after calibration, test": "test/ece_calibrated",
}


def curves() -> list[Any]:
    """Return a line plot per metric by epoch: the mean over the seeds of a row, with their range."""
    return [
        wr.LinePlot(
            title=title,
            x="epoch",
            y=[metric],
            smoothing_type="none",
            groupby_aggfunc="mean",
            groupby_rangefunc="minmax",
            layout=_place(number, 3),
        )
        for number, (title, metric) in enumerate(CURVES.items())
    ]


def results() -> list[Any]:
    """Return a bar per row for each metric of the test split, means over seeds."""
    return [
        wr.BarPlot(
            title=title, metrics=[metric], groupby=wr.Config(ROW), groupby_aggfunc="mean", layout=_place(number, 2)
        )
        for number, (title, metric) in enumerate(RESULTS.items())
    ]


def recall_heading(study: TrackedStudy) -> str:
    """Return the heading of `recall_by_culture`."""
    return f"Recall by {label_words(study.record.summary).one}"


def recall_by_culture(study: TrackedStudy) -> list[Any]:
    """Return a bar plot per culture, and the table with intervals."""
    names = study.metric_names("test/recall/")
    bars = [
        wr.BarPlot(
            title=f"Recall, {name.rpartition('/')[2]}",
            metrics=[name],
            groupby=wr.Config(ROW),
            groupby_aggfunc="mean",
            range_x=(0, 1),
            layout=_place(number, 3),
        )
        for number, name in enumerate(names)
    ]
    return [*bars, _table(recall_table(label_words(study.record.summary)), below=-(-len(bars) // 3))]


def predictions() -> list[Any]:
    """Return the test predictions of all runs in one table, and their confusion matrix."""
    confusion = wr.CustomChart(
        query={"summaryTable": {"tableKey": "test/confusion_table"}},
        chart_name="wandb/confusion_matrix/v1",
        chart_fields={"Actual": "Actual", "Predicted": "Predicted", "nPredictions": "nPredictions"},
        chart_strings={"title": "Confusion matrix"},
        layout=wr.Layout(x=0, y=12, w=WIDTH, h=12),
    )
    return [_table("test/predictions", below=0), confusion]


def figures(analysis: Analysis) -> list[Any]:
    """Return the figures of an analysis, as `artculture analyze` has logged them."""
    names = [one for one in analysis.findings if one.figure is not None]
    return [
        wr.MediaBrowser(
            title=one.title, media_keys=[f"analysis/{one.name}"], num_columns=1, layout=_place(number, 2, 12)
        )
        for number, one in enumerate(names)
    ]


def analysis_of(study: TrackedStudy) -> Analysis | None:
    """Return the analysis of the best analysed run."""
    analysed = study.record.analysed
    return None if analysed is None else read_analysis(analysed.analysis)


def results_text(study: TrackedStudy) -> str:
    """Return the table of results with intervals, the paper's numbers and paired tests, as Markdown."""
    lines = markdown(study.title, study.record.summary, study.record.states).splitlines()
    # Blocks and panels have a heading of their own.
    return "\n".join(lines[2:]) + "\n"


def _table(name: str, below: int) -> Any:
    return wr.WeavePanelSummaryTable(table_name=name, layout=wr.Layout(x=0, y=6 * below, w=WIDTH, h=12))


def _place(number: int, columns: int, height: int = 6) -> Any:
    width = WIDTH // columns
    return wr.Layout(x=number % columns * width, y=number // columns * height, w=width, h=height)
