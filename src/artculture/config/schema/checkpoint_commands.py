"""The typed schemas of the commands that take a checkpoint: `evaluate`, `analyze`, `audit` and `predict`."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, NonNegativeInt, PositiveFloat, PositiveInt

from artculture.config.schema.data import Data, data_contradictions
from artculture.config.schema.section import Section
from artculture.config.typed_text import AsTyped, UserPath

Device = Literal["auto", "cpu", "gpu"]
# Of a network that predicts.
InferencePrecision = Literal["float32", "bfloat16"]


# Probability that a prediction set contains the true class; None for no sets.
Sets = Annotated[float, Field(gt=0, lt=1)] | None

# Whose coverage that is: of all pictures on average, or of each culture.
SetsBy = Literal["all", "culture"]

# One package may be given without brackets.
Trusted = Annotated[list[str], BeforeValidator(lambda value: [value] if isinstance(value, str) else value)]


TestTimeView = Literal["flip", "crops", "whole"]
# One may be given without brackets.
Views = Annotated[list[TestTimeView], BeforeValidator(lambda value: [value] if isinstance(value, str) else value or [])]


def _doubt_contradictions(
    sets: float | None, by: SetsBy, *, unlike: bool, tta: list[TestTimeView]
) -> Iterator[tuple[str, str]]:
    if sets is None and by != "all":
        yield "sets_by", f"is {by}, but there are no sets: give their coverage, as in sets=0.9"
    for key, asked in (("sets", sets is not None), ("unlike", unlike)):
        if asked and tta:
            yield key, "compares with validation paintings that were predicted without tta; leave one of them out"


class OnPaintings(Section):
    """A command that uses the paintings of a run, or others (`data`)."""

    data: Data | None = Field(default=None)

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Yield values that are valid alone and wrong together, as (key, what is wrong and the fix)."""
        if self.data is not None:
            yield from data_contradictions(self.data)


class EvaluateConfig(OnPaintings):
    checkpoint: UserPath
    split: Literal["test", "val", "train", "all"] | None
    include_trained: bool
    tta: Views = Field(default_factory=list)
    sets: Sets
    sets_by: SetsBy
    unlike: bool
    output: Annotated[UserPath | None, AsTyped()]
    overwrite: bool
    device: Device
    precision: InferencePrecision
    trust: Trusted
    seed: int

    def contradictions(self) -> Iterator[tuple[str, str]]:
        yield from super().contradictions()
        yield from _doubt_contradictions(self.sets, self.sets_by, unlike=self.unlike, tta=self.tta)


class NamedStudy(Section):
    """A study whose best run is meant."""

    name: str | None
    root: UserPath


class StudiedModel(OnPaintings):
    """A checkpoint, or the best one of a study, with paintings to study it on, and where to write the outcome."""

    checkpoint: Annotated[UserPath | None, AsTyped()]
    study: NamedStudy
    output: Annotated[UserPath | None, AsTyped()]
    overwrite: bool
    batch_size: PositiveInt
    device: Device
    trust: Trusted
    seed: int

    def contradictions(self) -> Iterator[tuple[str, str]]:
        if (self.checkpoint is None) == (self.study.name is None):
            yield "checkpoint", "or study.name (its best run): give one of them, and only one"
        yield from super().contradictions()


class AnalyzeConfig(StudiedModel):
    label: Annotated[str | None, AsTyped()]
    sheets: NonNegativeInt
    smooth: bool
    log: bool


class AuditConfig(StudiedModel):
    folds: Annotated[int, Field(ge=2)]
    neighbours: PositiveInt


class ExplainConfig(Section):
    checkpoint: UserPath
    image: Annotated[str | list[str], AsTyped()]
    methods: list[Literal["feature_map", "grad_cam", "rollout", "occlusion"]] | None
    smooth: bool
    target: Annotated[str | None, AsTyped()]
    output: Annotated[UserPath, AsTyped()]
    overwrite: bool
    device: Device
    trust: Trusted


class IndexConfig(OnPaintings):
    checkpoint: UserPath
    split: Literal["train", "val", "test", "all"]
    approximate: bool
    output: Annotated[UserPath | None, AsTyped()]
    overwrite: bool
    batch_size: PositiveInt
    device: Device
    trust: Trusted
    seed: int


