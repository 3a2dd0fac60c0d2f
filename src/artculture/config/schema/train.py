"""The typed schema of `conf/train.yaml` and of every group it draws from.

A composed config is checked against it before anything is read or trained; the defaults live in `conf/` alone.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
)

from artculture.config.schema.augment import Augment, augment_contradictions
from artculture.config.schema.balance import UNBALANCED, Balance, balance_contradictions
from artculture.config.schema.data import Data, data_contradictions, label_names, ordinal_names
from artculture.config.schema.launchers import Launcher, launcher_contradictions
from artculture.config.schema.loggers import Loggers
from artculture.config.schema.marks import Mark, OnResume
from artculture.config.schema.model import (
    Architecture,
    CosineScheduler,
    CustomNetwork,
    Finetuned,
    Head,
    Loss,
    Method,
    Optimizer,
    OptimizerChoice,
    Pretrained,
    Probe,
    Scheduler,
    Scratch,
    Sgd,
    TimmNetwork,
    TimmOptimizer,
    Transfer,
    Unfreeze,
)
from artculture.config.schema.nodes import SCHEDULE_LENGTHS, Node, absent, node_mistakes
from artculture.config.schema.probe import probe_contradictions
from artculture.config.schema.section import Section
from artculture.config.schema.timm_optimizers import timm_optimizer_mistakes
from artculture.config.schema.trainer import Trainer, extra_mistakes
from artculture.config.typed_text import AsTyped, Text, UserPath
from artculture.config.validation import alternatives
from artculture.utils.errors import InputError, choices_hint
from artculture.utils.secrets import secrets_in
from artculture.utils.targets import import_modules, is_target

PlanChoice = Literal["measure", "json"]
# Of the validation split after every epoch; the group `metrics` adds others.
VALIDATION_METRICS = ("top1", "top3", "macro_f1", "macro_recall", "loss")


def _folder_name(value: str) -> str:
    # `study/trials` is the folder of a search's trials inside its study.
    if not re.fullmatch(r"\w[\w.=+-]*(/\w[\w.=+-]*)*", value):
        raise ValueError("must be a plain folder name: letters, digits, `.`, `_`, `-`, `=`")
    return value


class Study(Section):
    name: Annotated[str, AfterValidator(_folder_name)]
    title: Annotated[str | None, AsTyped()]
    root: UserPath


class TrainConfig(Section):
    """One run, whole."""

    architecture: Annotated[Architecture, OnResume.FIXED]
    head: Annotated[Head, OnResume.FIXED, Mark.TRAINING]
    method: Annotated[Method, OnResume.FREE]
    optimizer: Annotated[OptimizerChoice, OnResume.FREE, Mark.TRAINING]
    loss: Annotated[Loss, OnResume.FREE, Mark.TRAINING]
    balance: Annotated[Balance, OnResume.FREE] = UNBALANCED  # as of runs that were stored before there was such a key
    scheduler: Annotated[Scheduler, OnResume.FREE, Mark.TRAINING]
    data: Annotated[Data, OnResume.PAINTINGS]
    augment: Annotated[Augment, OnResume.FREE, Mark.TRAINING]
    trainer: Annotated[Trainer, OnResume.FREE]
    metrics: Annotated[dict[str, Node | None], OnResume.FREE]
    callbacks: Annotated[dict[str, Node | None], OnResume.FREE, Mark.TRAINING]
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
        yield from data_contradictions(self.data)
        yield from self._embeddings_contradictions()
        for key, what in secrets_in(plain(self)):
            yield key, f"holds {what}, and a config is stored and shown: give secrets by the environment alone"
        yield from launcher_contradictions(self.launcher, self.trainer.accelerator)
        yield from self._nodes()
        yield from self._size_contradictions()
        if isinstance(self.method, Probe):
            yield from probe_contradictions(self.method, self.balance, self.data, self.resume)
        else:
            yield from self._training_contradictions(self.method)
        monitors = list(self._monitors())
        if self.trainer.monitor not in monitors:
            yield f"trainer.monitor={self.trainer.monitor}:", choices_hint(self.trainer.monitor, monitors)
        if self.trainer.precision == "16-mixed" and self.trainer.accelerator == "cpu":
            yield "trainer.precision", "16-mixed needs a GPU; on a CPU use bf16-mixed or 32"
        if self.trainer.sync_batchnorm and self.trainer.accelerator == "cpu":
            yield "trainer.sync_batchnorm", "needs GPUs: torch has it for no other device"

    def _embeddings_contradictions(self) -> Iterator[tuple[str, str]]:
        data, network = self.data.name == "embeddings", self.architecture.library == "embeddings"
        if data != network:
            yield "data=embeddings", "and architecture=embeddings go together: give both, and method=transfer or probe"
        elif data and self.method.name not in ("transfer", "probe"):
            yield "method", f"is {self.method.name}, but embeddings have no network to train: use transfer or probe"

    def _monitors(self) -> Iterator[str]:
        """Yield the metrics of the validation split, of which `trainer.monitor` is one."""
        own_metrics = () if isinstance(self.method, Probe) else self.metrics
        yield from (f"val/{name}" for name in (*VALIDATION_METRICS, *own_metrics))
        for place, label in enumerate(label_names(self.data)):
            prefix = f"val/{label}/" if place else "val/"
            if place:  # the loss is of all labels
                yield from (f"{prefix}{name}" for name in VALIDATION_METRICS if name != "loss")
            if label in ordinal_names(self.data):
                yield f"{prefix}mae"

    def _size_contradictions(self) -> Iterator[tuple[str, str]]:
        if isinstance(self.architecture, TimmNetwork):
            size, sizes = self.architecture.size, self.architecture.sizes
            if size is not None and size not in sizes:
                yield f"architecture.size={size}:", choices_hint(size, sizes)

    def _training_contradictions(self, method: Finetuned | Transfer | Scratch) -> Iterator[tuple[str, str]]:
        yield from _schedule_contradictions(self.scheduler, self.trainer.max_epochs)
        yield from balance_contradictions(self.balance, self.loss)
        yield from self._optimizer_contradictions()
        weights = self.architecture.weights
        if isinstance(method, Pretrained) and method.head == "checkpoint" and not Path(weights).suffix:
            yield "method.head", f"is checkpoint, but architecture.weights={weights} is none: give a run's best.ckpt"
        if isinstance(method, Finetuned) and method.unfreeze is not None:
            yield from _unfreeze_contradictions(method.unfreeze)
            if method.lora is not None:
                yield "method.lora", "and method.unfreeze both say what of the backbone trains: set one of them to null"
        if method.name != "transfer" and method.backbone_lr == 0:
            yield "method.backbone_lr", f"is 0, but {method.name} trains the backbone; use method=transfer"

    def _optimizer_contradictions(self) -> Iterator[tuple[str, str]]:
        optimizer = self.optimizer
        if isinstance(optimizer, Sgd) and optimizer.nesterov and optimizer.momentum == 0:
            yield "optimizer.nesterov", "needs momentum: set optimizer.momentum or optimizer.nesterov=false"
        if isinstance(optimizer, TimmOptimizer):
            yield from timm_optimizer_mistakes(optimizer.opt, optimizer.args)
        if not isinstance(optimizer, Optimizer) or optimizer.layer_decay is None:
            return
        if self.method.name == "transfer":
            yield "optimizer.layer_decay", "is of the backbone, which method=transfer does not train; use null"
        if self.architecture.library == "torchvision":
            yield (
                "optimizer.layer_decay",
                "needs a model of timm, which says in which order its layers are: architecture=timm "
                f"architecture.name={self.architecture.name}",
            )

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
        features_cached = getattr(self.method, "features", None) == "cached"
        yield from augment_contradictions(self.augment, features_cached=features_cached)
        yield from node_mistakes("launcher", self.launcher)
        yield from extra_mistakes(self.trainer.extra)
        for name, node in self.metrics.items():
            yield from _entry_mistakes(f"metrics.{name}", node, absent(("num_classes",), node or {}))
        for name, node in self.callbacks.items():
            yield from _entry_mistakes(f"callbacks.{name}", node)
        yield from self.logger.mistakes()


def _entry_mistakes(key: str, node: Node | None, given: Iterable[str] = ()) -> Iterator[tuple[str, str]]:
    if node is not None and not is_target(node):
        yield key, "needs a _target_, or null to switch it off"
    yield from node_mistakes(key, node, given)


def _unfreeze_contradictions(unfreeze: Unfreeze) -> Iterator[tuple[str, str]]:
    last_stage, everything = unfreeze.last_stage, unfreeze.all
    if last_stage is None and everything is None:
        yield "method.unfreeze", "never trains the backbone: give {last_stage:EPOCH,all:EPOCH}, or use method=transfer"
    elif last_stage is not None and everything is not None and last_stage > everything:
        yield "method.unfreeze", f"trains all ({everything}) before the last stage ({last_stage})"


def _schedule_contradictions(scheduler: Scheduler, max_epochs: int) -> Iterator[tuple[str, str]]:
    if isinstance(scheduler, CosineScheduler) and scheduler.warmup_epochs >= max_epochs:
        yield (
            "scheduler.warmup_epochs",
            f"is {scheduler.warmup_epochs}, but the whole training has {max_epochs} epochs (trainer.max_epochs)",
        )


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
