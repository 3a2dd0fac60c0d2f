"""The typed schema of `conf/train.yaml` and of every group it draws from.

A composed config is checked against it before anything is read or trained; the defaults live in `conf/` alone.
"""

import re
from collections.abc import Iterator
from enum import Enum
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
)

from artculture.config.typed_text import AsTyped, Text, UserPath
from artculture.utils.secrets import secrets_in

Share = Annotated[float, Field(ge=0, le=1)]
MethodName = Literal["finetuned", "transfer", "scratch"]
PlanChoice = Literal["measure", "json"]


class OnResume(Enum):
    """Whether a run may differ in a value from the run whose checkpoint it starts from (`resume=PATH`).

    Field metadata: of a section, and of a field of it that is another. A field without any is `FIXED`.
    """

    FIXED = "must be the same"
    FREE = "may differ, and takes effect"
    PAINTINGS = "may differ where every painting that was trained on stays a training painting"


def _folder_name(value: str) -> str:
    # `study/trials` is the folder of a search's trials inside its study.
    if not re.fullmatch(r"\w[\w.=+-]*(/\w[\w.=+-]*)*", value):
        raise ValueError("must be a plain folder name: letters, digits, `.`, `_`, `-`, `=`")
    return value


class Section(BaseModel):
    """A part of the config: no unknown keys, no silent conversion between types, finite numbers."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class Head(Section):
    hidden: list[PositiveInt]
    dropout: Annotated[float, Field(ge=0, lt=1)]


class Rates(Section):
    epochs: PositiveInt
    batch_size: PositiveInt
    head_lr: PositiveFloat
    backbone_lr: NonNegativeFloat


class Recipe(Section):
    finetuned: Rates
    transfer: Rates
    scratch: Rates


class Architecture(Section):
    name: str
    library: Literal["torchvision", "timm"]
    weights: Text
    channels_last: Annotated[bool, OnResume.FREE]
    head: Head
    recipe: Annotated[Recipe, OnResume.FREE]  # the source of values that are compared themselves


class Training(Section):
    """What all methods share."""

    name: str
    head_lr: PositiveFloat
    backbone_lr: NonNegativeFloat
    momentum: Annotated[float, Field(ge=0, lt=1)]
    nesterov: bool
    weight_decay: NonNegativeFloat
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]


class FullTraining(Training):
    name: Annotated[Literal["finetuned", "scratch"], OnResume.FIXED]


class Transfer(Training):
    name: Annotated[Literal["transfer"], OnResume.FIXED]
    features: Annotated[Literal["cached", "recompute"], OnResume.FIXED]
    views: PositiveInt


Method = Annotated[FullTraining | Transfer, Field(discriminator="name")]


class StepScheduler(Section):
    name: Annotated[Literal["step", "plateau"], OnResume.FIXED]
    gamma: Annotated[float, Field(gt=0, lt=1)]
    k: PositiveInt


class CosineScheduler(Section):
    name: Annotated[Literal["cosine"], OnResume.FIXED]
    warmup_epochs: NonNegativeInt
    floor: Annotated[float, Field(ge=0, lt=1)]


Scheduler = Annotated[StepScheduler | CosineScheduler, Field(discriminator="name")]


class Paintings(Section):
    """What all data sources share."""

    name: str
    root: Annotated[str | None, AsTyped()]
    split: Literal["auto", "stratified", "random", "stored"]
    split_seed: int
    fractions: list[Annotated[float, Field(gt=0, lt=1)]]
    small_cultures: Literal["error", "drop", "train"]
    on_bad_image: Literal["error", "skip"]
    bad_image_share: Share = 1.0  # of runs that were stored before there was such a key
    cultures: Annotated[list[str] | None, AsTyped()]
    image_size: Annotated[Annotated[int, Field(ge=32, le=2048)] | None, OnResume.FREE]
    batch_size: Annotated[PositiveInt, OnResume.FREE]
    epochs: Annotated[PositiveInt, OnResume.FREE]
    num_workers: Literal["auto"] | NonNegativeInt
    cache: Text


class Sample(Paintings):
    name: Literal["sample"]
    per_culture: Annotated[int, Field(ge=3)]
    decay_every: PositiveInt


class Folder(Paintings):
    name: Literal["folder", "met"]
    # Names of a table's columns; as in runs that were stored before there were such keys.
    label: Annotated[str | None, AsTyped()] = None
    image: Annotated[str | None, AsTyped()] = None
    id: Annotated[str | None, AsTyped()] = None


class Shards(Paintings):
    name: Literal["shards"]
    cache_gb: PositiveFloat
    shuffle_shards: Annotated[PositiveInt, OnResume.FREE]


Data = Annotated[Sample | Folder | Shards, Field(discriminator="name")]


class Augment(Section):
    name: str
    crop_scale: list[Annotated[float, Field(gt=0, le=1)]] | None
    crop_ratio: list[PositiveFloat] | None
    flip: bool
    jitter: Share
    erase: Share


class Trainer(Section):
    accelerator: Literal["auto", "cpu", "gpu", "mps"]
    devices: Literal["auto"] | PositiveInt
    num_nodes: Literal["auto"] | PositiveInt
    sync_batchnorm: bool
    max_epochs: PositiveInt
    precision: Literal["auto", 32, "32", "bf16-mixed", "16-mixed"]
    deterministic: bool | Literal["warn"]
    channels_last: bool
    compile: bool = False  # as of runs that were stored before there was such a key
    cuda_graphs: bool = True  # likewise
    gradient_clip: PositiveFloat | None
    early_stopping: PositiveInt | None
    monitor: Literal["val/top1", "val/loss", "val/macro_f1"]
    eval_batches: PositiveInt
    evaluate_test: bool
    checkpoint_every_minutes: PositiveFloat | None
    checkpoint_every_steps: PositiveInt | None
    on_out_of_memory: Literal["halve", "error"]


class Logger(Section):
    name: Literal["wandb", "wandb_offline", "csv"]
    project: Text
    entity: Annotated[str | None, AsTyped()]
    tags: Annotated[list[str], AsTyped()]
    thumbnails: Annotated[int, Field(ge=0)]


class LocalProcesses(Section):
    name: Literal["local"]
    parallel: Literal["auto"] | PositiveInt


class Resources(Section):
    """What a run asks for, where a batch system hands out resources."""

    name: str
    parallel: Literal["auto"] | PositiveInt
    gpus: Literal["auto"] | NonNegativeInt
    cpus: PositiveInt
    memory_gb: PositiveFloat | None


class Slurm(Resources):
    name: Literal["slurm"]
    cluster: Literal["slurm", "local"]
    minutes: PositiveInt
    partition: str | None
    account: str | None
    qos: str | None
    constraint: str | None
    setup: list[str]
    options: dict[str, str | int | bool]
    requeue: bool
    max_timeouts: NonNegativeInt
    signal_seconds: Annotated[int, Field(ge=30)]
    on_interrupt: Literal["leave", "cancel"]


class Ray(Resources):
    name: Literal["ray"]
    address: str
    retries: NonNegativeInt


Launcher = Annotated[LocalProcesses | Slurm | Ray, Field(discriminator="name")]


class Study(Section):
    name: Annotated[str, AfterValidator(_folder_name)]
    title: Annotated[str | None, AsTyped()]
    root: UserPath


class TrainConfig(Section):
    """One run, whole."""

    architecture: Annotated[Architecture, OnResume.FIXED]
    method: Annotated[Method, OnResume.FREE]
    scheduler: Annotated[Scheduler, OnResume.FREE]
    data: Annotated[Data, OnResume.PAINTINGS]
    augment: Annotated[Augment, OnResume.FREE]
    trainer: Annotated[Trainer, OnResume.FREE]
    logger: Logger
    launcher: Launcher
    study: Study
    seed: Annotated[int, Field(ge=0, lt=2**31), OnResume.FIXED]
    resume: Text
    on_error: Literal["continue", "stop"]
    plan: bool | PlanChoice | list[PlanChoice]

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Values that are fine alone and wrong together, as (key, what is wrong and the mend)."""
        yield from _schedule_contradictions(self.scheduler, self.trainer.max_epochs)
        yield from data_contradictions(self.data)
        for key, what in secrets_in(plain(self)):
            yield key, f"holds {what}, and a config is stored and shown: give secrets by the environment alone"
        yield from _launcher_contradictions(self.launcher, self.trainer.accelerator)
        if not self.architecture.head.hidden:
            yield (
                "architecture.head.hidden",
                "is empty; the head needs at least one hidden size, as in [512, 128]",
            )
        if self.method.nesterov and self.method.momentum == 0:
            yield "method.nesterov", "needs momentum: set method.momentum or method.nesterov=false"
        if self.method.name != "transfer" and self.method.backbone_lr == 0:
            yield (
                "method.backbone_lr",
                f"is 0, but {self.method.name} trains the backbone; use method=transfer",
            )
        if self.trainer.precision == "16-mixed" and self.trainer.accelerator == "cpu":
            yield "trainer.precision", "16-mixed needs a GPU; on a CPU use bf16-mixed or 32"
        if self.trainer.sync_batchnorm and self.trainer.accelerator == "cpu":
            yield "trainer.sync_batchnorm", "needs GPUs: torch has it for no other device"
        if (self.augment.crop_scale is None) != (self.augment.crop_ratio is None):
            yield "augment.crop_scale", "and augment.crop_ratio go together: set both or neither"
        for key in ("crop_scale", "crop_ratio"):
            pair = getattr(self.augment, key)
            if pair is not None and (len(pair) != 2 or pair[0] > pair[1]):
                yield f"augment.{key}", f"is {pair}; give [smallest, largest]"


