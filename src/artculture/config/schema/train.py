"""The typed schema of `conf/train.yaml` and of every group it draws from.

A composed config is checked against it before anything is read or trained; the defaults live in `conf/` alone.
"""

import re
from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Tag,
)

from artculture.config.schema.loggers import Loggers
from artculture.config.schema.nodes import BY_NAME_OR_TARGET, SCHEDULE_LENGTHS, Node, UserNode, absent, node_mistakes
from artculture.config.schema.section import Section
from artculture.config.typed_text import AsTyped, Text, UserPath
from artculture.config.validation import alternatives
from artculture.utils.errors import InputError, choices_hint
from artculture.utils.secrets import secrets_in
from artculture.utils.targets import import_modules, is_target

Share = Annotated[float, Field(ge=0, le=1)]
MethodName = Literal["finetuned", "transfer", "scratch"]
PlanChoice = Literal["measure", "json"]
# Of the validation split after every epoch; the group `metrics` adds others.
VALIDATION_METRICS = ("top1", "top3", "macro_f1", "macro_recall", "loss")


# Arguments of lightning.Trainer that other keys of the config stand for.
SET_BY = {
    **{name: f"trainer.{name}" for name in ("accelerator", "devices", "num_nodes", "sync_batchnorm", "max_epochs")},
    **{name: f"trainer.{name}" for name in ("precision", "deterministic")},
    "gradient_clip_val": "trainer.gradient_clip",
    "callbacks": "the group `callbacks`",
    "logger": "the group `logger`",
    "strategy": "trainer.devices and trainer.num_nodes",
    "default_root_dir": "study.root and study.name",
    **dict.fromkeys(("plugins", "use_distributed_sampler"), "the program: a run resumes exactly by it"),
    "num_sanity_val_steps": "the program: a run's metrics begin with its first epoch",
    "enable_progress_bar": "the program, which shows a study's runs",
    "fast_dev_run": "the option debug=fast_dev_run, which also writes the run's files",
}


class OnResume(Enum):
    """Whether a run may differ in a value from the run whose checkpoint it starts from (`resume=PATH`).

    Field metadata: of a section, and of a field of it that is another. A field without any is `FIXED`.
    """

    FIXED = "must be the same"
    FREE = "may differ, and takes effect"
    PAINTINGS = "may differ where every painting that was trained on stays a training painting"


class Mark(Enum):
    """What a key is, apart from its value: field metadata."""

    CIRCUMSTANCE = "where and how a run is executed: not part of its identity, free to change between two launches"
    SOURCE = "where other keys take their defaults from: not part of the identity, as those keys are"
    NOT_SEARCHED = "the same in all trials of a search"


def _folder_name(value: str) -> str:
    # `study/trials` is the folder of a search's trials inside its study.
    if not re.fullmatch(r"\w[\w.=+-]*(/\w[\w.=+-]*)*", value):
        raise ValueError("must be a plain folder name: letters, digits, `.`, `_`, `-`, `=`")
    return value


class Rates(Section):
    epochs: PositiveInt
    batch_size: PositiveInt
    head_lr: PositiveFloat
    backbone_lr: NonNegativeFloat


class Recipe(Section):
    """Values that suit an architecture; the other groups take theirs from here."""

    dropout: Annotated[float, Field(ge=0, lt=1)]
    finetuned: Rates
    transfer: Rates
    scratch: Rates


class Network(Section):
    """What all architectures share."""

    name: str
    library: str
    weights: Text
    channels_last: Annotated[bool, OnResume.FREE]
    recipe: Annotated[Recipe, OnResume.FREE, Mark.SOURCE, Mark.NOT_SEARCHED]


class LibraryNetwork(Network):
    library: Literal["torchvision", "timm"]


class CustomNetwork(Network):
    library: Literal["custom"]
    backbone: Node


Architecture = Annotated[LibraryNetwork | CustomNetwork, Field(discriminator="library")]


class MlpHead(Section):
    name: Literal["mlp"]
    hidden: Annotated[list[PositiveInt], Field(min_length=1)]
    dropout: Annotated[float, Field(ge=0, lt=1)]


class LinearHead(Section):
    name: Literal["linear"]
    dropout: Annotated[float, Field(ge=0, lt=1)]


Head = Annotated[Annotated[MlpHead, Tag("mlp")] | Annotated[LinearHead, Tag("linear")] | UserNode, BY_NAME_OR_TARGET]


class Training(Section):
    """What all methods share."""

    name: str
    head_lr: PositiveFloat
    backbone_lr: NonNegativeFloat


