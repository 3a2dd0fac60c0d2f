"""The LightningModule: one painting in, logits over cultures out; loss, metrics, optimiser and schedule."""

from collections.abc import Sequence
from typing import Any, cast

import lightning as L
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score

from artculture.data.datamodule import Batch
from artculture.data.draws import derived_seed
from artculture.data.transforms import Preprocessing, normalise
from artculture.models.backbones import make_backbone
from artculture.models.network import Network, make_head
from artculture.models.schedules import Schedule, make_scheduler
from artculture.models.weights import RANDOM, Start, load_start

# What a checkpoint of ours says under "artculture"; raised when its meaning changes.
CHECKPOINT_FORMAT = 1


class CultureClassifier(L.LightningModule):
    """A backbone with the three-layer head, trained by SGD.

    Every argument is a plain value, so that a checkpoint rebuilds the module by itself.

    Args:
        architecture: name of the backbone.
        library: `torchvision` or `timm`.
        classes: names in label order.
        image_size: pixels; None for what the weights expect.
        hidden: sizes of the head's hidden layers.
        dropout: before each of the head's layers.
        method: `finetuned`, `transfer` or `scratch`.
        schedule: as `Schedule`'s attributes.
        head_lr, backbone_lr, momentum, nesterov, weight_decay, label_smoothing: of SGD and the loss.
        channels_last: memory format.
        seed: of everything the training step draws (dropout).
    """

    def __init__(
        self,
        architecture: str,
        library: str,
        classes: Sequence[str],
        image_size: int | None = None,
        hidden: Sequence[int] = (512, 128),
        dropout: float = 0.0,
        method: str = "finetuned",
        schedule: dict[str, Any] | None = None,
        head_lr: float = 0.01,
        backbone_lr: float = 0.01,
        momentum: float = 0.9,
        nesterov: bool = True,
        weight_decay: float = 1e-4,
        label_smoothing: float = 0.0,
        channels_last: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        # Not to the logger: a run logs its whole config, whose groups these names would overwrite.
        self.save_hyperparameters(logger=False)
        self.hyper: dict[str, Any] = dict(self.hparams)
        self.classes = tuple(classes)
        # What the logits are divided by for calibrated probabilities; `load_classifier` sets it.
        self.temperature = 1.0
        self.start = RANDOM
        self.provenance: dict[str, Any] = {}
        self.configure_network()
        self.configure_losses()
        self.configure_metrics()

    def configure_network(self) -> None:
        self.backbone_parts = make_backbone(self.hyper["architecture"], self.hyper["library"])
        self.preprocessing: Preprocessing = self.backbone_parts.preprocessing.at_size(self.hyper["image_size"])
        head = make_head(self.backbone_parts.features, self.hyper["hidden"], len(self.classes), self.hyper["dropout"])
        self.network = Network(self.backbone_parts.module, head)
        self.register_buffer("mean", torch.tensor(self.preprocessing.mean), persistent=False)
        self.register_buffer("std", torch.tensor(self.preprocessing.std), persistent=False)

    def configure_losses(self) -> None:
        self.train_loss = nn.CrossEntropyLoss(label_smoothing=self.hyper["label_smoothing"])
        # Validation is judged without smoothing, so that it can be compared between methods.
        self.eval_loss = nn.CrossEntropyLoss()

    def configure_metrics(self) -> None:
        n = len(self.classes)
        self.train_top1 = MulticlassAccuracy(n, average="micro")
        self.val_metrics = MetricCollection(
            {
                "top1": MulticlassAccuracy(n, average="micro"),
                "top3": MulticlassAccuracy(n, top_k=min(3, n), average="micro"),
                "macro_f1": MulticlassF1Score(n, average="macro"),
            },
            prefix="val/",
        )

    def start_from(self, weights: str) -> Start:
        """Load pretrained weights as `method` asks, freeze what it freezes, and say what was done.

        Raises:
            InputError: weights that can't be had or do not fit.
        """
        method = self.hyper["method"]
        if method != "scratch":
            name, library = self.hyper["architecture"], self.hyper["library"]
            self.start = load_start(self.backbone_parts, name, library, weights)
        self._freeze()
        return self.start

    def restart_from(self, content: dict[str, Any]) -> None:
        """Take over what a checkpoint says of the start; its weights come through Lightning."""
        said = content["artculture"]
        self.start = Start(said["weights"], said["pretrained"], said["imagenet"], untouched=tuple(said["untouched"]))
        self._freeze()

    def _freeze(self) -> None:
        if self.hyper["method"] == "transfer":
            self.network.freeze_backbone(except_for=self.start.untouched)

    def setup(self, stage: str) -> None:
        if self.hyper["channels_last"]:
            self.network.to(memory_format=torch.channels_last)

    def forward(self, given: Tensor) -> Tensor:
        """Logits, float32 N x classes.

        Args:
            given: uint8 pictures N x 3 x H x W, normalised float ones, or what `embed` made of them, N x features.
        """
        features = given if given.ndim == 2 else self.embed(given)
        return cast(Tensor, self.network.head(features)).float()

    def embed(self, pictures: Tensor) -> Tensor:
        """Vectors before the head, N x features, of pictures as `forward` takes them."""
        return cast(Tensor, self.network.backbone(self.prepared(pictures)))

    def prepared(self, pictures: Tensor) -> Tensor:
        """What the network takes: uint8 pictures normalised, in the memory format that it was trained with."""
        if pictures.dtype == torch.uint8:
            pictures = normalise(pictures, cast(Tensor, self.mean), cast(Tensor, self.std))
        if self.hyper["channels_last"]:
            pictures = pictures.contiguous(memory_format=torch.channels_last)
        return pictures

    def features_and_logits(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """The pooled vectors before the head, float32 N x features, and the logits that the head makes of them."""
        features = self.embed(pictures)
        return features.float(), cast(Tensor, self.network.head(features)).float()

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        # Dropout as a function of (seed, step): a resumed run draws what the undisturbed one would have drawn.
        torch.manual_seed(derived_seed(self.hyper["seed"], 1, self.global_step, self.global_rank))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        pictures, labels, _ = batch
        logits = self(pictures)
        loss: Tensor = self.train_loss(logits, labels)
        self.train_top1(logits, labels)
        self.log("train/loss", loss, on_step=False, on_epoch=True, batch_size=len(labels))
        self.log("train/top1", self.train_top1, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        pictures, labels, _ = batch
        logits = self(pictures)
        self.val_metrics.update(logits, labels)
        self.log("val/loss", self.eval_loss(logits, labels), batch_size=len(labels))
        self.log_dict(self.val_metrics)

    def predict_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> tuple[Tensor, Tensor]:
        """Probabilities float32 N x classes and the rows they belong to, int64 N."""
        pictures, _, rows = batch
        return self(pictures).softmax(dim=1), rows

    def configure_optimizers(self) -> Any:
        hyper = self.hyper
        groups = [
            {"params": list(self.network.head.parameters()), "lr": hyper["head_lr"], "name": "head"},
            {
                "params": [p for p in self.network.backbone.parameters() if p.requires_grad],
                # Layers that the weights left at random learn with the head in a frozen backbone.
                "lr": hyper["head_lr"] if hyper["method"] == "transfer" else hyper["backbone_lr"],
                "name": "backbone",
            },
        ]
        optimizer = torch.optim.SGD(
            [group for group in groups if group["params"]],
            lr=hyper["head_lr"],
            momentum=hyper["momentum"],
            nesterov=hyper["nesterov"],
            weight_decay=hyper["weight_decay"],
            # With a gradient scaler a fused step would unscale by itself, which forbids clipping.
            fused=self.trainer.precision != "16-mixed",
        )
        epochs = self.trainer.max_epochs or 1
        steps = max(1, int(self.trainer.estimated_stepping_batches) // epochs)
        scheduler = make_scheduler(Schedule(**hyper["schedule"]), optimizer, steps, epochs)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "monitor": "val/loss", "strict": False},
        }

    def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
        """Nothing: Lightning would step after the checkpoint is written, and a resume would miss that step.

        `on_train_epoch_end` (before the checkpoint) and `on_train_batch_end` step instead; Lightning still
        saves and restores the schedule's state.
        """

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        if Schedule(**self.hyper["schedule"]).by_step:
            cast(Any, self.lr_schedulers()).step()

    def on_train_epoch_end(self) -> None:
        for group in cast(Any, self.optimizers()).param_groups:
            self.log(f"lr/{group['name']}", float(group["lr"]))
        if Schedule(**self.hyper["schedule"]).by_step:
            return
        scheduler = cast(Any, self.lr_schedulers())
        if isinstance(scheduler, ReduceLROnPlateau):
            scheduler.step(self.trainer.callback_metrics["val/loss"])
        else:
            scheduler.step()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["artculture"] = {
            "format": CHECKPOINT_FORMAT,
            "classes": list(self.classes),
            "preprocessing": self.preprocessing.as_plain(),
            "weights": self.start.label,
            "pretrained": self.start.pretrained,
            "imagenet": self.start.imagenet,
            "untouched": list(self.start.untouched),
            **self.provenance,
        }
