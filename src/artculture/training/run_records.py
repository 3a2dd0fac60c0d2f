"""What a run wrote about itself, read back and checked: files get cut short, and edited by hand."""

from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, NonNegativeFloat, NonNegativeInt, ValidationError

from artculture.utils.errors import InputError
from artculture.utils.io import read_json
from artculture.utils.tables import read_own_csv

State = Literal["pending", "running", "interrupted", "finished", "failed", "pruned"]
# Of a run whose status.json can't be made out.
UNKNOWN = "unknown"

# Sums of shares may end a hair outside.
Share = Annotated[float, Field(ge=-1e-9, le=1 + 1e-9)]
Interval = Annotated[list[Share], Field(min_length=2, max_length=2)]
Loss = Annotated[FiniteFloat, Field(ge=0)]


class Record(BaseModel):
    """Types and ranges of what is known; keys may be missing, and further ones there."""

    model_config = ConfigDict(strict=True, extra="allow")


class OriginRecord(Record):
    """The checkpoint of another run that a run was started from."""

    path: str
    sha256: str
    epoch: NonNegativeInt


class Status(Record):
    """Of `status.json`."""

    state: State
    error: str | None = None
    updated: FiniteFloat = 0.0
    started: FiniteFloat = 0.0
    finished: FiniteFloat = 0.0
    pid: int = 0
    host: str = ""
    generation: NonNegativeInt = 0
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
    """Of one culture."""

    recall: Share | None
    test_paintings: NonNegativeInt


class Counts(Record):
    """Paintings a split."""

    train: NonNegativeInt
    val: NonNegativeInt
    test: NonNegativeInt


class Result(Record):
    """Of `result.json`; the test split's part is not there where that was left alone."""

    run: str = ""
    study: str = ""
    architecture: str = ""
    scheduler: str = ""
    method: str = ""
    variant: str = ""
    seed: int = 0
    data: str = ""
    weights: str = ""
    origin: OriginRecord | None = None
    imagenet: bool = False
    synthetic: bool = False
    val_top1: Share = 0.0
    val_loss: Loss = 0.0
    chance: Share = 0.0
    majority: Share = 0.0
    test_top1: Share = 0.0
    test_top3: Share = 0.0
    test_macro_f1: Share = 0.0
    test_loss: Loss = 0.0
    test_ece: Share | None = None
    test_ece_calibrated: Share | None = None
    intervals: dict[str, Interval] = {}
    counts: Counts | None = None
    classes: list[str] = []
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
    confusion: list[list[NonNegativeInt]] = []


def read_status(path: Path) -> dict[str, Any]:
    """What a `status.json` says.

    Raises:
        InputError: it is not whole, or something in it can't be.
    """
    return _checked(Status, path, "delete it: the next launch goes on from the checkpoints")


def read_result(path: Path) -> dict[str, Any]:
    """What a `result.json` says.

    Raises:
        InputError: it is not whole, or something in it can't be.
    """
    return _checked(Result, path, "train the row again: the same command makes it anew from the last checkpoint")


def _checked(schema: type[Record], path: Path, mend: str) -> dict[str, Any]:
    try:
        values = read_json(path)
    except InputError as error:
        raise InputError(f"{str(error).rpartition(';')[0]}; {mend}") from error
    try:
        schema.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise InputError(f"{path} is damaged: `{key}` {first['msg']}; {mend}") from error
    return values


METRICS_MEND = "restore it, or train the row again with resume=never"


def read_metrics(path: Path) -> pd.DataFrame:
    """A `metrics.csv`, its cells as text, as they were written; empty where there is none yet.

    Raises:
        InputError: it is not whole, or its epochs do not follow one another.
    """
    if not path.is_file() or path.stat().st_size == 0:
        return pd.DataFrame()
    table = read_own_csv(path, METRICS_MEND, dtype=str, keep_default_na=False)
    epochs = list(table.get("epoch", []))
    # A run that went on from another's checkpoint begins where that one ended.
    first = int(epochs[0]) if epochs and epochs[0].isdecimal() else 0
    if epochs != [str(first + n) for n in range(len(table))]:
        raise InputError(f"{path} is damaged: its epochs do not follow one another; {METRICS_MEND}")
    for column in table:
        if not all(_is_number(cell) for cell in table[column]):
            raise InputError(f"{path} is damaged: a cell of `{column}` is no number; {METRICS_MEND}")
    return table


def metrics_numbers(path: Path) -> pd.DataFrame:
    """The same as numbers."""
    numbers: pd.DataFrame = read_metrics(path).apply(pd.to_numeric)
    return numbers


def _is_number(text: str) -> bool:
    try:
        float(text or "nan")
    except ValueError:
        return False
    return True