class FullTraining(Training):
    name: Annotated[Literal["finetuned", "scratch"], OnResume.FIXED]


class Transfer(Training):
    name: Annotated[Literal["transfer"], OnResume.FIXED]
    features: Annotated[Literal["cached", "recompute"], OnResume.FIXED]
    views: PositiveInt


Method = Annotated[FullTraining | Transfer, Field(discriminator="name")]


class MethodRates(Section):
    head_lr: PositiveFloat
    backbone_lr: NonNegativeFloat


class Optimizer(Section):
    """What all built-in optimizers share.

    Attributes:
        rates: learning rates by method, in place of the architecture's recipe; None for those.
    """

    name: str
    weight_decay: NonNegativeFloat
    rates: Annotated[dict[MethodName, MethodRates] | None, Mark.SOURCE, Mark.NOT_SEARCHED]


class Sgd(Optimizer):
    name: Annotated[Literal["sgd"], OnResume.FIXED]
    momentum: Annotated[float, Field(ge=0, lt=1)]
    nesterov: bool


class AdamW(Optimizer):
    name: Annotated[Literal["adamw"], OnResume.FIXED]
    betas: Annotated[list[Annotated[float, Field(ge=0, lt=1)]], Field(min_length=2, max_length=2)]
    eps: PositiveFloat


OptimizerChoice = Annotated[Annotated[Sgd, Tag("sgd")] | Annotated[AdamW, Tag("adamw")] | UserNode, BY_NAME_OR_TARGET]


class CrossEntropy(Section):
    name: Annotated[Literal["cross_entropy"], OnResume.FIXED]
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]


Loss = Annotated[Annotated[CrossEntropy, Tag("cross_entropy")] | UserNode, BY_NAME_OR_TARGET]


class StepScheduler(Section):
    name: Annotated[Literal["step", "plateau"], OnResume.FIXED]
    gamma: Annotated[float, Field(gt=0, lt=1)]
    k: PositiveInt


class CosineScheduler(Section):
    name: Annotated[Literal["cosine"], OnResume.FIXED]
    warmup_epochs: NonNegativeInt
    floor: Annotated[float, Field(ge=0, lt=1)]


Scheduler = Annotated[
    Annotated[StepScheduler, Tag("step")]
    | Annotated[StepScheduler, Tag("plateau")]
    | Annotated[CosineScheduler, Tag("cosine")]
    | UserNode,
    BY_NAME_OR_TARGET,
]


class Paintings(Section):
    """What all data sources share."""

    name: str
    root: Annotated[str | None, AsTyped(), Mark.CIRCUMSTANCE, Mark.NOT_SEARCHED]
    split: Annotated[Literal["auto", "stratified", "random", "stored"], Mark.NOT_SEARCHED]
    split_seed: Annotated[int, Mark.NOT_SEARCHED]
    fractions: Annotated[list[Annotated[float, Field(gt=0, lt=1)]], Mark.NOT_SEARCHED]
    small_cultures: Annotated[Literal["error", "drop", "train"], Mark.NOT_SEARCHED]
    on_bad_image: Annotated[Literal["error", "skip"], Mark.NOT_SEARCHED]
    bad_image_share: Annotated[Share, Mark.CIRCUMSTANCE, Mark.NOT_SEARCHED] = 1.0
    cultures: Annotated[list[str] | None, AsTyped(), Mark.NOT_SEARCHED]
    image_size: Annotated[Annotated[int, Field(ge=32, le=2048)] | None, OnResume.FREE]
    batch_size: Annotated[PositiveInt, OnResume.FREE]
    num_workers: Annotated[Literal["auto"] | NonNegativeInt, Mark.CIRCUMSTANCE, Mark.NOT_SEARCHED]
    cache: Annotated[Text, Mark.CIRCUMSTANCE, Mark.NOT_SEARCHED]


class Sample(Paintings):
    name: Literal["sample"]
    per_culture: Annotated[Annotated[int, Field(ge=3)], Mark.NOT_SEARCHED]
    epochs: Annotated[PositiveInt, OnResume.FREE, Mark.SOURCE, Mark.NOT_SEARCHED]
    decay_every: Annotated[PositiveInt, Mark.SOURCE, Mark.NOT_SEARCHED]


class Folder(Paintings):
    name: Literal["folder", "met"]
    # Names of a table's columns; as in runs that were stored before there were such keys.
    label: Annotated[str | None, AsTyped(), Mark.NOT_SEARCHED] = None
    image: Annotated[str | None, AsTyped(), Mark.NOT_SEARCHED] = None
    id: Annotated[str | None, AsTyped(), Mark.NOT_SEARCHED] = None
    near_duplicates: Annotated[Literal["auto", "group", "ignore"], Mark.NOT_SEARCHED] = "auto"