def _schedule_contradictions(scheduler: Scheduler, max_epochs: int) -> Iterator[tuple[str, str]]:
    if isinstance(scheduler, CosineScheduler) and scheduler.warmup_epochs >= max_epochs:
        yield (
            "scheduler.warmup_epochs",
            f"is {scheduler.warmup_epochs}, but the whole training has {max_epochs} epochs (trainer.max_epochs)",
        )


def _launcher_contradictions(launcher: Launcher, accelerator: str) -> Iterator[tuple[str, str]]:
    if accelerator == "gpu" and isinstance(launcher, Resources) and launcher.gpus == 0:
        yield "launcher.gpus", "is 0, but trainer.accelerator=gpu: ask for a GPU or use trainer=cpu"
    if isinstance(launcher, Slurm) and launcher.signal_seconds >= 60 * launcher.minutes:
        yield "launcher.signal_seconds", f"is {launcher.signal_seconds}, longer than the whole job (launcher.minutes)"


def data_contradictions(data: Data) -> Iterator[tuple[str, str]]:
    if data.name == "folder" and not data.root:
        yield "data.root", "is missing; give the folder of pictures, data.root=path/to/folder"
    if data.name == "shards" and not data.root:
        yield "data.root", "is missing; give the shards' folder or address, data.root=s3://bucket/paintings"
    if data.name == "sample" and data.split == "stored":
        yield "data.split", "is stored, but the sample stores none; use stratified or random"
    if data.name == "sample" and data.root is not None:
        yield "data.root", "has no meaning for data=sample; for your own pictures use data=folder"
    if len(data.fractions) != 3 or abs(sum(data.fractions) - 1) > 1e-6:
        yield "data.fractions", f"is {data.fractions}; give train, validation and test shares that sum to 1"
    if data.cultures is not None and (len(set(data.cultures)) != len(data.cultures) or len(data.cultures) < 2):
        yield "data.cultures", f"is {data.cultures}; give at least two different cultures"


def plain(config: BaseModel) -> dict[str, Any]:
    """The config as nested dicts, lists and scalars, ready for YAML."""
    return config.model_dump(mode="python", exclude_none=False)
