"""From a checkpoint's path to what an analysis looks at: classifier, run and paintings."""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from artculture.analysis.model_under_study import ModelUnderStudy
from artculture.config.schema.train import Data
from artculture.data.paintings import DataChoice, fresh_selection, load_paintings, selection_for, selection_of_run
from artculture.data.stored_split import StoredSplit, read_split
from artculture.models.checkpoint import check_classes, load_classifier, read_checkpoint
from artculture.training.factory import choice_of
from artculture.training.identity import data_label
from artculture.training.result import validation_rank
from artculture.training.run_directory import RunDirectory
from artculture.utils.errors import InputError, reason_of

log = logging.getLogger(__name__)


def load_model_under_study(
    checkpoint: Path, data: DataChoice | None = None, on_progress: Callable[[int, int], None] | None = None
) -> ModelUnderStudy:
    """Load a classifier and the paintings to look at, with the pixels that it expects.

    Args:
        checkpoint: the file, or the run directory whose best one is meant.
        data: which paintings; None for those of the checkpoint's own run that are still there, in that run's split.
        on_progress: called with (done, all) while pictures are decoded.

    Raises:
        InputError: no such checkpoint, no run to take the data from, or cultures that the classifier does not know.
    """
    checkpoint = checkpoint_file(checkpoint)
    classifier = load_classifier(checkpoint)
    run = run_of(checkpoint)
    stored = _stored_split(run)
    choice, label = own_data(checkpoint, run) if data is None else (data, _label(data))
    if data is not None:
        choose = selection_for(classifier.classes)
    else:
        assert run is not None
        choose = fresh_selection if stored is None else selection_of_run(stored, classifier.classes, run.path)
    expected = classifier.preprocessing
    paintings = load_paintings(choice, expected.resize, expected.interpolation, on_progress, choose)
    selection = paintings.selection
    check_classes(read_checkpoint(checkpoint), checkpoint, selection.classes)
    if stored is None:
        return ModelUnderStudy(checkpoint, classifier, paintings, run, label, choice.cache_folder, own=data is None)
    known = stored.match(selection.manifest.table).split
    # What a run knows stays in its split, whatever split is asked for now.
    split = np.where(known == "", selection.split, known).astype(np.str_)
    paintings = replace(paintings, selection=replace(selection, split=split))
    return ModelUnderStudy(checkpoint, classifier, paintings, run, label, choice.cache_folder, known, own=data is None)


def assign_unseen_to_test(model: ModelUnderStudy) -> ModelUnderStudy:
    """The model with paintings that its run did not have in the test split: none of them was trained on."""
    if model.run_split is None or (model.run_split != "").all():
        return model
    selection = model.paintings.selection
    split = np.where(model.run_split == "", "test", selection.split).astype(np.str_)
    return replace(model, paintings=replace(model.paintings, selection=replace(selection, split=split)))


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
    found: list[tuple[tuple[float, float], str]] = []
    for config in sorted(study.glob("*/config.yaml")):
        run = RunDirectory(config.parent)
        if run.status()["state"] == "finished" and run.result.is_file() and run.best.is_file():
            result = run.read_result()
            if result.get("val_loss") is None:
                raise InputError(f"{run.result} lacks `val_loss`: train the row again")
            found.append((validation_rank(result), str(run.best)))
    if not found:
        raise InputError(
            f"no finished run with a checkpoint in {study}; `artculture train study.name={study.name} …` makes one"
        )
    return Path(min(found)[1])


def _label(data: DataChoice) -> str:
    return data_label({"data": {"name": data.name, "root": data.root}})


def _stored_split(run: RunDirectory | None) -> StoredSplit | None:
    """Which painting was in which split of a run, where it is stored."""
    if run is None or not run.split.is_file():
        return None
    run.check_unchanged(run.split)
    return read_split(run.split, "delete it: which paintings were trained on is unknown then")