class Shards(Paintings):
    name: Literal["shards"]
    cache_gb: Annotated[PositiveFloat, Mark.CIRCUMSTANCE, Mark.NOT_SEARCHED]
    shuffle_shards: Annotated[PositiveInt, OnResume.FREE]


class CustomPaintings(Paintings):
    """Paintings of a function of the user's own.

    Attributes:
        source: `_target_` and arguments of the function; it returns a table with the manifest's columns.
    """

    name: Literal["custom"]
    source: Annotated[Node, Mark.NOT_SEARCHED]
    near_duplicates: Annotated[Literal["auto", "group", "ignore"], Mark.NOT_SEARCHED]


Data = Annotated[Sample | Folder | Shards | CustomPaintings, Field(discriminator="name")]


class Augment(Section):
    name: str
    crop_scale: list[Annotated[float, Field(gt=0, le=1)]] | None
    crop_ratio: list[PositiveFloat] | None
    flip: bool
    jitter: Share
    erase: Share
    transforms: list[Node]


class Trainer(Section):
    accelerator: Annotated[Literal["auto", "cpu", "gpu", "mps"], Mark.CIRCUMSTANCE, Mark.NOT_SEARCHED]
    devices: Annotated[Literal["auto"] | PositiveInt, Mark.CIRCUMSTANCE, Mark.NOT_SEARCHED]
    num_nodes: Annotated[Literal["auto"] | PositiveInt, Mark.CIRCUMSTANCE]
    sync_batchnorm: bool
    max_epochs: PositiveInt
    precision: Literal["auto", 32, "32", "bf16-mixed", "16-mixed"]
    deterministic: bool | Literal["warn"]
    channels_last: bool
    compile: bool = False  # as of runs that were stored before there was such a key
    cuda_graphs: Annotated[bool, Mark.CIRCUMSTANCE] = True  # likewise
    gradient_clip: PositiveFloat | None
    early_stopping: PositiveInt | None
    monitor: Annotated[str, Mark.NOT_SEARCHED]
    eval_batches: PositiveInt
    evaluate_test: Annotated[bool, Mark.CIRCUMSTANCE, Mark.NOT_SEARCHED]
    checkpoint_every_minutes: Annotated[PositiveFloat | None, Mark.CIRCUMSTANCE]
    checkpoint_every_steps: Annotated[PositiveInt | None, Mark.CIRCUMSTANCE]
    on_out_of_memory: Annotated[Literal["halve", "error"], Mark.CIRCUMSTANCE]
    extra: dict[str, Any]


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


Launcher = Annotated[
    Annotated[LocalProcesses, Tag("local")] | Annotated[Slurm, Tag("slurm")] | Annotated[Ray, Tag("ray")] | UserNode,
    BY_NAME_OR_TARGET,
]


class Study(Section):
    name: Annotated[str, AfterValidator(_folder_name)]
    title: Annotated[str | None, AsTyped()]
    root: UserPath