class ExportConfig(OnPaintings):
    checkpoint: UserPath
    format: Literal["onnx", "torch_export"]
    precision: Literal["float32", "float16", "int8"]
    quantization: Literal["auto", "static", "dynamic"]
    calibration: PositiveInt
    pictures: PositiveInt
    agreement: Annotated[float | None, Field(ge=0, le=1)]
    license: str | None
    output: Annotated[UserPath | None, AsTyped()]
    overwrite: bool
    trust: Trusted
    seed: int

    def contradictions(self) -> Iterator[tuple[str, str]]:
        if self.format == "torch_export" and self.precision == "int8":
            yield "precision", "int8 is for format=onnx; a program of torch is float32 or float16"
        yield from super().contradictions()


class CardConfig(Section):
    checkpoint: UserPath
    license: str | None
    repo: str | None
    output: Annotated[UserPath | None, AsTyped()]
    overwrite: bool
    trust: Trusted


class PublishConfig(Section):
    checkpoint: UserPath
    repo: str
    license: str | None
    private: bool
    tag: str | None
    message: Annotated[str, AsTyped()]
    dry_run: bool
    output: Annotated[UserPath | None, AsTyped()]
    overwrite: bool
    trust: Trusted


class ServeLimits(Section):
    """Limits of the requests to `artculture serve`."""

    megabytes: PositiveFloat
    megapixels: PositiveFloat
    pictures: PositiveInt
    waiting: PositiveInt
    waiting_megabytes: PositiveFloat
    upload_seconds: PositiveFloat
    seconds: PositiveFloat
    link_seconds: PositiveFloat
    idle_seconds: PositiveFloat


class ServeConfig(Section):
    checkpoint: Annotated[str | list[str], AsTyped()]
    index: Annotated[str | list[str] | None, AsTyped()]
    host: Annotated[str, AsTyped()]
    port: Annotated[int, Field(ge=0, le=65535)]
    hosts: list[str]
    top: PositiveInt
    sets: Sets
    neighbours: PositiveInt
    examples: NonNegativeInt
    links: bool
    allow_private: bool
    batch_size: PositiveInt
    window: Annotated[float, Field(ge=0, le=1)]
    threads: PositiveInt | None
    device: Device
    trust: Trusted
    limits: ServeLimits

    @property
    def checkpoints(self) -> list[str]:
        """The checkpoints, one at least."""
        return [self.checkpoint] if isinstance(self.checkpoint, str) else self.checkpoint

    @property
    def indexes(self) -> list[str]:
        """The folders of feature indexes as typed; none for those of the runs."""
        return [] if self.index is None else [self.index] if isinstance(self.index, str) else self.index

    def contradictions(self) -> Iterator[tuple[str, str]]:
        if not self.checkpoints:
            yield "checkpoint", "is empty; give one, or several as in checkpoint=[a,b]"
        elif len(set(self.checkpoints)) < len(self.checkpoints):
            yield "checkpoint", "names one twice; give each once"
        if self.indexes and len(self.indexes) != len(self.checkpoints):
            yield "index", f"has {len(self.indexes)} folders for {len(self.checkpoints)} checkpoints; give one for each"
        if self.limits.pictures > self.limits.waiting:
            yield "limits.pictures", "is more than limits.waiting, so that such a request is never accepted"
        if self.limits.megabytes > self.limits.waiting_megabytes:
            yield "limits.megabytes", "is more than limits.waiting_megabytes, so that such a request is never accepted"


class PredictConfig(Section):
    checkpoint: UserPath
    images: Annotated[str | list[str], AsTyped()]
    top: PositiveInt
    sets: Sets
    sets_by: SetsBy
    unlike: bool
    format: Literal["table", "jsonl", "csv", "parquet"]
    output: Annotated[UserPath | None, AsTyped()]
    overlay: Annotated[UserPath | None, AsTyped()]
    tta: Views = Field(default_factory=list)
    overwrite: bool
    batch_size: PositiveInt
    device: Device
    precision: InferencePrecision
    trust: Trusted
    timeout: PositiveFloat
    largest_download: PositiveFloat
    longest_download: PositiveFloat
    allow_private: bool

    def contradictions(self) -> Iterator[tuple[str, str]]:
        if self.tta and self.overlay is not None:
            yield (
                "overlay",
                "shows one image of a picture, and tta averages over several: give one of them",
            )
        if not self.images:
            yield "images", "is empty; give files, folders, globs or addresses, as in images=pictures/"
        if self.format == "parquet" and self.output is None:
            yield "format", "parquet needs a file, as in output=predictions.parquet"
        yield from _doubt_contradictions(self.sets, self.sets_by, unlike=self.unlike, tta=self.tta)
