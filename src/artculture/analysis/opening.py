"""From a checkpoint's path to what an analysis looks at: classifier, run and paintings."""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from artculture.analysis.subject import Subject
from artculture.config import Data
from artculture.data.manifest import SPLITS
from artculture.data.paintings import DataChoice, Selection, load_paintings
from artculture.errors import InputError, reason_of
from artculture.models.checkpoint import check_classes, load_classifier, read_checkpoint
from artculture.runs.directory import RunDirectory
from artculture.runs.identity import data_label
from artculture.runs.parts import choice_of
from artculture.tables import read_own_csv

log = logging.getLogger(__name__)


def open_subject(
    checkpoint: Path, data: DataChoice | None = None, on_progress: Callable[[int, int], None] | None = None
) -> Subject:
    """Load a classifier and the paintings to look at, with the pixels that it expects.

    Args:
        checkpoint: the file, or the run directory whose best one is meant.
        data: which paintings; None for those of the checkpoint's own run, in that run's split.
        on_progress: called with (done, all) while pictures are decoded.

    Raises:
        InputError: no such checkpoint, no run to take the data from, or cultures that the classifier does not know.
    """
    checkpoint = checkpoint_file(checkpoint)
    classifier = load_classifier(checkpoint)
    run = run_of(checkpoint)
    choice, label = (own_data(checkpoint, run)) if data is None else (data, _label(data))
    preprocessing = classifier.preprocessing
    paintings = load_paintings(
        choice,
        preprocessing.resize,
        preprocessing.interpolation,
        on_progress,
        classes=None if data is None else classifier.classes,
    )
    if data is None:
        check_classes(read_checkpoint(checkpoint), checkpoint, paintings.selection.classes)
        _check_split(paintings.selection, checkpoint, run)
    else:
        paintings = replace(paintings, selection=_in_own_split(paintings.selection, checkpoint, run))
    return Subject(checkpoint, classifier, paintings, run, label, choice.cache_folder)


def checkpoint_file(path: Path) -> Path:
    """The checkpoint that a path means: the file itself, or a run directory's best one."""
    path = path.expanduser()
    return RunDirectory(path).best if path.is_dir() else path


def run_of(checkpoint: Path) -> RunDirectory | None:
    """The run that a checkpoint lies in, `<run>/checkpoints/<name>.ckpt`; None for one that lies elsewhere."""
    folder = checkpoint.resolve().parent
    directory = RunDirectory(checkpoint.parent.parent if checkpoint.parent.name else folder.parent)
    return directory if folder.name == "checkpoints" and directory.config.is_file() else None


def own_data(checkpoint: Path, run: RunDirectory | None) -> tuple[DataChoice, str]:
    """What a run was trained on, and the short word for it.

    Raises:
        InputError: the checkpoint belongs to no run, or the run's config says nothing of its data.
    """
    if run is None:
        raise InputError(
            f"{checkpoint} lies in no run directory that says what it was trained on: name the paintings, as in "
            "data=folder data.root=path/to/folder"
        )
    values: dict[str, Any] = run.read_config() or {}
    try:
        return choice_of(TypeAdapter[Data](Data).validate_python(values.get("data"))), data_label(values)
    except ValidationError as error:
        raise InputError(
            f"{run.config} does not say what the run was trained on ({reason_of(error)}): name the paintings, as in "
            "data=folder data.root=path/to/folder"
        ) from error


def best_run(study: Path) -> Path:
    """The checkpoint of a study's best finished run by its validation top-1, never by test; ties: lower loss.

    Raises:
        InputError: no such study, or no finished run with its checkpoint in it.
    """
    found: list[tuple[float, float, str]] = []
    for config in sorted(study.glob("*/config.yaml")):
        run = RunDirectory(config.parent)
        if run.status()["state"] == "finished" and run.result.is_file() and run.best.is_file():
            result = run.read_result()
            if result.get("val_loss") is None:
                raise InputError(f"{run.result} lacks `val_loss`: train the row again")
            found.append((-float(result["val_top1"]), float(result["val_loss"]), str(run.best)))
    if not found:
        raise InputError(
            f"no finished run with a checkpoint in {study}; `artculture train study.name={study.name} …` makes one"
        )
    return Path(min(found)[2])


def _label(data: DataChoice) -> str:
    return data_label({"data": {"name": data.name, "root": data.root}})


def _in_own_split(selection: Selection, checkpoint: Path, run: RunDirectory | None) -> Selection:
    # Paintings that a run was trained on stay training paintings, whatever split is asked for now.
    stored = _stored_split(selection, checkpoint, run)
    if run is None or stored is None:
        return selection
    log.info("these are the paintings of the run itself, so they stay in its split (%s)", run.split)
    return replace(selection, split=stored)


def _check_split(selection: Selection, checkpoint: Path, run: RunDirectory | None) -> None:
    stored = _stored_split(selection, checkpoint, run)
    if run is not None and stored is not None and not np.array_equal(stored, selection.split):
        raise InputError(
            f"{run.config} gives another split than {run.split}, which the run was trained on: one of them was "
            "changed; restore it, or train the row again (resume=never)"
        )


def _stored_split(selection: Selection, checkpoint: Path, run: RunDirectory | None) -> NDArray[np.str_] | None:
    """The split that a run was trained on, where it is stored and these are the run's own paintings."""
    trained_on = read_checkpoint(checkpoint)["artculture"].get("manifest")
    if run is None or not run.split.is_file() or selection.manifest.fingerprint() != trained_on:
        return None
    mend = "delete it: the split asked for is taken then, with paintings that were trained on"
    run.check_unchanged(run.split)
    stored = read_own_csv(run.split, mend, dtype=str, keep_default_na=False)
    if not {"source", "object_id", "split"} <= set(stored) or not set(stored["split"]) <= set(SPLITS):
        raise InputError(f"{run.split} is no split; {mend}")
    where = {(source, ident): split for source, ident, split in stored[["source", "object_id", "split"]].to_numpy()}
    table = selection.manifest.table
    keys = list(zip(table["source"], table["object_id"], strict=True))
    if not where.keys() >= set(keys):
        raise InputError(f"{run.split} lacks some of the run's paintings; {mend}")
    return np.array([where[key] for key in keys], dtype=np.str_)
