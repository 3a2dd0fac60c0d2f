"""The typed schemas of `conf/evaluate.yaml`, `conf/analyze.yaml` and `conf/predict.yaml`."""

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from artculture.config.schema.train import Data, Section, data_contradictions

Device = Literal["auto", "cpu", "gpu"]


class EvaluateConfig(Section):
    checkpoint: str
    data: Data | None = Field(default=None)
    split: Literal["test", "val", "train", "all"] | None
    include_trained: bool
    output: str | None
    overwrite: bool
    device: Device
    seed: int
    # What the options of `data` draw from; a training's values, without meaning here.
    method: dict[str, Any]
    architecture: dict[str, Any]

    def contradictions(self) -> Iterator[tuple[str, str]]:
        if self.data is not None:
            yield from data_contradictions(self.data)


class NamedStudy(Section):
    """A study whose best run is meant."""

    name: str | None
    root: str


class AnalyzeConfig(Section):
    checkpoint: str | None
    study: NamedStudy
    data: Data | None = Field(default=None)
    output: str | None
    overwrite: bool
    sheets: NonNegativeInt
    log: bool
    batch_size: PositiveInt
    device: Device
    seed: int
    # What the options of `data` draw from; a training's values, without meaning here.
    method: dict[str, Any]
    architecture: dict[str, Any]

    def contradictions(self) -> Iterator[tuple[str, str]]:
        if (self.checkpoint is None) == (self.study.name is None):
            yield "checkpoint", "or study.name (its best run): give one of them, and only one"
        if self.data is not None:
            yield from data_contradictions(self.data)


class PredictConfig(Section):
    checkpoint: str
    images: str | list[str]
    top: PositiveInt
    format: Literal["table", "jsonl", "csv"]
    output: str | None
    overlay: str | None
    overwrite: bool
    batch_size: PositiveInt
    device: Device
    timeout: PositiveFloat
    largest_download: PositiveFloat
    longest_download: PositiveFloat
    allow_private: bool

    def contradictions(self) -> Iterator[tuple[str, str]]:
        if not self.images:
            yield "images", "is empty; give files, folders, globs or addresses, as in images=pictures/"
