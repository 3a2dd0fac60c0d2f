"""The parts of a run, made from its config: data module, classifier, trainer."""

import math
import warnings
from collections.abc import Sequence
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback

from artculture.config.schema.model import Architecture, Finetuned, Probe, TimmNetwork
from artculture.config.schema.nodes import Node
from artculture.config.schema.section import Section
from artculture.config.schema.train import TrainConfig
from artculture.data.augmentation import Augmentation
from artculture.data.data_choice import DataChoice
from artculture.data.datamodule import PaintingsDataModule
from artculture.data.selection import Selection
from artculture.data.sharding import RankSlice
from artculture.models.backbones import EMBEDDINGS, preprocessing_of
from artculture.models.classifier import CultureClassifier
from artculture.models.image_sizes import check_image_size
from artculture.models.tasks import Task
from artculture.models.weights import check_weights
from artculture.training.acceleration.step_execution import ExactDDP, ExactSingleDevice, StepExecution
from artculture.training.callbacks.depthwise import Float32Depthwise
from artculture.training.callbacks.divergence import DIVERGED_TIMES_CHANCE, DivergenceGuard
from artculture.training.callbacks.ema import WeightEma
from artculture.training.callbacks.epoch_progress import epoch_progress
from artculture.training.callbacks.metric_state import MetricState, SplitState
from artculture.training.callbacks.recorder import OwnSettings, Recorder, early_stopping
from artculture.training.callbacks.unfreezing import GradualUnfreezing
from artculture.training.checkpoint_io import WholeCheckpointIO
from artculture.training.checkpointing import LastCheckpoint, best_checkpoint
from artculture.training.distributed.lightning_overrides import KeepSignalHandlers
from artculture.training.distributed.process_group import SINGLE_PROCESS, ProcessGroup, cluster_environment
from artculture.training.numeric_choice import channels_last
from artculture.training.run_directory import RunDirectory
from artculture.training.run_lock import RunLock
from artculture.training.signals import SignalListener
from artculture.utils import hardware
from artculture.utils.label_words import CULTURE_WORDS, LabelWords
from artculture.utils.targets import accepted, instantiate, is_target


def make_datamodule(config: TrainConfig, process_group: ProcessGroup = SINGLE_PROCESS) -> PaintingsDataModule:
    """The data module that a config asks for, with the preprocessing of its backbone's weights."""
    data = config.data
    preprocessing = preprocessing_of(*backbone_choice(config.architecture))
    return PaintingsDataModule(
        DataChoice.of(data),
        preprocessing.at_size(data.image_size, data.fit),
        Augmentation.of(config.augment),
        batch_size=data.batch_size,
        eval_batches=config.trainer.eval_batches,
        seed=config.seed,
        num_workers=None if data.num_workers == "auto" else data.num_workers,
        rank_slice=RankSlice(process_group.context.rank, process_group.world_size),
        class_exponent=getattr(config.balance, "exponent", 1.0),
    )


def check_network(config: TrainConfig) -> None:
    """Check what a config says of its network without reading pictures or downloading weights.

    Raises:
        InputError: an unknown network or unknown weights, or a size of picture that the network does not take.
    """
    architecture = config.architecture
    if architecture.library == EMBEDDINGS:
        return
    check_weights(architecture.weights, architecture.library, architecture.name)
    name, library, node = backbone_choice(architecture)
    preprocessing = preprocessing_of(name, library, node).at_size(config.data.image_size)
    check_image_size(name, library, preprocessing.image_size, node, backbone_options(architecture))


def backbone_choice(architecture: Architecture) -> tuple[str, str, Node | None]:
    """Return name, library and, of a custom backbone, the node: the arguments of `make_backbone`."""
    return architecture.name, architecture.library, getattr(architecture, "backbone", None)


def backbone_options(architecture: Architecture) -> dict[str, Any]:
    """Return the further arguments of `make_backbone` of a model of timm."""
    return architecture.options if isinstance(architecture, TimmNetwork) else {}


def plain_section(section: Section | Node) -> Node:
    """Return a section of the config, or a user's node, as nested plain values."""
    return section if isinstance(section, dict) else section.model_dump(exclude={"rates"})


