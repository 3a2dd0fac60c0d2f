"""What plain Lightning does when it is killed: its own checkpoint callback, its own resume, nothing of ours."""

from pathlib import Path
from typing import Any

import lightning as L
import timm
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch.utils.data import DataLoader, TensorDataset
from torchvision.transforms import v2

EPOCHS, BATCH, TRAIN, VAL = 4, 8, 52, 11


class Plain(L.LightningModule):
    """As a careful user writes it by the book."""

    def __init__(self) -> None:
        super().__init__()
        self.network = timm.create_model("test_resnet", num_classes=11, drop_rate=0.3)
        self.augment = v2.RandomHorizontalFlip()

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        pictures, labels = batch
        loss = torch.nn.functional.cross_entropy(self.network(self.augment(pictures)), labels)
        self.log("train/loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        pictures, labels = batch
        self.log("val/loss", torch.nn.functional.cross_entropy(self.network(pictures), labels))

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), lr=0.05, momentum=0.9)
        scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=0)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "monitor": "val/loss"}}


def train(folder: Path) -> int:
    """Train, resumed from the last checkpoint where there is one; final weights go to `weights.pt`."""
    L.seed_everything(0, workers=True, verbose=False)
    made = torch.Generator().manual_seed(1)
    pictures = torch.rand(TRAIN + VAL, 3, 32, 32, generator=made)
    labels = torch.randint(0, 11, (TRAIN + VAL,), generator=made)
    held_out = TensorDataset(pictures[TRAIN:], labels[TRAIN:])
    checkpoints = ModelCheckpoint(folder, filename="step", save_last=True, every_n_train_steps=2, save_top_k=1)
    module = Plain()
    trainer = L.Trainer(
        accelerator="cpu",
        max_epochs=EPOCHS,
        deterministic=True,
        callbacks=[checkpoints],
        logger=False,
        num_sanity_val_steps=0,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(
        module,
        DataLoader(TensorDataset(pictures[:TRAIN], labels[:TRAIN]), BATCH, shuffle=True),
        DataLoader(held_out, 16),
        ckpt_path="last",
        weights_only=False,
    )
    torch.save(module.state_dict(), folder / "weights.pt")
    return 0


def same(one: Path, other: Path) -> bool:
    left, right = (torch.load(folder / "weights.pt", weights_only=True) for folder in (one, other))
    return all(torch.equal(left[key], right[key]) for key in left)