class TrainConfig(Section):
    """One run, whole."""

    architecture: Annotated[Architecture, OnResume.FIXED]
    head: Annotated[Head, OnResume.FIXED]
    method: Annotated[Method, OnResume.FREE]
    optimizer: Annotated[OptimizerChoice, OnResume.FREE]
    loss: Annotated[Loss, OnResume.FREE]
    scheduler: Annotated[Scheduler, OnResume.FREE]
    data: Annotated[Data, OnResume.PAINTINGS]
    augment: Annotated[Augment, OnResume.FREE]
    trainer: Annotated[Trainer, OnResume.FREE]
    metrics: Annotated[dict[str, Node | None], OnResume.FREE]
    callbacks: Annotated[dict[str, Node | None], OnResume.FREE]
    imports: Annotated[list[str], Mark.CIRCUMSTANCE, Mark.NOT_SEARCHED]
    logger: Annotated[Loggers, Mark.CIRCUMSTANCE, Mark.NOT_SEARCHED]
    launcher: Annotated[Launcher, Mark.CIRCUMSTANCE, Mark.NOT_SEARCHED]
    study: Annotated[Study, Mark.CIRCUMSTANCE, Mark.NOT_SEARCHED]
    seed: Annotated[int, Field(ge=0, lt=2**31), OnResume.FIXED, Mark.NOT_SEARCHED]
    resume: Annotated[Text, Mark.CIRCUMSTANCE, Mark.NOT_SEARCHED]
    on_error: Annotated[Literal["continue", "stop"], Mark.CIRCUMSTANCE, Mark.NOT_SEARCHED]
    plan: Annotated[bool | PlanChoice | list[PlanChoice], Mark.CIRCUMSTANCE, Mark.NOT_SEARCHED]

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Yield values that are valid alone and wrong together, as (key, what is wrong and the fix)."""
        yield from _schedule_contradictions(self.scheduler, self.trainer.max_epochs)
        yield from data_contradictions(self.data)
        for key, what in secrets_in(plain(self)):
            yield key, f"holds {what}, and a config is stored and shown: give secrets by the environment alone"
        yield from _launcher_contradictions(self.launcher, self.trainer.accelerator)
        yield from self._nodes()
        if isinstance(self.optimizer, Sgd) and self.optimizer.nesterov and self.optimizer.momentum == 0:
            yield "optimizer.nesterov", "needs momentum: set optimizer.momentum or optimizer.nesterov=false"
        monitors = [f"val/{name}" for name in (*VALIDATION_METRICS, *self.metrics)]
        if self.trainer.monitor not in monitors:
            yield f"trainer.monitor={self.trainer.monitor}:", choices_hint(self.trainer.monitor, monitors)
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

    def _nodes(self) -> Iterator[tuple[str, str]]:
        """Check every node of the user's own against the signature of its target."""
        try:
            import_modules(self.imports)
        except InputError as error:
            yield "imports", f"{self.imports}: {error}"
            return
        if isinstance(self.architecture, CustomNetwork):
            if not is_target(self.architecture.backbone):
                yield "architecture.backbone", "needs a _target_: the class or function that makes the backbone"
            yield from node_mistakes("architecture.backbone", self.architecture.backbone)
        yield from node_mistakes("head", self.head, ("features", "classes"))
        yield from node_mistakes("loss", self.loss)
        yield from node_mistakes("optimizer", self.optimizer, positional=1)
        if isinstance(self.scheduler, dict):
            interval = self.scheduler.get("interval", "epoch")
            if interval not in ("step", "epoch"):
                yield f"scheduler.interval={interval}:", choices_hint(str(interval), ("step", "epoch"))
            arguments = {key: value for key, value in self.scheduler.items() if key != "interval"}
            yield from node_mistakes("scheduler", arguments, absent(SCHEDULE_LENGTHS, arguments), positional=1)
        for number, transform in enumerate(self.augment.transforms):
            if not is_target(transform):
                yield f"augment.transforms.{number}", "needs a _target_: the class of a transform"
            yield from node_mistakes(f"augment.transforms.{number}", transform)
        yield from node_mistakes("launcher", self.launcher)
        yield from _extra_mistakes(self.trainer.extra)
        for name, node in self.metrics.items():
            yield from _entry_mistakes(f"metrics.{name}", node, absent(("num_classes",), node or {}))
        for name, node in self.callbacks.items():
            yield from _entry_mistakes(f"callbacks.{name}", node)
        yield from self.logger.mistakes()


def _extra_mistakes(extra: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if not extra:
        return
    from inspect import signature

    from lightning import Trainer  # imported only where its arguments are used

    free = set(signature(Trainer.__init__).parameters) - {"self", *SET_BY}
    for name, value in extra.items():
        yield from node_mistakes(f"trainer.extra.{name}", value)
        if name in SET_BY:
            yield f"trainer.extra.{name}", f"is set by {SET_BY[name]}"
        elif name not in free:
            yield f"trainer.extra.{name}", f"is no argument of lightning.Trainer: {choices_hint(name, sorted(free))}"


def _entry_mistakes(key: str, node: Node | None, given: Iterable[str] = ()) -> Iterator[tuple[str, str]]:
    if node is not None and not is_target(node):
        yield key, "needs a _target_, or null to switch it off"
    yield from node_mistakes(key, node, given)


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
    if isinstance(data, CustomPaintings):
        if not is_target(data.source):
            yield "data.source", "needs a _target_: the function that returns the table of paintings"
        yield from node_mistakes("data.source", data.source)
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


def keys_with(mark: Mark, schema: type[BaseModel] | None = None, prefix: str = "") -> Iterator[str]:
    """Yield the dotted keys of a schema whose field has a mark; the keys below it are not listed."""
    for name, field in (schema or TrainConfig).model_fields.items():
        if mark in field.metadata:
            yield prefix + name
            continue
        for kind in alternatives(field.annotation):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from keys_with(mark, kind, f"{prefix}{name}.")


def plain(config: BaseModel) -> dict[str, Any]:
    """The config as nested dicts, lists and scalars, ready for YAML."""
    return config.model_dump(mode="python", exclude_none=False)
