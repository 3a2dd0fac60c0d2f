"""Loading of a checkpoint with its run and the paintings to analyse."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from artculture.analysis.label_models import head_of, of_label
from artculture.analysis.model_under_study import EnsembleUnderStudy, ModelUnderStudy
from artculture.config.schema.data import Data
from artculture.data.cache.pixel_cache import Pixels
from artculture.data.data_choice import DataChoice
from artculture.data.embeddings.manifest import Vectors
from artculture.data.known_selection import selection_for, selection_of_run
from artculture.data.paintings import load_paintings
from artculture.data.selection import fresh_selection
from artculture.data.stored_split import StoredSplit, read_split
from artculture.models import checkpoint as checkpoint_files
from artculture.models.backbones import EMBEDDINGS
from artculture.models.checkpoint import check_trusted, refuse_other_classes
from artculture.models.classifier import CultureClassifier
from artculture.models.ensemble import EnsembleClassifier, load_model, members_of
from artculture.training.checkpoint_source import checkpoint_file
from artculture.training.identity import data_label
from artculture.training.result import validation_rank
from artculture.training.run_directory import ENSEMBLE, RunDirectory
from artculture.utils.errors import InputError, reason_of
from artculture.utils.progress import Progress

log = logging.getLogger(__name__)


def load_model_under_study(
    checkpoint: str | Path,
    data: DataChoice | None = None,
    on_progress: Progress | None = None,
    trust: Sequence[str] = (),
    label: str | None = None,
) -> ModelUnderStudy:
    """Return `load_all_labels` of one label; of the primary one if `label` is None.

    Raises:
        InputError: as `load_all_labels`; or there is no such label.
    """
    return of_label(load_all_labels(checkpoint, data, on_progress, trust), label)


def load_all_labels(
    checkpoint: str | Path,
    data: DataChoice | None = None,
    on_progress: Progress | None = None,
    trust: Sequence[str] = (),
    *,
    ensembles: bool = False,
) -> ModelUnderStudy:
    """Load a classifier and the paintings to analyse, preprocessed as the classifier expects.

    Args:
        checkpoint: see `checkpoint_file`.
        data: the paintings; None for the paintings of the checkpoint's run that still exist, in the split of the run.
        on_progress: called with (done, total) while images are decoded.
        trust: packages other than this one that the checkpoint may import.
        ensembles: whether the checkpoint may be an ensemble.

    Raises:
        InputError: the checkpoint does not exist, belongs to no run although `data` is None, is an ensemble although a
            single network is needed, or the paintings have cultures that the classifier was not trained on.
    """
    file = checkpoint_file(checkpoint)
    loaded = load_model(file, trust) if ensembles else checkpoint_files.load_all_labels(file, trust)
    classifier = members_of(loaded)[0]
    run = run_of(file)
    stored = stored_split_of(run)
    choice, label = own_data(file, run, trust) if data is None else (data, _label(data))
    # The first column of other data may be a further label of the classifier.
    classes = classifier.tasks[head_of(classifier, choice.label_column)].classes
    further = {task.name: task.classes for task in classifier.tasks if task.name != choice.label_column}
    if data is not None:
        choose = selection_for(classes, further)
    else:
        assert run is not None
        choose = fresh_selection
        if stored is not None:
            choose = selection_of_run(stored, classes, run.path, further)
    _check_kind(classifier, choice)
    expected = classifier.preprocessing
    paintings = load_paintings(choice, expected.resize, expected.interpolation, on_progress, choose, expected.fit)
    selection = paintings.selection
    _check_vectors(classifier, paintings.cache)
    # Label indices of data and classifier must agree before anything is computed.
    refuse_other_classes(classes, file, selection.classes)
    for column in selection.further:
        refuse_other_classes(further[column.name], file, column.classes, column.name)
    ensemble = None
    if isinstance(loaded, EnsembleClassifier):
        kinds = {
            kind: load_paintings(choice, kind.resize, kind.interpolation, on_progress, choose, kind.fit)
            for kind in loaded.preprocessings
        }
        ensemble = EnsembleUnderStudy(loaded, kinds)
    model = ModelUnderStudy(
        file, classifier, paintings, run, label, choice.cache_folder, own=data is None, ensemble=ensemble
    )
    if stored is None:
        return model
    known = stored.match(selection.manifest.table).split
    # Paintings of the run keep the split of the run, whichever split `data` asks for: no training painting is tested.
    split = np.where(known == "", selection.split, known).astype(np.str_)
    paintings = replace(paintings, selection=replace(selection, split=split))
    return replace(model, paintings=paintings, run_split=known)


def _check_kind(classifier: CultureClassifier, choice: DataChoice) -> None:
    """Raise an InputError if a classifier of embeddings is given pictures, or one of pictures embeddings."""
    takes, given = classifier.hyper["library"] == EMBEDDINGS, choice.name == "embeddings"
    if takes and not given:
        raise InputError(
            f"this classifier takes embeddings of {classifier.hyper['backbone_options']['model'] or 'one model'}, not "
            "pictures: give them with data=embeddings data.path=… data.root=…"
        )
    if given and not takes:
        raise InputError("this classifier takes pictures, not embeddings: give them as in data=folder data.root=…")


def _check_vectors(classifier: CultureClassifier, cache: Pixels) -> None:
    """Raise an InputError if embeddings are of another model or length than those that were trained on."""
    if isinstance(cache, Vectors) and cache.facts != classifier.hyper["backbone_options"]:
        trained = classifier.hyper["backbone_options"]
        raise InputError(
            f"the classifier was trained on embeddings of {trained['features']} numbers of the model "
            f"`{trained['model']}`, and these have {cache.facts['features']} of `{cache.model}`: give the same model's"
        )


def assign_unseen_to_test(model: ModelUnderStudy) -> ModelUnderStudy:
    """Return a copy in which paintings that the run did not have are in the test split."""
    if model.run_split is None or (model.run_split != "").all():
        return model
    selection = model.paintings.selection
    split = np.where(model.run_split == "", "test", selection.split).astype(np.str_)
    return replace(model, paintings=replace(model.paintings, selection=replace(selection, split=split)))


def run_of(checkpoint: Path) -> RunDirectory | None:
    """Return the run of a checkpoint at `<run>/checkpoints/<name>.ckpt`; None for a checkpoint elsewhere."""
    folder = checkpoint.resolve().parent
    directory = RunDirectory(checkpoint.parent.parent if checkpoint.parent.name else folder.parent)
    return directory if folder.name == "checkpoints" and directory.config.is_file() else None


def own_data(checkpoint: Path, run: RunDirectory | None, trust: Sequence[str] = ()) -> tuple[DataChoice, str]:
    """Return the data that a run was trained on and its label.

    Args:
        checkpoint: the file.
        run: its run.
        trust: packages other than this one that may be imported, for a data source of the user's own.

    Raises:
        InputError: the checkpoint belongs to no run, the config of the run has no valid `data`, or that names code of a
            package that is not trusted.
    """
    if run is None:
        raise InputError(
            f"{checkpoint} is not in a run directory, so its training data are unknown: name the paintings, as in "
            "data=folder data.root=path/to/folder"
        )
    values: dict[str, Any] = run.read_config() or {}
    check_trusted(values.get("data"), run.config, trust)
    try:
        return DataChoice.of(TypeAdapter[Data](Data).validate_python(values.get("data"))), data_label(values)
    except ValidationError as error:
        raise InputError(
            f"{run.config} does not say what the run was trained on ({reason_of(error)}): name the paintings, as in "
            "data=folder data.root=path/to/folder"
        ) from error


def best_run(study: Path) -> Path:
    """Return the checkpoint of the finished run with the highest validation top-1 (ties: lowest validation loss).

    Raises:
        InputError: the study does not exist or has no finished run with a checkpoint.
    """
    found: list[tuple[tuple[float, float], str]] = []
    for config in sorted(study.glob("*/config.yaml")):
        run = RunDirectory(config.parent)
        if run.status()["state"] == "finished" and run.result.is_file() and run.best.is_file():
            result = run.read_result()
            if result.get(ENSEMBLE, {}).get("kind", "soup") != "soup":
                continue  # each of its networks is a run of its own
            if result.get("val_loss") is None:
                raise InputError(f"{run.result} lacks `val_loss`: train the run again")
            # Chosen by validation metrics: choosing by test metrics would bias the test results.
            found.append((validation_rank(result), str(run.best)))
    if not found:
        raise InputError(
            f"no finished run with a checkpoint in {study}; `artculture train study.name={study.name} …` makes one"
        )
    return Path(min(found)[1])


def _label(data: DataChoice) -> str:
    return data_label({"data": {"name": data.name, "root": data.root, "path": data.path}})


def stored_split_of(run: RunDirectory | None) -> StoredSplit | None:
    """Return the stored split of a run; None if there is none."""
    if run is None or not run.split.is_file():
        return None
    run.check_unchanged(run.split)
    return read_split(run.split, "delete it: which paintings were trained on is unknown then")
