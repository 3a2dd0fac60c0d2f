"""All metrics of a checkpoint on any paintings, computed as during training."""

import logging
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor

from artculture.analysis.label_models import models_by_label
from artculture.analysis.loading import stored_split_of
from artculture.analysis.model_under_study import ModelUnderStudy
from artculture.analysis.performance.doubt import add_doubt
from artculture.analysis.performance.evaluated_paintings import select_rows, warn_of_seen
from artculture.config.schema.checkpoint_commands import InferencePrecision, TestTimeView
from artculture.data.decoding import read_pixels
from artculture.evaluation.calibration import calibration_error, softmax
from artculture.evaluation.ensembling import joint_logits
from artculture.evaluation.inference import TorchModel
from artculture.evaluation.metrics import classification_metrics, ordinal_error
from artculture.evaluation.test_time_views import TestTimeViews, mean_probabilities, view_logits
from artculture.evaluation.uncertainty import doubt
from artculture.training.checkpoint_source import checkpoint_label
from artculture.training.predicting import predict_logits
from artculture.training.result import label_predictions, prediction_table, scores_of_parts, versions
from artculture.training.run_directory import label_file
from artculture.utils.errors import InputError
from artculture.utils.io import file_sha256, write_json
from artculture.utils.spreadsheets import write_csv

log = logging.getLogger(__name__)

# Of N paintings: N x classes, or of several views each N arrays, views x classes.
Logits = NDArray[np.float64] | list[NDArray[Any]]


@dataclass(frozen=True)
class EvaluationSettings:
    """Settings of the forward passes.

    The settings of a run reproduce its numbers in float32 bit for bit on the same machine.

    Attributes:
        batch_size: images per forward pass.
        deterministic: argument of `lightning.Trainer`, for float32.
    """

    batch_size: int = 64
    deterministic: Any = False


