"""The whole analysis of one classifier, written to a folder and to the W&B run."""

import itertools
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from numpy import uint8
from numpy.typing import NDArray

from artculture.analysis.culture_figures import culture_findings
from artculture.analysis.embedding.features import compute_embeddings, write_features
from artculture.analysis.embedding.neighbours import neighbours
from artculture.analysis.figure import Finding, write_findings
from artculture.analysis.fonts import fonts_for
from artculture.analysis.label_wording import worded
from artculture.analysis.model_under_study import Embeddings, ModelUnderStudy
from artculture.analysis.saliency.contact_sheets import contact_sheets
from artculture.analysis.saliency.sanity_check import sanity_check
from artculture.data.embeddings.manifest import Vectors
from artculture.training.checkpoint_source import checkpoint_label
from artculture.training.result import git_commit, versions
from artculture.training.tracking import media, wandb_run
from artculture.training.tracking.trackers import log_run_result
from artculture.training.tracking.wandb_history import open_with_history
from artculture.training.tracking.wandb_settings import id_of, wandb_run_of
from artculture.utils.errors import InputError
from artculture.utils.io import file_sha256, read_json
from artculture.utils.progress import Progress
from artculture.utils.text import file_word

log = logging.getLogger(__name__)

ABOUT = ["object_id", "title", "artist", "date", "culture"]


def default_folder(model: ModelUnderStudy, own: bool, root: Path, name: str = "analysis") -> Path:
    """Return the output folder: in the run directory (named by the data if not the run's own), or under `root`."""
    if model.label is not None:
        name = f"{name}-label={file_word(model.label)}"
    if model.run is None:
        return root / ("analyses" if name == "analysis" else name) / checkpoint_label(model.checkpoint) / model.data
    return model.run.path / (name if own else f"{name}-{model.data}")


def make_findings(
    model: ModelUnderStudy,
    folder: Path,
    sheets: int = 3,
    smooth: bool = True,
    batch_size: int = 64,
    device: str = "auto",
    seed: int = 0,
    on_progress: Progress | None = None,
) -> Path:
    """Compute the embeddings of the paintings and write all findings.

    Args:
        model: the classifier and the paintings.
        folder: receives `analysis.json`, figures, tables and `features.parquet`.
        sheets: number of right and of wrong paintings on the contact sheet of a culture; 0 for no sheets.
        smooth: interpolate the maps on the sheets between their cells.
        batch_size: images per forward pass.
        device: `auto`, `cpu` or `gpu`.
        seed: of layouts, permutations and resampling.
        on_progress: called with (done, total) while embeddings are computed.

    Returns:
        The path of the index, `analysis.json`.
    """
    embeddings = compute_embeddings(model, batch_size, device, on_progress)
    folder.mkdir(parents=True, exist_ok=True)
    write_features(embeddings, folder / "features.parquet")
    log.info("embeddings of %d paintings computed; drawing figures", len(embeddings.labels))
    findings = itertools.chain(
        _sheets(model, embeddings, sheets, seed, smooth=smooth), _from_features(model, embeddings, seed)
    )
    with fonts_for(embeddings.classes):
        in_words = (worded(finding, embeddings.words, embeddings.classes) for finding in findings)
        return write_findings(folder, in_words, _about(model, embeddings, seed))


def _sheets(
    model: ModelUnderStudy, embeddings: Embeddings, count: int, seed: int, *, smooth: bool
) -> Iterator[Finding]:
    if count == 0 or isinstance(model.paintings.cache, Vectors):
        return
    try:
        yield from contact_sheets(model, embeddings, count, smooth=smooth)
        checked = sanity_check(model, embeddings, seed)
        yield from [] if checked is None else [checked]
    except InputError as error:
        # A network without a spatial map still gets all other findings.
        log.warning("no feature maps: %s", error)


def _from_features(model: ModelUnderStudy, embeddings: Embeddings, seed: int) -> Iterator[Finding]:
    selection = model.paintings.selection
    about: pd.DataFrame = selection.manifest.table[ABOUT]

    def thumbnail(position: int) -> NDArray[uint8]:
        return model.paintings.cache.image(int(selection.rows[position]))

    picture = None if isinstance(model.paintings.cache, Vectors) else thumbnail
    yield from culture_findings(embeddings, about, picture, seed)
    # Neighbours are training paintings of test paintings, so both splits are needed.
    if {"train", "test"} <= set(embeddings.split.tolist()):
        yield neighbours(embeddings, picture=picture)


def _about(model: ModelUnderStudy, embeddings: Embeddings, seed: int) -> dict[str, Any]:
    return {
        "checkpoint": str(model.checkpoint),
        "checkpoint_sha256": file_sha256(model.checkpoint),
        "run": None if model.run is None else model.run.path.name,
        "data": model.data,
        **({} if model.label is None else {"label": model.label}),
        "synthetic": model.paintings.selection.synthetic,
        "manifest": model.paintings.selection.manifest.fingerprint(),
        "paintings": len(embeddings.labels),
        "features": int(embeddings.features.shape[1]),
        "classes": list(embeddings.classes),
        "label_name": embeddings.words.one,
        "temperature": embeddings.temperature,
        "seed": seed,
        "versions": versions(),
        "git_commit": git_commit(),
    }


def log_findings(model: ModelUnderStudy, index: Path) -> None:
    """Log the figures and numbers of an analysis to the W&B run of its run; do nothing for a run without one.

    Offline, W&B can't continue a run's file: a new one gets the whole run, and replaces it.
    """
    assert model.run is not None
    values: dict[str, Any] = model.run.read_config() or {}
    info = wandb_run_of(values, model.run, id_of(model.run), model.run.status().get("variant", []))
    if info is None:
        return
    run, history = open_with_history(info)
    try:
        if model.run.result.is_file():
            selection = model.paintings.selection
            predictions = media.test_predictions(model.run, selection)
            log_run_result(run, info, selection, predictions, model.run.read_result())
        media.log_figures(run, index.parent, read_json(index)["findings"])
        history.remove_superseded()
    finally:
        wandb_run.finish_run(run, 0)
