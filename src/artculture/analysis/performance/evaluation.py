"""All metrics of a checkpoint on any paintings, computed as during training."""

import logging
import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from artculture.analysis.embedding.features import image_batches
from artculture.analysis.loading import stored_split_of
from artculture.analysis.model_under_study import ModelUnderStudy
from artculture.config.schema.checkpoint_commands import TestTimeView
from artculture.data.decoding import read_pixels
from artculture.data.manifest import SPLITS
from artculture.evaluation.calibration import calibration_error, softmax
from artculture.evaluation.inference import TorchModel
from artculture.evaluation.metrics import classification_metrics
from artculture.evaluation.test_time_views import TestTimeViews, mean_probabilities, view_logits
from artculture.models.finite import check_predictions_finite
from artculture.training.checkpoint_source import checkpoint_label
from artculture.training.factory import ignore_known_warnings
from artculture.training.result import prediction_table, scores_of_parts, versions
from artculture.utils import hardware
from artculture.utils.errors import InputError
from artculture.utils.io import file_sha256, write_json
from artculture.utils.spreadsheets import write_csv

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EvaluationSettings:
    """Settings of the forward passes, always in float32.

    The settings of a run reproduce its numbers bit for bit on the same machine.

    Attributes:
        batch_size: images per forward pass.
        deterministic: argument of `lightning.Trainer`.
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


@dataclass(frozen=True)
class EvaluatedPaintings:
    """The paintings to evaluate.

    Attributes:
        rows: positions in the selection, int64.
        split: `train`, `val`, `test`, or `all` for a mixture.
        trained_on: how many of them are training paintings of the run; None if unknown.
        left_out: number of excluded training and validation paintings of the run, by split.
    """

    rows: NDArray[np.int64]
    split: str
    trained_on: int | None
    left_out: dict[str, int]


def select_rows(model: ModelUnderStudy, split: str | None, include_trained: bool = False) -> EvaluatedPaintings:
    """Select the paintings to evaluate.

    Args:
        model: classifier and paintings.
        split: `train`, `val`, `test` or `all`; None for paintings that the run used neither for training nor for
            choosing the checkpoint: its test split and paintings that it did not have.
        include_trained: keep the training paintings of the run, and its validation paintings if `split` is None. A
            requested split of the run's own paintings is always complete.

    Raises:
        InputError: no painting is left.
    """
    selection = model.paintings.selection
    every = np.arange(len(selection.manifest), dtype=np.int64)
    rows = selection.members(split) if split in SPLITS else every
    known = model.run_split
    # Without split.csv it is unknown which paintings were trained on.
    if known is None:
        name = split or "all"
        if model.own and split is None and not include_trained:
            rows, name = selection.members("test"), "test"
        return EvaluatedPaintings(_require_rows(rows, name, {}), name, None, {})
    asked = rows
    if not include_trained and not (model.own and split):
        # Without a requested split the validation paintings are excluded too: the checkpoint was chosen by them.
        seen = ["train"] if split else ["train", "val"]
        rows = rows[~np.isin(known[rows], seen)]
    left_out = {name: int((known[asked] == name).sum() - (known[rows] == name).sum()) for name in ("train", "val")}
    left_out = {} if model.own else {name: count for name, count in left_out.items() if count}
    name = split or ("test" if (known[rows] == "test").all() else "all")
    return EvaluatedPaintings(_require_rows(rows, name, left_out), name, int((known[rows] == "train").sum()), left_out)


def _require_rows(rows: NDArray[np.int64], split: str, left_out: dict[str, int]) -> NDArray[np.int64]:
    if len(rows) == 0 and left_out:
        raise InputError(
            f"no painting is left to evaluate: {sum(left_out.values())} are of the run's training or validation split; "
            "include_trained=true evaluates them anyway"
        )
    if len(rows) == 0:
        raise InputError(f"no painting is in the split `{split}`: choose another one, for example split=all")
    return rows


def _warn(evaluated: EvaluatedPaintings) -> None:
    if evaluated.trained_on is None:
        log.warning(
            "which paintings the checkpoint was trained on is unknown (its run has no split.csv): the numbers "
            "may be too good"
        )
    elif evaluated.trained_on and evaluated.split != "train":
        log.warning(
            "%d of these %d paintings were trained on: the numbers are too good",
            evaluated.trained_on,
            len(evaluated.rows),
        )
    if evaluated.left_out:
        counts = " and ".join(f"{count} of its {name} split" for name, count in evaluated.left_out.items())
        log.warning("left out paintings that the run has seen, %s: include_trained=true keeps them", counts)


def compute_logits(
    model: ModelUnderStudy, rows: NDArray[np.int64], settings: EvaluationSettings, accelerator: str = "auto"
) -> NDArray[np.float64]:
    """Compute logits in float32 for some paintings; return float64 N x classes.

    Raises:
        WorkError: some logits are not finite.
    """
    # A bare Trainer as used for testing a run, without logging, checkpoints and progress bar.
    trainer = L.Trainer(
        accelerator=hardware.checked_accelerator(accelerator),
        devices=1,
        deterministic=settings.deterministic,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    with warnings.catch_warnings():
        ignore_known_warnings()
        outputs: Any = trainer.predict(model.classifier, image_batches(model, rows, settings.batch_size))
    logits: NDArray[np.float64] = torch.cat([batch[0] for batch in outputs]).double().cpu().numpy()
    check_predictions_finite(logits, model.checkpoint)
    return logits


def evaluate(
    model: ModelUnderStudy,
    split: str | None = None,
    settings: EvaluationSettings | None = None,
    accelerator: str = "auto",
    include_trained: bool = False,
    tta: Sequence[TestTimeView] = (),
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Compute all metrics and predictions of a checkpoint.

    Args:
        model: the classifier and the paintings.
        split: see `select_rows`.
        settings: None for those of the run.
        accelerator: `auto`, `cpu` or `gpu`.
        include_trained: see `select_rows`.
        tta: views of each picture whose probabilities are averaged; none for the image of evaluation alone.

    Returns:
        The metrics (those of `classification_metrics`, `ece`, `ece_calibrated`) with their provenance, and one
        prediction per painting as in predictions.csv of a run.
    """
    evaluated = select_rows(model, split, include_trained)
    _warn(evaluated)
    rows, settings = evaluated.rows, settings or settings_of_run(model)
    selection, classifier = model.paintings.selection, model.classifier
    labels = selection.labels[rows]
    if tta:
        of_views = _logits_of_views(model, rows, TestTimeViews(classifier.preprocessing, tta), accelerator)
        chances, tempered = (mean_probabilities(of_views, divisor) for divisor in (1.0, classifier.temperature))
    else:
        logits = compute_logits(model, rows, settings, accelerator)
        chances, tempered = softmax(logits), softmax(logits, classifier.temperature)
    result = {
        "checkpoint": str(model.checkpoint),
        "checkpoint_sha256": file_sha256(model.checkpoint),
        "run": None if model.run is None else model.run.path.name,
        "data": model.data,
        "manifest": selection.manifest.fingerprint(),
        "synthetic": selection.synthetic,
        "split": evaluated.split,
        "trained_on": evaluated.trained_on,
        "left_out": evaluated.left_out,
        "tta": list(tta),
        **classification_metrics(chances, labels, model.classes),
        "temperature": classifier.temperature,
        "ece": calibration_error(chances, labels),
        "ece_calibrated": calibration_error(tempered, labels),
        "chance": 1 / len(model.classes),
        "classes": list(model.classes),
        "precision": "32-true",
        "batch_size": settings.batch_size,
        "versions": versions(),
        **_scores_of_parts(model, rows, chances),
    }
    return result, prediction_table(selection, rows, tempered).drop(columns="row")


def _logits_of_views(
    model: ModelUnderStudy, rows: NDArray[np.int64], views: TestTimeViews, accelerator: str
) -> list[NDArray[Any]]:
    """Return the logits of each painting's views; paintings are decoded again where views need more of them."""
    selection, expected = model.paintings.selection, model.classifier.preprocessing
    torch_model = TorchModel(model.classifier, accelerator, str(model.checkpoint))

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


def default_folder(model: ModelUnderStudy, split: str | None, root: Path, tta: Sequence[TestTimeView] = ()) -> Path:
    """Return the output folder: in the run directory, or under `root` for a checkpoint without a run."""
    label = "-".join([model.data, *([] if split is None else [split]), *(["+".join(tta)] if tta else [])])
    if model.run is not None:
        return model.run.path / "evaluation" / label
    return root / "evaluations" / checkpoint_label(model.checkpoint) / label


def write_evaluation(folder: Path, result: dict[str, Any], predictions: pd.DataFrame) -> Path:
    """Write `predictions.csv`, then `result.json`; return the path of the latter."""
    table, index = (folder / name for name in FILES)
    write_csv(predictions, table)
    write_json(index, result)
    return index