def make_classifier(
    config: TrainConfig,
    classes: tuple[str, ...],
    class_counts: Sequence[int] | None = None,
    tasks: Sequence[Task] = (),
    vectors: Node | None = None,
    words: LabelWords = CULTURE_WORDS,
) -> CultureClassifier:
    """The untrained classifier that a config asks for, whose network is checked.

    Args:
        config: the run's.
        classes: names in label order.
        class_counts: number of training paintings of each class, on which some values of `balance` depend.
        tasks: all labels, where there are several or the one is ordinal (`label_tasks`).
        vectors: of `data=embeddings`: length and model of the vectors.
        words: what a class is called.

    Raises:
        InputError: an unknown network.
    """
    architecture, method = config.architecture, config.method
    common: dict[str, Any] = {
        "classes": list(classes),
        "label_name": words.one,
        "backbone": architecture.name,
        "library": architecture.library,
        "backbone_node": backbone_choice(architecture)[2],
        "backbone_options": backbone_options(architecture) if vectors is None else vectors,
        "balance": plain_section(config.balance),
        "class_counts": class_counts,
        "metrics": {name: node for name, node in config.metrics.items() if node is not None},
        "method": method.name,
        "image_size": config.data.image_size,
        "fit": config.data.fit,
        "channels_last": channels_last(config),
    }
    if isinstance(method, Probe):
        head = probe_head(method, class_counts)
        # Embeddings are vectors without a network that has stages.
        statistics = method.stage_statistics if vectors is None else "none"
        return CultureClassifier(**common, head=head, stage_statistics=statistics)
    module = CultureClassifier(
        **common,
        head=plain_section(config.head),
        loss=plain_section(config.loss),
        optimizer=plain_section(config.optimizer),
        scheduler=plain_section(config.scheduler),
        lora=method.lora.model_dump() if isinstance(method, Finetuned) and method.lora is not None else None,
        head_lr=method.head_lr,
        backbone_lr=method.backbone_lr,
        tasks=[task.as_plain() for task in tasks],
    )
    if config.trainer.compile:
        module.compile_backbone()
    return module


def label_tasks(selection: Selection) -> list[Task]:
    """Return the labels of a selection with what their losses need; none where there is one, without an order."""
    if not selection.further and not selection.ordinal:
        return []
    train = selection.members("train")
    return [
        Task(one.name, one.classes, one.ordinal, tuple(one.counts(train)), float(one.known[train].mean()))
        for one in selection.columns
    ]


def probe_head(method: Probe, class_counts: Sequence[int] | None) -> Node:
    """Return the section of the head that a probe fits."""
    if method.classifier == "knn":
        return {"name": "knn", "paintings": max(1, sum(class_counts or ()))}
    return {"name": "linear", "dropout": 0.0}


def make_strategy(config: TrainConfig, accelerator: str, process_group: ProcessGroup = SINGLE_PROCESS) -> StepExecution:
    """Return how the trainer of a config runs its steps, on one device or several."""
    choices: dict[str, Any] = {
        "seed": config.seed,
        "split_when_full": config.trainer.on_out_of_memory == "halve",
        "use_graphs": config.trainer.cuda_graphs,
    }
    if process_group.world_size > 1:
        return ExactDDP(cluster_environment=cluster_environment(process_group.context), **choices)
    device = {"gpu": "cuda:0", "mps": "mps:0"}.get(accelerator, accelerator)
    return ExactSingleDevice(device, **choices)


def _loss_limit(config: TrainConfig, classes: Sequence[int]) -> float:
    # Nobody knows what is too much for a loss of the user's own; class weights multiply that of a rare class.
    unknown = is_target(config.loss) or config.balance.name == "class_weights"
    return math.inf if unknown else DIVERGED_TIMES_CHANCE * sum(math.log(max(2, n)) for n in classes)


def _of_the_method(config: TrainConfig) -> list[Callback]:
    unfreeze = config.method.unfreeze if isinstance(config.method, Finetuned) else None
    return [] if unfreeze is None else [GradualUnfreezing(unfreeze.last_stage, unfreeze.all)]


