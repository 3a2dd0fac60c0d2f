"""The W&B workspace of a study: its runs by row, and sections of panels."""

import unicodedata
from typing import Any

import wandb_workspaces.expr as expr
import wandb_workspaces.reports.v2 as wr
import wandb_workspaces.workspaces as ws

from artculture.report.dashboard import panels
from artculture.report.dashboard.tracked_study import TrackedStudy
from artculture.studies.table import has_paper

# Columns of the table of runs that stay in view.
PINNED = (
    "config:weights_label.value",
    *(f"summary:test/{name}{end}" for name in ("top1", "top3", "macro_recall") for end in ("", "_low", "_high")),
    "summary:result/val_top1",
)
# Categories of characters that the name of a workspace must not have.
REFUSED = ("So", "Sk", "Sm", "Sc", "Cs")


def workspace_of(study: TrackedStudy) -> ws.Workspace:
    """Return the workspace of a study, not saved; building it asks no server."""
    return ws.Workspace(
        entity=study.entity or "",
        project=study.project,
        name=name_of(study.title),
        sections=list(_sections(study)),
        settings=ws.WorkspaceSettings(x_axis="epoch", max_runs=100),
        runset_settings=ws.RunsetSettings(
            filters=expr.And(expr.Metric("Group") == study.group),
            groupby=[expr.Config(panels.ROW)],
            order=[expr.Ordering(expr.Summary("result/val_top1"), ascending=False)],
            run_settings={
                run.run_id: ws.RunSettings(color=study.colours[run.config["row"]]) for run in study.wandb_runs.values()
            },
            group_colors=dict(study.colours),
            pinned_columns=list(PINNED),
        ),
    )


def _sections(study: TrackedStudy) -> list[ws.Section]:
    text = wr.MarkdownPanel(markdown=panels.results_text(study), layout=wr.Layout(w=panels.WIDTH, h=10))
    results = [text, *panels.results()] if len(study.record.summary) else []
    analysis = panels.analysis_of(study)
    content: dict[str, list[Any]] = {
        "Results and the paper's numbers" if has_paper(study.record.summary) else "Results": results,
        "Curves": panels.curves(),
        panels.recall_heading(study): panels.recall_by_culture(study) if results else [],
        "Test predictions": panels.predictions() if results else [],
        "Analysis": [] if analysis is None else panels.figures(analysis),
    }
    return [
        ws.Section(name=name, panels=shown, is_open=name != "Analysis", pinned=name.startswith("Results"))
        for name, shown in content.items()
        if shown
    ]


def name_of(title: str) -> str:
    """Return a title without the signs that W&B refuses."""
    kept = "".join(" " if unicodedata.category(sign) in REFUSED else sign for sign in title)
    return " ".join(kept.split()) or "Study"
