"""The LightningModule: backbone, head, loss, metrics, optimizer and schedule."""

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, cast

import lightning as L
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torchmetrics import Metric, MetricCollection

from artculture.config.schema.data import Fit
from artculture.config.schema.model import StageStatistics
from artculture.data.dataset import Batch
from artculture.data.transforms import Preprocessing, normalise
from artculture.models.backbones import make_backbone
from artculture.models.full_precision import full_precision
from artculture.models.lora import add_low_rank
from artculture.models.losses import UNBALANCED, MeanLoss, training_loss
from artculture.models.metrics import metric_prefix, stage_metrics, training_metrics
from artculture.models.network import Network
from artculture.models.optimizers import build_optimizer, parameter_groups
from artculture.models.schedulers import build_scheduler, steps_each_batch
from artculture.models.sections import check_sections
from artculture.models.stage_statistics import vector_length
from artculture.models.tasks import (
    build_heads,
    build_task_losses,
    by_task,
    known_by_task,
    labels_section,
    mean_losses,
    tasks_of,
    temperatures_in,
)
from artculture.models.uncertainty import Uncertainty
from artculture.models.weights import RANDOM, Start, load_start
from artculture.utils.errors import InputError
from artculture.utils.label_words import CULTURE, LabelWords

# What a checkpoint of ours says under "artculture"; raised when its meaning changes.
CHECKPOINT_FORMAT = 2
Section = Mapping[str, Any]