def make_trainer(
    config: TrainConfig,
    classes: Sequence[int],
    directory: RunDirectory,
    recorder: Recorder,
    accelerator: str,
    listener: SignalListener,
    lock: RunLock | None = None,
    process_group: ProcessGroup = SINGLE_PROCESS,
    *,
    from_other: bool = False,
) -> L.Trainer:
    """The trainer of a run.

    Args:
        config: the run's.
        classes: number of classes of each label.
        directory: where it lives.
        recorder: keeps its metrics.
        accelerator: `cpu` or `gpu`.
        listener: asks to stop.
        lock: the right to write into the directory; None where another process of the run has it.
        process_group: the run's processes.
        from_other: whether it starts from another run's checkpoint.
    """
    choice = config.trainer
    by_steps, by_minutes = choice.checkpoint_every_steps, choice.checkpoint_every_minutes
    execution = make_strategy(config, accelerator, process_group)
    ema = None if choice.ema is None else WeightEma(choice.ema)
    precision: Any = hardware.real_precision(choice.precision, accelerator)
    callbacks: list[Callback] = [OwnSettings()] if from_other else []
    if accelerator == "cpu" and precision == "bf16-mixed" and not choice.compile:
        callbacks.append(Float32Depthwise())
    callbacks += [
        MetricState(),
        SplitState(execution),
        # Before the recorder: an epoch that is not finite is not recorded.
        DivergenceGuard(_loss_limit(config, classes), process_group),
        *_of_the_method(config),
        *([] if ema is None else [ema]),
        *(instantiate(node) for node in config.callbacks.values() if node is not None),
        *epoch_progress(),
        recorder,
        best_checkpoint(directory, choice.monitor, ema),
        LastCheckpoint(directory, by_steps, by_minutes, choice.eval_batches, listener, lock, process_group),
    ]
    if process_group.world_size > 1:
        callbacks.append(KeepSignalHandlers(listener))
    if choice.early_stopping is not None:
        callbacks.append(early_stopping(choice.monitor, choice.early_stopping))
    deterministic: Any = choice.deterministic
    # Else deterministic mode fills new memory, for those who look for reads of what was never written: a fifth of a
    # small step on a GPU.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    return L.Trainer(
        accelerator=accelerator,
        devices=process_group.context.local_world_size,
        num_nodes=process_group.context.num_nodes,
        strategy=execution,
        sync_batchnorm=choice.sync_batchnorm and process_group.world_size > 1,
        max_epochs=choice.max_epochs,
        precision=precision,
        deterministic=deterministic,
        gradient_clip_val=choice.gradient_clip,
        callbacks=callbacks,
        logger=False,  # the recorder tells each epoch once; Lightning's order of saving and logging leaves gaps
        default_root_dir=directory.path,
        plugins=[
            WholeCheckpointIO(
                {directory.last: directory.previous},
                background=process_group.world_size == 1,
                needed=directory.best,
            )
        ],
        num_sanity_val_steps=0,
        enable_model_summary=False,
        enable_progress_bar=False,
        use_distributed_sampler=False,
        **_extra_arguments(choice.extra, directory),
    )


def _extra_arguments(extra: dict[str, Any], directory: RunDirectory) -> dict[str, Any]:
    """Return arguments of `lightning.Trainer` with nodes instantiated; profilers write into the run directory."""
    given = {"dirpath": str(directory.path / "profiler")}
    nodes = {name: node for name, node in extra.items() if is_target(node)}
    return extra | {name: instantiate(node, **accepted(node, given)) for name, node in nodes.items()}


def ignore_known_warnings() -> None:
    """Silence warnings about what is done on purpose; call inside `warnings.catch_warnings()`."""
    # Few loader processes are chosen on purpose: pictures come from a memory map.
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    # Small data has fewer batches than the logging interval, which concerns metrics by step alone.
    warnings.filterwarnings("ignore", message=".*number of training batches.*smaller than the logging interval.*")
    # Lightning 2.6 asks torch's pytree (lightning/pytorch/utilities/_pytree.py) in a way that torch phases out.
    warnings.filterwarnings("ignore", message=".*isinstance.treespec, LeafSpec.*")
    # A frozen backbone is in eval mode on purpose.
    warnings.filterwarnings("ignore", message=".*module.s. in eval mode at the start of training.*")
    # A run from another run's checkpoint: its best one stays where it is.
    warnings.filterwarnings("ignore", message=".*The dirpath has changed.*")
    # Within an epoch Lightning expects a stateful loader; here the data module sets the position of its sampler.
    warnings.filterwarnings("ignore", message=".*resuming from a checkpoint that ended before the epoch ended.*")