def settings_of_run(model: ModelUnderStudy) -> EvaluationSettings:
    """Return the settings with which the run evaluated itself; the defaults without a run."""
    if model.run is None or not model.run.result.is_file():
        return EvaluationSettings()
    values = model.run.read_config() or {}
    try:
        # Another batch size would change the last bits of the logits.
        size = int(values["data"]["batch_size"]) * int(values["trainer"]["eval_batches"])
        return EvaluationSettings(size, values["trainer"]["deterministic"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{model.run.config} lacks {error}: it was written by another version") from error


def compute_logits(
    model: ModelUnderStudy,
    rows: NDArray[np.int64],
    settings: EvaluationSettings,
    accelerator: str = "auto",
    precision: InferencePrecision = "float32",
) -> NDArray[np.float64]:
    """Compute logits for some paintings; return float64 N x classes.

    Raises:
        WorkError: some logits are not finite.
    """
    logits = [
        predict_logits(
            network,
            paintings,
            rows,
            settings.batch_size,
            model.checkpoint,
            accelerator=accelerator,
            deterministic=settings.deterministic,
            precision=precision,
        )
        for network, paintings in model.networks()
    ]
    return logits[0] if model.ensemble is None else joint_logits(model.ensemble.classifier, logits)


def evaluate(model: ModelUnderStudy, *arguments: Any, **named: Any) -> tuple[dict[str, Any], pd.DataFrame]:
    """Return the result and the predictions of the primary label; see `evaluate_labels`."""
    result, predictions = evaluate_labels(model, *arguments, **named)
    return result, next(iter(predictions.values()))


def evaluate_labels(
    model: ModelUnderStudy,
    split: str | None = None,
    settings: EvaluationSettings | None = None,
    accelerator: str = "auto",
    include_trained: bool = False,
    tta: Sequence[TestTimeView] = (),
    sets: float | None = None,
    with_unlike: bool = False,
    sets_by_culture: bool = False,
    precision: InferencePrecision = "float32",
) -> tuple[dict[str, Any], dict[str, pd.DataFrame]]:
    """Compute all metrics and predictions of a checkpoint.

    Args:
        model: the classifier and the paintings; of several labels all are evaluated.
        split: see `select_rows`.
        settings: None for those of the run.
        accelerator: `auto`, `cpu` or `gpu`.
        include_trained: see `select_rows`.
        tta: views of each picture whose probabilities are averaged; none for the image of evaluation alone.
        sets: coverage of prediction sets of the primary label; None for no sets.
        with_unlike: whether to say how unlike the training paintings each one is.
        sets_by_culture: whether the coverage is that of each class.
        precision: of the network; bfloat16 is autocast.

    Returns:
        The metrics (those of `classification_metrics`, `ece`, `ece_calibrated`) of the primary label with their
        provenance, and those of further labels under `labels`; and, by label, one prediction per painting as in
        predictions.csv of a run.
    """
    extra = doubt(
        model.uncertainty, model.classes, sets, unlike=with_unlike, source=model.checkpoint, by_culture=sets_by_culture
    )
    evaluated = select_rows(model, split, include_trained)
    warn_of_seen(evaluated)
    rows, settings = evaluated.rows, settings or settings_of_run(model)
    selection, classifier = model.paintings.selection, model.classifier
    if tta and model.ensemble is not None:
        raise InputError(f"tta averages views for one network, and {model.checkpoint} is an ensemble of several")
    if tta:
        views = TestTimeViews(classifier.preprocessing, tta)
        logits: Logits = _logits_of_views(model, rows, views, accelerator, precision)
    else:
        logits = compute_logits(model, rows, settings, accelerator, precision)
    numbers, tables = {}, {}
    for label in models_by_label(model):
        known = np.flatnonzero(np.isin(rows, label.kept))
        if not len(known):
            log.warning("%s: none of these paintings has this label", label.name)
            continue
        own = np.searchsorted(label.kept, rows[known])
        numbers[label.name], tables[label.name] = _label_scores(
            label.model, own, _of_label(logits, known, label.outputs)
        )
        if extra is not None and label.model.label is None:
            found, size = numbers[label.name], settings.batch_size
            tables[label.name] = add_doubt(
                label.model, extra, own, size, accelerator, found, tables[label.name], precision
            )
    if not tables:
        raise InputError("none of these paintings has a label of the classifier")
    first, *further = numbers
    result = {
        "checkpoint": str(model.checkpoint),
        "checkpoint_sha256": file_sha256(model.checkpoint),
        "run": None if model.run is None else model.run.path.name,
        "data": model.data,
        "manifest": selection.manifest.fingerprint(),
        "label_name": classifier.words.one,
        "synthetic": selection.synthetic,
        "split": evaluated.split,
        "trained_on": evaluated.trained_on,
        "left_out": evaluated.left_out,
        "tta": list(tta),
        **numbers[first],
        **({"label": first, "labels": {name: numbers[name] for name in further}} if further else {}),
        "precision": "32-true" if precision == "float32" else "bf16-mixed",
        "batch_size": settings.batch_size,
        "versions": versions(),
    }
    return result, tables


def _of_label(logits: Logits, places: NDArray[np.int64], outputs: slice) -> Logits:
    if isinstance(logits, np.ndarray):
        return logits[places][:, outputs]
    return [logits[place][:, outputs] for place in places]


def _probabilities(logits: Logits, temperature: float) -> NDArray[np.float64]:
    if isinstance(logits, np.ndarray):
        return softmax(logits, temperature)
    return mean_probabilities(logits, temperature)


def _label_scores(
    model: ModelUnderStudy, rows: NDArray[np.int64], logits: Logits
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Return the metrics of one label and its calibrated predictions.

    Args:
        model: of the label.
        rows: positions of the paintings in it.
        logits: of each painting.
    """
    selection, temperature = model.paintings.selection, model.temperature
    labels = selection.labels[rows]
    chances, tempered = (_probabilities(logits, divisor) for divisor in (1.0, temperature))
    found = {
        **classification_metrics(chances, labels, model.classes),
        **(ordinal_error(chances, labels) if selection.ordinal else {}),
        "temperature": temperature,
        "ece": calibration_error(chances, labels),
        "ece_calibrated": calibration_error(tempered, labels),
        "chance": 1 / len(model.classes),
        "classes": list(model.classes),
        **_scores_of_parts(model, rows, chances),
    }
    return found, label_predictions(prediction_table(selection, rows, tempered), further=model.label is not None)


def _logits_of_views(
    model: ModelUnderStudy,
    rows: NDArray[np.int64],
    views: TestTimeViews,
    accelerator: str,
    precision: InferencePrecision,
) -> list[NDArray[Any]]:
    """Return the logits of each painting's views; paintings are decoded again where views need more of them."""
    selection, expected = model.paintings.selection, model.classifier.preprocessing
    torch_model = TorchModel(model.classifier, accelerator, str(model.checkpoint), precision)

    def of(row: int) -> list[Tensor]:
        if views.decoding == expected.fit:
            return views.of(model.paintings.cache.image(int(selection.rows[row])))
        return views.of(read_pixels(selection.manifest.picture(row), expected.resize, expected.interpolation, "strip"))

    logits: list[NDArray[Any]] = []
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for start in range(0, len(rows), VIEWED):
            logits += view_logits(torch_model, pool.map(of, rows[start : start + VIEWED].tolist()), VIEWED)
    return logits


def _scores_of_parts(model: ModelUnderStudy, rows: NDArray[np.int64], chances: NDArray[np.float64]) -> dict[str, Any]:
    """Return `scores_of_parts` of the evaluated paintings; by artist only where none of them was trained on."""
    selection, stored = model.paintings.selection, stored_split_of(model.run)
    training = None if stored is None else stored.table[stored.table["split"] == "train"]
    artists = selection.manifest.table["artist"].iloc[rows]
    trained_on = model.run_split is not None and bool((model.run_split[rows] == "train").any())
    predictions = prediction_table(selection, rows, chances)
    return scores_of_parts(predictions, model.classes, None if trained_on else artists, training)


# Paintings at once whose views are in memory, and views per forward pass.
VIEWED = 32
# The files of an evaluation; the result comes last, because its existence marks a complete one.
FILES = ("predictions.csv", "result.json")


def default_folder(
    model: ModelUnderStudy,
    split: str | None,
    root: Path,
    tta: Sequence[TestTimeView] = (),
    precision: InferencePrecision = "float32",
) -> Path:
    """Return the output folder: in the run directory, or under `root` for a checkpoint without a run."""
    parts = [model.data, split or "", "+".join(tta), "" if precision == "float32" else precision]
    label = "-".join(filter(None, parts))
    if model.run is not None:
        return model.run.path / "evaluation" / label
    return root / "evaluations" / checkpoint_label(model.checkpoint) / label


def write_evaluation(folder: Path, result: dict[str, Any], predictions: Mapping[str, pd.DataFrame]) -> list[Path]:
    """Write `predictions.csv`, further labels' tables and then `result.json`; return the paths, the last one first."""
    table, index = (folder / name for name in FILES)
    first, *further = predictions
    files = {first: table, **{name: folder / label_file(table.name, name) for name in further}}
    for name, file in files.items():
        write_csv(predictions[name], file)
    write_json(index, result)
    return [index, *files.values()]
