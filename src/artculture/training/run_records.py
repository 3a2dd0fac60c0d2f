"""Schemas of status.json, result.json and metrics.csv: validated when read, as files get truncated or edited."""

from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, NonNegativeFloat, NonNegativeInt, ValidationError

from artculture.utils.errors import InputError
from artculture.utils.io import read_json
from artculture.utils.tables import read_own_csv

State = Literal["pending", "running", "interrupted", "finished", "failed", "pruned"]
# State of a run whose status.json is damaged.
UNKNOWN = "unknown"

# Rounding errors of summed fractions may exceed the range slightly.
Share = Annotated[float, Field(ge=-1e-9, le=1 + 1e-9)]
Interval = Annotated[list[Share], Field(min_length=2, max_length=2)]
Loss = Annotated[FiniteFloat, Field(ge=0)]


class Record(BaseModel):
    """Base of the records: types and ranges of known keys; keys may be missing, other keys are accepted."""

    model_config = ConfigDict(strict=True, extra="allow")


class OriginRecord(Record):
    """Checkpoint of another run that a run was started from."""

    path: str
    sha256: str
    epoch: NonNegativeInt


class Status(Record):
    """Content of `status.json`."""

    state: State
    error: str | None = None
    updated: FiniteFloat = 0.0
    started: FiniteFloat = 0.0
    finished: FiniteFloat = 0.0
    pid: int = 0
    host: str = ""
    wandb_id: Annotated[str, Field(pattern=r"^[\w-]{1,64}$")] | None = None
    launches: NonNegativeInt = 0
    manifest: str = ""
    whole: str = ""
    epoch: NonNegativeInt = 0
    max_epochs: NonNegativeInt = 0
    val_top1: Share = 0.0
    seconds_left: FiniteFloat = 0.0
    tested: bool = True
    sha256: dict[str, str] = {}
    origin: OriginRecord | None = None


class Recall(Record):
    """Test recall of one culture."""

    recall: Share | None
    test_paintings: NonNegativeInt


class Counts(Record):
    """Number of paintings per split."""

    train: NonNegativeInt
    val: NonNegativeInt
    test: NonNegativeInt


class WeightsTrainedOn(Record):
    """How many held-out paintings a run's first weights were trained on; None where that is not known."""

    path: str
    val: NonNegativeInt | None
    test: NonNegativeInt | None


class SetsRecord(Record):
    """Prediction sets of the test split."""

    asked: Share
    coverage: Share
    interval: Interval
    mean_size: NonNegativeFloat


class EnsembleRecord(Record):
    """Members of an ensemble with their weights."""

    kind: Literal["mean", "greedy", "soup"]
    members: dict[str, Share]
    candidates: list[str]


class Result(Record):
    """Content of `result.json`; test metrics are missing if the test split was not evaluated."""

    run: str = ""
    study: str = ""
    architecture: str = ""
    scheduler: str = ""
    method: str = ""
    variant: str = ""
    seed: int = 0
    folds: NonNegativeInt | None = None
    fold: NonNegativeInt | None = None
    data: str = ""
    weights: str = ""
    origin: OriginRecord | None = None
    weights_trained_on: WeightsTrainedOn | None = None
    imagenet: bool = False
    synthetic: bool = False
    val_top1: Share = 0.0
    val_loss: Loss = 0.0
    chance: Share = 0.0
    majority: Share = 0.0
    test_top1: Share = 0.0
    test_top3: Share = 0.0
    test_macro_f1: Share = 0.0
    test_macro_recall: Share = 0.0
    test_loss: Loss = 0.0
    test_ece: Share | None = None
    test_ece_calibrated: Share | None = None
    intervals: dict[str, Interval] = {}
    counts: Counts | None = None
    classes: list[str] = []
    balance: str = ""
    class_counts: dict[str, NonNegativeInt] = {}
    epochs: NonNegativeInt = 0
    seconds: NonNegativeFloat = 0.0
    images_per_second: NonNegativeFloat = 0.0
    temperature: Annotated[FiniteFloat, Field(gt=0)] = 1.0
    best_score: FiniteFloat | None = None
    parameters: NonNegativeInt = 0
    trainable_parameters: NonNegativeInt = 0
    image_size: NonNegativeInt = 0
    pictures_at_once: NonNegativeInt | None = None
    peak_memory: NonNegativeFloat | None = None
    precision: str = ""
    device: str = ""
    manifest: str = ""
    git_commit: str | None = None
    versions: dict[str, str] = {}
    per_culture: dict[str, Recall] = {}
    sets: SetsRecord | None = None
    ensemble: EnsembleRecord | None = None
    confusion: list[list[NonNegativeInt]] = []


def read_status(path: Path) -> dict[str, Any]:
    """Read a `status.json`.

    Raises:
        InputError: it is damaged, or a value is out of range.
    """
    return _checked(Status, path, "delete it: the next launch continues from the checkpoints")


def read_result(path: Path) -> dict[str, Any]:
    """Read a `result.json`.

    Raises:
        InputError: it is damaged, or a value is out of range.
    """
    return _checked(Result, path, "run the same command again: it recreates the file from the last checkpoint")


def _checked(schema: type[Record], path: Path, fix: str) -> dict[str, Any]:
    try:
        values = read_json(path)
    except InputError as error:
        raise InputError(f"{str(error).rpartition(';')[0]}; {fix}") from error
    try:
        schema.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise InputError(f"{path} is damaged: `{key}` {first['msg']}; {fix}") from error
    return values


METRICS_FIX = "restore it, or train the run again with resume=never"


def read_metrics(path: Path) -> pd.DataFrame:
    """Read a `metrics.csv` with its cells as text, as written; empty if there is none yet.

    Raises:
        InputError: it is damaged, or its epochs are not consecutive.
    """
    if not path.is_file() or path.stat().st_size == 0:
        return pd.DataFrame()
    table = read_own_csv(path, METRICS_FIX, dtype=str, keep_default_na=False)
    epochs = list(table.get("epoch", []))
    # A run that started from another run's checkpoint begins at the epoch after it.
    first = int(epochs[0]) if epochs and epochs[0].isdecimal() else 0
    if epochs != [str(first + n) for n in range(len(table))]:
        raise InputError(f"{path} is damaged: its epochs are not consecutive; {METRICS_FIX}")
    for column in table:
        if not all(_is_number(cell) for cell in table[column]):
            raise InputError(f"{path} is damaged: a cell of `{column}` is not a number; {METRICS_FIX}")
    return table


def metrics_numbers(path: Path) -> pd.DataFrame:
    """Read a `metrics.csv` with its cells as numbers."""
    numbers: pd.DataFrame = read_metrics(path).apply(pd.to_numeric)
    return numbers


def _is_number(text: str) -> bool:
    try:
        float(text or "nan")
    except ValueError:
        return False
    return True