class CultureClassifier(L.LightningModule):
    """A backbone and a head that sort paintings into classes.

    Every argument is a plain value, so that a checkpoint rebuilds the module by itself. A section is a dict with a
    `name` and its values, as in `conf/`, or with the `_target_` of a class or function and the arguments for it.

    Args:
        backbone: name of the architecture.
        library: `torchvision`, `timm` or `custom`.
        classes: names in label order, of the primary label.
        label_name: what a class of it is called, as in `style`.
        tasks: fields of `tasks.Task` for each label, the primary one first, where there are several or it is ordinal.
        image_size: pixels; None for the size that the weights expect.
        fit: `crop`, `letterbox` or `stretch`; None for what the weights expect.
        backbone_node: of a custom backbone: its `_target_` and arguments.
        backbone_options: of a model of timm: further arguments of `timm.create_model`.
        head, loss, optimizer, scheduler: sections; the defaults are those of `conf/`.
        balance: section of what corrects the training loss for classes with few paintings.
        class_counts: number of training paintings of each class; needed where the balance depends on it.
        metrics: name to node of further metrics of the validation and test split.
        method: `finetuned`, `transfer`, `scratch` or `probe`.
        lora: `rank` and `alpha` of a low-rank adaptation of the backbone; None for none.
        head_lr, backbone_lr: first learning rates.
        stage_statistics: which statistics of the backbone's stages the head takes, too.
        channels_last: whether pictures and weights are in torch's channels_last memory format.

    Raises:
        InputError: a section without a value that its `name` needs, an unknown name, or a target that can't be called.

    Attributes:
        compiled: whether the backbone runs compiled, which rounds otherwise.
        tasks: the labels; logits of several are side by side, N x (sum of classes).
        temperatures: divisors of each label's logits for calibrated probabilities; `temperature` is the primary's.
        uncertainty: scores of the validation paintings, for prediction sets of the primary label; None if unknown.
    """

    def __init__(
        self,
        backbone: str,
        library: str,
        classes: Sequence[str],
        image_size: int | None = None,
        fit: Fit | None = None,
        tasks: Sequence[Section] | None = None,
        backbone_node: Section | None = None,
        backbone_options: Section = MappingProxyType({}),
        head: Section = MappingProxyType({"name": "mlp", "hidden": [512, 128], "dropout": 0.0}),
        loss: Section = MappingProxyType({"name": "cross_entropy", "label_smoothing": 0.1}),
        balance: Section = UNBALANCED,
        class_counts: Sequence[int] | None = None,
        optimizer: Section = MappingProxyType({"name": "sgd", "momentum": 0.9, "nesterov": True, "weight_decay": 1e-4}),
        scheduler: Section = MappingProxyType({"name": "plateau", "gamma": 0.1, "k": 4}),
        metrics: Section = MappingProxyType({}),
        method: str = "finetuned",
        lora: Section | None = None,
        head_lr: float = 0.02,
        backbone_lr: float = 0.01,
        channels_last: bool = False,
        stage_statistics: StageStatistics = "none",
        label_name: str = CULTURE,
    ) -> None:
        super().__init__()
        check_sections(
            head=head,
            loss=loss,
            balance=balance,
            optimizer=optimizer,
            scheduler=scheduler,
            method=method,
            stage_statistics=stage_statistics,
        )
        self.hyper: dict[str, Any] = {
            "classes": list(classes),
            "label_name": label_name,
            "backbone": backbone,
            "library": library,
            "backbone_options": dict(backbone_options),
            "backbone_node": None if backbone_node is None else dict(backbone_node),
            "head": dict(head),
            "loss": dict(loss),
            "balance": dict(balance),
            "class_counts": None if class_counts is None else [int(count) for count in class_counts],
            "optimizer": dict(optimizer),
            "scheduler": dict(scheduler),
            "metrics": dict(metrics),
            "method": method,
            "lora": None if lora is None else dict(lora),
            "head_lr": head_lr,
            "backbone_lr": backbone_lr,
            "image_size": image_size,
            "fit": fit,
            "channels_last": channels_last,
            "stage_statistics": stage_statistics,
        }
        self.tasks = tasks_of(tasks, classes, class_counts, self.words.key)
        if tasks:
            self.hyper["tasks"] = [task.as_plain() for task in self.tasks]
        # Not to the logger: a run logs its whole config, whose groups these names would overwrite.
        self.save_hyperparameters(self.hyper, logger=False)
        self.classes = tuple(classes)
        self.temperatures = [1.0] * len(self.tasks)
        self.uncertainty: Uncertainty | None = None
        self.start = RANDOM
        self.provenance: dict[str, Any] = {}
        self.compiled = False
        self.configure_network()
        self.configure_losses()
        self.configure_metrics()

    @property
    def words(self) -> LabelWords:
        """What a class of the primary label is called."""
        return LabelWords(self.hyper["label_name"])

    @property
    def temperature(self) -> float:
        return self.temperatures[0]

    @temperature.setter
    def temperature(self, value: float) -> None:
        self.temperatures[0] = value

    def configure_network(self) -> None:
        hyper = self.hyper
        self.backbone_parts = make_backbone(
            *(hyper[key] for key in ("backbone", "library", "backbone_node", "backbone_options", "image_size"))
        )
        self.preprocessing: Preprocessing = self.backbone_parts.preprocessing.at_size(hyper["image_size"], hyper["fit"])
        backbone, features = self.backbone_parts.module, self.backbone_parts.features
        if hyper["stage_statistics"] != "none":
            features = vector_length(backbone, self.preprocessing.image_size, hyper["stage_statistics"])
        head = build_heads(hyper["head"], features, self.tasks)
        self.network = Network(backbone, head, stage_statistics=hyper["stage_statistics"])
        self.register_buffer("mean", torch.tensor(self.preprocessing.mean), persistent=False)
        self.register_buffer("std", torch.tensor(self.preprocessing.std), persistent=False)

    def configure_losses(self) -> None:
        self.train_loss = build_task_losses(self.hyper["loss"], self.hyper["balance"], self.tasks)
        # Validation is judged without smoothing, so that it can be compared between methods.
        self.eval_loss = nn.CrossEntropyLoss()

    def configure_metrics(self) -> None:
        labels, own = len(self.tasks), self.hyper["metrics"]
        self.train_metrics = nn.ModuleDict({"loss": MeanLoss(), **training_metrics(self.tasks)})
        self.val_mean_loss, self.test_mean_loss = MeanLoss(labels), MeanLoss(labels)
        self.val_metrics = nn.ModuleList(stage_metrics(self.tasks, own, "val"))
        self.test_metrics = nn.ModuleList(stage_metrics(self.tasks, own, "test"))

    def start_from(self, weights: str) -> Start:
        """Load pretrained weights as `method` asks, freeze what it freezes, and say what was done.

        Raises:
            InputError: weights that can't be had or do not fit.
        """
        method = self.hyper["method"]
        if method != "scratch":
            self.start = load_start(self.backbone_parts, self.hyper["backbone"], self.hyper["library"], weights)
        self._freeze()
        return self.start

    def restart_from(self, content: dict[str, Any]) -> None:
        """Take over what a checkpoint says of the start; its weights come through Lightning."""
        said = content["artculture"]
        self.start = Start(said["weights"], said["pretrained"], said["imagenet"], untouched=tuple(said["untouched"]))
        self._freeze()

    def _freeze(self) -> None:
        method = self.hyper["method"]
        if method in ("transfer", "probe"):
            self.network.freeze_backbone(except_for=self.start.untouched if method == "transfer" else ())
        self._adapt()

    def _adapt(self) -> None:
        if self.hyper["lora"] is not None:
            add_low_rank(self.network.backbone, **self.hyper["lora"])

    def compile_backbone(self) -> None:
        """Compile the backbone, in place: the names in a checkpoint stay."""
        # A program a size of batch: one for several sizes rounds otherwise, and when it is made depends on what came
        # before, so that a resumed run would not end with the same numbers.
        self.network.backbone.compile(dynamic=False)
        self.compiled = True

    def setup(self, stage: str) -> None:
        if self.hyper["channels_last"]:
            self.network.to(memory_format=torch.channels_last)

    def forward(self, given: Tensor) -> Tensor:
        """Logits, float32 N x classes, of several labels side by side.

        Args:
            given: uint8 pictures N x 3 x H x W, normalised float ones, or what `embed` made of them, N x features.
        """
        features = given if given.ndim == 2 else self.embed(given)
        return cast(Tensor, self.network.head(features)).float()

    def embed(self, pictures: Tensor) -> Tensor:
        """Vectors before the head, N x features, of pictures as `forward` takes them."""
        return self.network.embed(self.prepared(pictures))

    def prepared(self, pictures: Tensor) -> Tensor:
        """What the network takes: uint8 pictures normalised, in the memory format that it was trained with."""
        if pictures.dtype == torch.uint8:
            pictures = normalise(pictures, cast(Tensor, self.mean), cast(Tensor, self.std))
        if self.hyper["channels_last"] and pictures.ndim == 4:
            pictures = pictures.contiguous(memory_format=torch.channels_last)
        return pictures

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Return `loss` and `mean_loss` (scalars; the second detached) and `logits` (N x classes, detached)."""
        pictures, labels, _, *mixed = batch
        logits = self(pictures)
        # A device without a picture of a small last batch takes part in the step all the same.
        loss = training_loss(self.train_loss, logits, labels, *mixed) if len(labels) else logits.sum()
        if loss.ndim:
            kind, shape = type(self.train_loss).__name__, tuple(loss.shape)
            raise InputError(f"the loss `{kind}` returns a tensor of shape {shape}; a loss returns a batch's mean")
        return {"loss": loss, "mean_loss": loss.detach(), "logits": logits.detach()}

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        self.count(self.train_metrics, outputs, batch)
        if self.trainer.is_last_batch:
            # Once an epoch is enough for sums, and what Lightning does for it takes the host longer than a step.
            names = ["train/loss", *(f"{metric_prefix(self.tasks, n, 'train')}top1" for n in range(len(self.tasks)))]
            for name, metric in zip(names, self.train_metrics.values(), strict=True):
                self.log(name, cast(Metric, metric), on_step=False, on_epoch=True)

    def count(self, metrics: nn.ModuleDict, outputs: dict[str, Tensor], batch: Batch) -> None:
        """Update training metrics with the outputs of `training_step`; of mixed images, the larger label counts."""
        labels = batch[1]
        if len(labels):
            cast(MeanLoss, metrics["loss"]).update(outputs["mean_loss"], len(labels))
            parts = by_task(self.tasks, outputs["logits"], labels)
            for metric, (scores, truth) in zip(list(metrics.values())[1:], parts, strict=True):
                cast(Metric, metric).update(scores, truth)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self._evaluate(batch, "val", self.val_mean_loss, self.val_metrics)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        self._evaluate(batch, "test", self.test_mean_loss, self.test_metrics)

    def _evaluate(self, batch: Batch, stage: str, mean_loss: MeanLoss, metrics: nn.ModuleList) -> None:
        pictures, labels, _ = batch
        logits = self(pictures)
        collections = [cast(MetricCollection, each) for each in metrics]
        if len(labels):
            parts = list(known_by_task(self.tasks, logits, labels))
            for collection, (scores, truth) in zip(collections, parts, strict=True):
                if len(truth):  # torchmetrics (1.9) takes no empty batch
                    collection.update(scores, truth)
            mean_loss.update(*mean_losses(self.eval_loss, parts))
        # Sums over paintings, which metrics add up over devices: exact, however many there are.
        self.log(f"{stage}/loss", mean_loss, batch_size=len(labels))
        for collection in collections:
            self.log_dict(collection, batch_size=len(labels))

    def predict_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> tuple[Tensor, Tensor]:
        """Return logits float32 N x classes, computed in float32 whatever the training runs in, and rows int64 N."""
        pictures, _, rows = batch
        with full_precision(self.device, self.compiled):
            return self(pictures), rows

    def make_optimizer(self, *, fused: bool = False) -> Optimizer:
        """Return a new optimizer of the parameters that train, with their first learning rates."""
        hyper = self.hyper
        rates = hyper["head_lr"], hyper["backbone_lr"]
        groups = parameter_groups(self.network, hyper["method"], *rates, hyper["optimizer"])
        return build_optimizer(hyper["optimizer"], groups, fused=fused)

    def configure_optimizers(self) -> Any:
        trainer = self.trainer
        # A fused step unscales gradients by itself, after Lightning has clipped them.
        optimizer = self.make_optimizer(fused=trainer.precision != "16-mixed")
        if trainer.precision == "bf16-mixed":
            # Lightning refuses to clip for an optimizer that could unscale, also where nothing is scaled.
            optimizer._step_supports_amp_scaling = False  # type: ignore[attr-defined]
        trainer.fit_loop.setup_data()  # a trainer with max_steps alone has not counted the batches yet
        batches = int(trainer.num_training_batches)
        steps = max(1, batches // trainer.accumulate_grad_batches)
        # A trainer that is limited by steps has no number of epochs.
        epochs = max(1, math.ceil(trainer.estimated_stepping_batches / steps))
        scheduler = build_scheduler(self.hyper["scheduler"], optimizer, steps, epochs)
        # A schedule by epoch is stepped with the last batch: Lightning's own interval `epoch` steps after the
        # checkpoint of the epoch is written, and each resume would lose a step.
        frequency = 1 if steps_each_batch(self.hyper["scheduler"]) else batches
        schedule = {"scheduler": scheduler, "interval": "step", "frequency": frequency}
        return {"optimizer": optimizer, "lr_scheduler": {**schedule, "monitor": "val/loss", "strict": False}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["artculture"] = {
            "format": CHECKPOINT_FORMAT,
            "classes": list(self.classes),
            "preprocessing": self.preprocessing.as_plain(),
            "temperature": self.temperatures[0],
            **labels_section(self.tasks, self.temperatures),
            "weights": self.start.label,
            "pretrained": self.start.pretrained,
            "imagenet": self.start.imagenet,
            "untouched": list(self.start.untouched),
            **self.provenance,
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._adapt()
        self.temperatures = temperatures_in(checkpoint["artculture"])
