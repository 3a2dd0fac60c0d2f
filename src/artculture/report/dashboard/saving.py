"""Saving of a study's dashboard: the addresses in its folder decide what is updated in place."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from artculture.report.dashboard.study_report import report_of
from artculture.report.dashboard.tracked_study import TrackedStudy
from artculture.report.dashboard.workspace import workspace_of
from artculture.training.tracking.wandb_models import link_model
from artculture.utils.errors import InputError, WorkError, reason_of
from artculture.utils.io import read_json, write_json

log = logging.getLogger(__name__)

# File of a study's folder with the addresses of its workspace and its report.
ADDRESSES = "dashboard.json"


def specification(study: TrackedStudy) -> dict[str, Any]:
    """Return the workspace and the report as W&B stores them, without asking a server."""
    built = {"workspace": workspace_of(study), "report": report_of(study)}
    return {
        name: one._to_model().model_dump(mode="json", by_alias=True, exclude_none=True) for name, one in built.items()
    }


def save_dashboard(study: TrackedStudy) -> dict[str, str]:
    """Save the workspace and the report of a study in W&B, over those of the last time if they still exist.

    Returns:
        Their addresses, which are stored in the study's folder.

    Raises:
        InputError: nobody is logged in to W&B.
        WorkError: W&B refuses them, or does not answer.
    """
    import wandb
    import wandb_workspaces.reports.v2 as wr
    import wandb_workspaces.workspaces as ws

    file = study.record.folder / ADDRESSES
    known = read_json(file) if file.is_file() else {}
    with explained_errors(wandb):
        if study.entity is None:
            study = study.of_entity(str(wandb.Api().default_entity))
        workspace, report = workspace_of(study), report_of(study)
        earlier = earlier_one(ws.Workspace.from_url, known.get("workspace"))
        if earlier is not None:
            for part in ("_internal_name", "_internal_id", "_internal_runset_id"):
                setattr(workspace, part, getattr(earlier, part))
        earlier = earlier_one(wr.Report.from_url, known.get("report"))
        if earlier is not None:
            for part in ("id", "_discussion_threads", "_authors", "_created_at"):
                setattr(report, part, getattr(earlier, part))
        addresses = {}
        for name, one in {"workspace": workspace, "report": report}.items():
            addresses[name] = str(one.save().url)
            write_json(file, {**known, **addresses})
    return addresses


def link_best(study: TrackedStudy, registry: str) -> str:
    """Link the model of the study's best run to a collection of a registry; return the model's name.

    Raises:
        InputError: no run is finished, or its model is not in W&B.
    """
    import wandb

    best = study.record.best
    if best is None or best.name not in study.wandb_runs:
        raise InputError(f"registry={registry}: no finished run of {study.record.folder} was logged to W&B")
    entity = study.wandb_runs[best.name].entity or str(wandb.Api().default_entity)
    return link_model(entity, study.wandb_runs[best.name].project, best.directory, registry)


def earlier_one(read: Callable[[str], Any], address: str | None) -> Any:
    """Return what is at a stored address; None for no address, or for one where nothing is any more."""
    if address is None:
        return None
    try:
        return read(address)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        log.warning("%s can't be updated (%s): a new one is made", address, reason_of(error))
        return None


@contextmanager
def explained_errors(wandb: Any) -> Iterator[None]:
    """Turn errors of W&B into messages."""
    try:
        yield
    except wandb.errors.UsageError as error:
        raise InputError(f"not logged in to W&B ({reason_of(error)}): run `wandb login`") from error
    except (wandb.errors.Error, OSError, RuntimeError) as error:
        raise WorkError(f"W&B could not save the dashboard: {reason_of(error)}") from error
