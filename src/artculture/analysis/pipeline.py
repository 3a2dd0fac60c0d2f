"""All findings about one classifier and its paintings, written to one folder and to the run's W&B page."""

import logging
from pathlib import Path
from typing import Any

import pandas as pd
from numpy import uint8
from numpy.typing import NDArray

from artculture.analysis.culture_figures import culture_findings
from artculture.analysis.embedding.features import featurise, write_features
from artculture.analysis.embedding.neighbours import neighbours
from artculture.analysis.figure import Finding, write_findings
from artculture.analysis.model_under_study import Featurised, Subject
from artculture.analysis.saliency.contact_sheets import contact_sheets
from artculture.training.identity import tracker_id
from artculture.training.result import git_commit, versions
from artculture.training.run_directory import RunDirectory
from artculture.training.tracking import media, wandb_run
from artculture.utils.errors import InputError
from artculture.utils.io import file_sha256, read_json
from artculture.utils.progress import Progress

log = logging.getLogger(__name__)

ABOUT = ["object_id", "title", "artist", "date", "culture"]


def default_folder(subject: Subject, own: bool, root: Path) -> Path:
    """Where findings land: in the run (named by the data where it is not the run's own), or under `root`."""
    if subject.run is None:
        return root / "analyses" / subject.checkpoint.stem / subject.data
    return subject.run.path / ("analysis" if own else f"analysis-{subject.data}")


def make_findings(
    subject: Subject,
    folder: Path,
    sheets: int = 3,
    batch_size: int = 64,
    device: str = "auto",
    seed: int = 0,
    on_progress: Progress | None = None,
) -> Path:
    """Featurise the paintings and write all that is found.

    Args:
        subject: the classifier and the paintings.
        folder: gets `analysis.json`, figures, tables and `features.parquet`.
        sheets: right and wrong paintings on each culture's sheet of feature maps; 0 for none.
        batch_size: pictures at a time.
        device: `auto`, `cpu` or `gpu`.
        seed: of everything random.
        on_progress: called with (done, all) while featurising.

    Returns:
        The index, `analysis.json`.
    """
    featurised = featurise(subject, batch_size, device, on_progress)
    folder.mkdir(parents=True, exist_ok=True)
    write_features(featurised, folder / "features.parquet")
    log.info("%d paintings featurised; drawing", len(featurised.labels))
    findings = [*_sheets(subject, featurised, sheets), *_from_features(subject, featurised, seed)]
    return write_findings(folder, findings, _about(subject, featurised, seed))


def _sheets(subject: Subject, featurised: Featurised, count: int) -> list[Finding]:
    if count == 0:
        return []
    try:
        return contact_sheets(subject, featurised, count)
    except InputError as error:
        # A network without a spatial map still has everything else.
        log.warning("no feature maps: %s", error)
        return []


def _from_features(subject: Subject, featurised: Featurised, seed: int) -> list[Finding]:
    selection = subject.paintings.selection
    about: pd.DataFrame = selection.manifest.table[ABOUT]

    def picture(position: int) -> NDArray[uint8]:
        return subject.paintings.cache.image(int(selection.rows[position]))

    findings = culture_findings(featurised, about, picture, seed)
    if {"train", "test"} <= set(featurised.split.tolist()):
        findings.append(neighbours(featurised, picture=picture))
    return findings


def _about(subject: Subject, featurised: Featurised, seed: int) -> dict[str, Any]:
    return {
        "checkpoint": str(subject.checkpoint),
        "checkpoint_sha256": file_sha256(subject.checkpoint),
        "run": None if subject.run is None else subject.run.path.name,
        "data": subject.data,
        "synthetic": subject.paintings.selection.synthetic,
        "manifest": subject.paintings.selection.manifest.fingerprint(),
        "paintings": len(featurised.labels),
        "features": int(featurised.features.shape[1]),
        "classes": list(featurised.classes),
        "temperature": featurised.temperature,
        "seed": seed,
        "versions": versions(),
        "git_commit": git_commit(),
    }


def log_findings(run: RunDirectory, index: Path) -> None:
    """Put the figures and numbers of an analysis on the page that its run has in W&B; nothing where it has none."""
    config: dict[str, Any] = run.read_config() or {}
    logger = config.get("logger", {})
    if logger.get("name", "csv") == "csv":
        return
    page = wandb_run.Page(
        project=logger["project"],
        entity=logger["entity"],
        group=config["study"]["name"],
        job_type=config["method"]["name"],
        name=run.path.name,
        run_id=tracker_id(run.path, int(run.status().get("generation", 0))),
        tags=(),
    )
    opened = wandb_run.open_page(page, run, {}, offline=logger["name"] == "wandb_offline")
    try:
        media.log_figures(opened, index.parent, read_json(index)["findings"])
    finally:
        wandb_run.close_page(opened, 0)
