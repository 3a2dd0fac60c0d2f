"""The W&B report of a study: the table with intervals and paired tests, curves, figures, and how to reproduce it."""

from collections.abc import Iterator
from typing import Any

import wandb_workspaces.expr as expr
import wandb_workspaces.reports.v2 as wr

from artculture.report.dashboard import panels
from artculture.report.dashboard.tracked_study import TrackedStudy
from artculture.report.provenance import environments, run_configs
from artculture.utils.visible_text import markdown_block, markdown_text

LONGEST_TITLE = 128
RESUME = (
    "A command that is started again skips finished runs and continues the others from their last checkpoint, in the "
    "same W&B runs."
)


def report_of(study: TrackedStudy) -> wr.Report:
    """Return the report of a study, not saved; building it asks no server where the study's entity is known."""
    return wr.Report(
        # None would ask the server for the user's default.
        entity=study.entity or "",
        project=study.project,
        title=study.title[:LONGEST_TITLE],
        description=f"Study {study.record.folder.name}: {len(study.record.runs)} runs",
        width="fluid",
        blocks=list(_blocks(study)),
    )


def _blocks(study: TrackedStudy) -> Iterator[Any]:
    yield wr.TableOfContents()
    if len(study.record.summary):
        yield wr.H2("Results")
        yield wr.MarkdownBlock(panels.results_text(study))
        yield _grid(study, panels.results())
    yield wr.H2("Curves")
    yield _grid(study, panels.curves())
    if len(study.record.summary):
        yield wr.H2(panels.recall_heading(study))
        yield _grid(study, panels.recall_by_culture(study))
        yield wr.H2("Test predictions")
        yield _grid(study, panels.predictions())
    yield from _figures(study)
    yield wr.H2("Reproduce and resume")
    yield wr.MarkdownBlock(markdown_block("\n".join(config.command for config in run_configs(study.record)), "sh"))
    yield wr.P(RESUME)
    facts = [f"{label}: {', '.join(values)}" for label, values in environments(study.record)]
    if facts:
        yield wr.UnorderedList(items=[*facts])


def _figures(study: TrackedStudy) -> Iterator[Any]:
    analysis, analysed = panels.analysis_of(study), study.record.analysed
    run = None if analysed is None else study.wandb_runs.get(analysed.name)
    if analysis is None or run is None:
        return
    yield wr.H2(f"Figures of {run.name}")
    captions = {one.title: one.caption for one in analysis.findings}
    for panel in panels.figures(analysis):
        yield wr.H3(panel.title)
        panel.layout = wr.Layout(w=panels.WIDTH, h=12)
        runset = wr.Runset(name=run.name, filters=expr.And(expr.Metric("ID") == run.run_id))
        yield wr.PanelGrid(runsets=[runset], hide_run_sets=True, panels=[panel])
        yield wr.MarkdownBlock(markdown_text(captions[panel.title]))


def _grid(study: TrackedStudy, shown: list[Any]) -> wr.PanelGrid:
    # Without entity and project, the runs are those of the report's own project.
    runset = wr.Runset(
        name=study.title,
        filters=expr.And(expr.Metric("Group") == study.group),
        groupby=[f"config.{panels.ROW}"],
        custom_run_colors={},
        run_settings={
            run.run_id: wr.RunSettings(color=study.colours[run.config["row"]]) for run in study.wandb_runs.values()
        },
    )
    return wr.PanelGrid(runsets=[runset], panels=shown)
