"""All metrics of a checkpoint on any paintings, counted as a run counts its own."""

import logging
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from artculture.analysis.features import picture_batches
from artculture.analysis.subject import Subject
from artculture.data.manifest import SPLITS
from artculture.errors import InputError
from artculture.files import file_sha256, replacing, write_json
from artculture.models.checkpoint import read_checkpoint
from artculture.models.finite import check_predictions_finite
from artculture.runs import hardware
from artculture.runs.calibration import calibrated, calibration_error
from artculture.runs.parts import ignore_known_warnings
from artculture.runs.result import prediction_table, versions
from artculture.runs.scores import scores

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Manner:
    """How the network is run. A run's own manner gives its own numbers again, to the last bit on the same machine.

    Attributes:
        batch_size: pictures at a time.
        precision: as Lightning names them.
        deterministic: as Lightning takes it.
    """

    batch_size: int = 64
    precision: str = "32-true"
    deterministic: Any = False


def manner_of(subject: Subject) -> Manner:
    """The manner in which the subject's run evaluated itself; the usual one where there is no run."""
    if subject.run is None or not subject.run.result.is_file():
        return Manner()
    values, result = subject.run.read_config() or {}, subject.run.read_result()
    try:
        size = int(values["data"]["batch_size"]) * int(values["trainer"]["eval_batches"])
        return Manner(size, str(result["precision"]), values["trainer"]["deterministic"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{subject.run.config} or {subject.run.result} lacks {error}: not of this version") from error


def rows_of(subject: Subject, split: str | None) -> tuple[NDArray[np.int64], str, int]:
    """Which paintings are evaluated.

    Args:
        subject: what is evaluated.
        split: `train`, `val`, `test` or `all`; None for the test split of the paintings that it was trained on, and
            for all of any others.

    Returns:
        Their rows of the selection, the split's name, and how many of them were trained on.

    Raises:
        InputError: there is none.
    """
    selection = subject.paintings.selection
    own = is_own(subject)
    name = split or ("test" if own else "all")
    rows = selection.members(name) if name in SPLITS else np.arange(len(selection.manifest), dtype=np.int64)
    if len(rows) == 0:
        raise InputError(f"no painting is in the split `{name}`: take another, as in split=all")
    return rows, name, int((selection.split[rows] == "train").sum()) if own else 0


def is_own(subject: Subject) -> bool:
    """Whether these are the very paintings that the checkpoint was trained with."""
    trained_on = read_checkpoint(subject.checkpoint)["artculture"].get("manifest")
    return bool(trained_on == subject.paintings.selection.manifest.fingerprint())


def probabilities(
    subject: Subject, rows: NDArray[np.int64], manner: Manner, accelerator: str = "auto"
) -> NDArray[np.float64]:
    """Softmax probabilities, not calibrated, of some of the subject's paintings, N x classes.

    Raises:
        WorkError: some are not finite.
    """
    trainer = L.Trainer(
        accelerator=hardware.checked_accelerator(accelerator),
        devices=1,
        precision=manner.precision,  # type: ignore[arg-type]
        deterministic=manner.deterministic,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    with warnings.catch_warnings():
        ignore_known_warnings()
        outputs: Any = trainer.predict(subject.classifier, picture_batches(subject, rows, manner.batch_size))
    chances: NDArray[np.float64] = torch.cat([batch[0] for batch in outputs]).double().cpu().numpy()
    check_predictions_finite(chances, subject.checkpoint)
    return chances


def evaluate(
    subject: Subject, split: str | None = None, manner: Manner | None = None, accelerator: str = "auto"
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Evaluate a checkpoint.

    Args:
        subject: the classifier and the paintings.
        split: as `rows_of`.
        manner: None for the run's own.
        accelerator: `auto`, `cpu` or `gpu`.

    Returns:
        The numbers (those of `scores`, `ece` and `ece_calibrated`, and where they come from), and a prediction a
        painting, as in a run's predictions.csv.
    """
    rows, name, seen = rows_of(subject, split)
    manner = manner or manner_of(subject)
    if seen and name != "train":
        log.warning("%d of these %d paintings were trained on: the numbers flatter", seen, len(rows))
    selection, classifier = subject.paintings.selection, subject.classifier
    chances = probabilities(subject, rows, manner, accelerator)
    labels = selection.labels[rows]
    tempered = calibrated(chances, classifier.temperature)
    result = {
        "checkpoint": str(subject.checkpoint),
        "checkpoint_sha256": file_sha256(subject.checkpoint),
        "run": None if subject.run is None else subject.run.path.name,
        "data": subject.data,
        "manifest": selection.manifest.fingerprint(),
        "synthetic": selection.synthetic,
        "split": name,
        "trained_on": seen,
        **scores(chances, labels, subject.classes),
        "temperature": classifier.temperature,
        "ece": calibration_error(chances, labels),
        "ece_calibrated": calibration_error(tempered, labels),
        "chance": 1 / len(subject.classes),
        "classes": list(subject.classes),
        "precision": manner.precision,
        "batch_size": manner.batch_size,
        "versions": versions(),
    }
    return result, prediction_table(selection, rows, chances).drop(columns="row")


def default_folder(subject: Subject, split: str | None, root: Path) -> Path:
    """Where an evaluation lands: inside the run, or under `root` for a loose checkpoint; a split asked for is named."""
    label = subject.data if split is None else f"{subject.data}-{split}"
    if subject.run is not None:
        return subject.run.path / "evaluation" / label
    return root / "evaluations" / subject.checkpoint.stem / label


def write_evaluation(folder: Path, result: dict[str, Any], predictions: pd.DataFrame) -> Path:
    """Write `predictions.csv` and, last, `result.json`; returns the latter."""
    with replacing(folder / "predictions.csv") as temporary:
        predictions.to_csv(temporary, index=False, lineterminator="\n")
    write_json(folder / "result.json", result)
    return folder / "result.json"
