from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path

import lightning as L
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from artculture.data.transforms import Preprocessing
from artculture.models.backbones import Backbone
from artculture.models.classifier import CultureClassifier

CLASSES = ("blue", "green", "red")
STEP = {"name": "step", "gamma": 0.1, "k": 2}


@pytest.fixture(autouse=True)
def _same_start() -> None:
    torch.manual_seed(0)


@pytest.fixture
def small() -> Backbone:
    """A convolution with BatchNorm and a linear layer, as VGG has them, but tiny."""
    features = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(2))
    classifier = nn.Sequential(nn.Linear(16, 8), nn.ReLU())
    module = nn.Sequential(OrderedDict(features=features, flatten=nn.Flatten(), classifier=classifier))
    return Backbone(module, 8, "classifier.2", Preprocessing(32, 36, "bilinear", (0.5,) * 3, (0.5,) * 3))


@pytest.fixture
def make() -> Callable[..., CultureClassifier]:
    """A classifier with a stub backbone, with anything changed."""

    def classifier(dropout: float = 0.0, label_smoothing: float = 0.0, **changes) -> CultureClassifier:
        usual = {"backbone": "test_resnet", "library": "timm", "classes": CLASSES, "image_size": 32}
        usual |= {"scheduler": STEP, "head_lr": 0.05, "backbone_lr": 0.05}
        usual["head"] = {"name": "mlp", "hidden": [16, 8], "dropout": dropout}
        usual["loss"] = {"name": "cross_entropy", "label_smoothing": label_smoothing}
        return CultureClassifier(**{**usual, **changes})

    return classifier


def tinted(n: int, seed: int) -> list[tuple[Tensor, int, int]]:
    draw = torch.Generator().manual_seed(seed)
    pictures = torch.randint(0, 200, (n, 3, 32, 32), generator=draw, dtype=torch.uint8)
    for row in range(n):
        pictures[row, 2 - row % 3] += 55
    return [(pictures[row], row % 3, row) for row in range(n)]


@pytest.fixture
def batches() -> DataLoader:
    """22 pictures, the last batch smaller than the others."""
    return DataLoader(tinted(22, 0), batch_size=8)


@pytest.fixture
def held_out() -> DataLoader:
    return DataLoader(tinted(14, 1), batch_size=9)


@pytest.fixture
def fit(batches: DataLoader, held_out: DataLoader, tmp_path: Path) -> Iterator[Callable[..., L.Trainer]]:
    """Train a classifier for some epochs, on the CPU unless given otherwise."""

    def train(module: CultureClassifier, epochs: int = 2, **more) -> L.Trainer:
        quiet = dict.fromkeys(["logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"], False)
        usual = {**quiet, "accelerator": "cpu", "log_every_n_steps": 1, "num_sanity_val_steps": 0}
        trainer = L.Trainer(max_epochs=epochs, **{**usual, **more})
        trainer.fit(module, batches, held_out)
        return trainer

    yield train
    torch.use_deterministic_algorithms(False)
