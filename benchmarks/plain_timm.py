"""Fine-tuning in plain PyTorch with timm's parts: what a good script without this package does on the same split.

AdamW with layer decay, a cosine with warm-up, RandAugment, MixUp and CutMix, label smoothing, an average of the weights
that is validated after each epoch, clipping, bfloat16 in channels_last.

python -m benchmarks.plain_timm --split RUN/split.csv --root PICTURES --weights FILE --epochs 12 --output FOLDER
"""

import argparse
import copy
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import timm
import torch
from PIL import Image
from timm.data import Mixup, create_transform, resolve_data_config
from timm.loss import SoftTargetCrossEntropy
from timm.optim import create_optimizer_v2
from timm.scheduler import CosineLRScheduler
from timm.utils import ModelEmaV3
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

MODEL = "tf_efficientnet_lite0"
BATCH, LR, WEIGHT_DECAY, LAYER_DECAY, EMA, SMOOTHING = 32, 1e-3, 0.05, 0.75, 0.99, 0.1


class Pictures(Dataset[tuple[Tensor, int]]):
    def __init__(self, files: list[Path], labels: list[int], transform: Any) -> None:
        self.files, self.labels, self.transform = files, labels, transform

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, place: int) -> tuple[Tensor, int]:
        with Image.open(self.files[place]) as picture:
            return self.transform(picture.convert("RGB")), self.labels[place]


def files_of(root: Path, ids: pd.Series) -> list[Path]:
    """Return the picture of each id: by the table of the folder, or a file of that name in a folder of classes."""
    table = root / "manifest.csv"
    if table.is_file():
        images = pd.read_csv(table, dtype=str).set_index("object_id")["image"]
        return [root / image for image in images[ids]]
    return [root / f"{name}.jpg" for name in ids]


def make_model(weights: str, classes: int) -> nn.Module:
    model = timm.create_model(MODEL, num_classes=classes, drop_rate=0.2)
    state = torch.load(weights, weights_only=True)
    model.load_state_dict({key: state[key].float() for key in state if not key.startswith("classifier.")}, strict=False)
    return model.to(memory_format=torch.channels_last)


@torch.no_grad()
def probabilities(model: nn.Module, loader: DataLoader[Any]) -> np.ndarray[Any, Any]:
    model.eval()
    parts = [model(pictures.contiguous(memory_format=torch.channels_last)) for pictures, _ in loader]
    return torch.cat(parts).softmax(dim=1).double().numpy()


def train(split: Path, root: Path, weights: str, epochs: int, seed: int, output: Path) -> pd.DataFrame:
    """Train, and write predictions.csv of the validation and test pictures by the epoch that is best on validation."""
    torch.manual_seed(seed)
    np.random.seed(seed)
    table = pd.read_csv(split, dtype=str, keep_default_na=False)
    classes = sorted(table["culture"].unique())
    labels = table["culture"].map(classes.index)
    model = make_model(weights, len(classes))
    config = resolve_data_config({}, model=model)
    usual = {"mean": config["mean"], "std": config["std"], "interpolation": config["interpolation"]}
    augmented = create_transform(
        224, is_training=True, scale=(0.35, 1.0), hflip=0.5, color_jitter=None, auto_augment="rand-m7-n2", **usual
    )
    plain = create_transform(224, crop_pct=config["crop_pct"], **usual)

    def loader(name: str, transform: Any, **more: Any) -> DataLoader[Any]:
        part = table[table["split"] == name]
        pictures = Pictures(files_of(root, part["object_id"]), labels[part.index].tolist(), transform)
        return DataLoader(pictures, BATCH, **more)

    training = loader("train", augmented, shuffle=True, drop_last=True)
    held_out = {name: loader(name, plain) for name in ("val", "test")}
    truth = labels[table["split"] == "val"].to_numpy()

    mix = Mixup(mixup_alpha=0.2, cutmix_alpha=1.0, label_smoothing=SMOOTHING, num_classes=len(classes))
    optimizer = create_optimizer_v2(model, "adamw", lr=LR, weight_decay=WEIGHT_DECAY, layer_decay=LAYER_DECAY)
    steps = epochs * len(training)
    schedule = CosineLRScheduler(optimizer, steps, warmup_t=steps // 10, warmup_lr_init=1e-6, t_in_epochs=False)
    average, loss_of = ModelEmaV3(model, decay=EMA, use_warmup=True), SoftTargetCrossEntropy()
    best, state, step = -1.0, copy.deepcopy(average.module.state_dict()), 0
    for epoch in range(epochs):
        model.train()
        for pictures, targets in training:
            schedule.step_update(step)
            mixed, shares = mix(pictures.contiguous(memory_format=torch.channels_last), targets)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                logits = model(mixed)
            optimizer.zero_grad()
            loss_of(logits.float(), shares).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            step += 1
            average.update(model, step=step)
        right = float((probabilities(average.module, held_out["val"]).argmax(axis=1) == truth).mean())
        sys.stderr.write(f"epoch {epoch + 1}: {100 * right:.1f} % of the validation pictures\n")
        if right >= best:
            best, state = right, copy.deepcopy(average.module.state_dict())

    average.module.load_state_dict(state)
    parts = []
    for name, pictures in held_out.items():
        part = table.loc[table["split"] == name, ["source", "object_id", "split", "culture"]]
        found = pd.DataFrame(probabilities(average.module, pictures), part.index, [f"p_{each}" for each in classes])
        parts.append(part.join(found))
    predictions = pd.concat(parts)
    output.mkdir(parents=True, exist_ok=True)
    predictions.to_csv(output / "predictions.csv", index=False)
    return predictions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--split", "--root", "--output"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--weights", required=True, help="state dict of timm's tf_efficientnet_lite0")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    began = time.monotonic()
    found = train(given.split, given.root, given.weights, given.epochs, given.seed, given.output)
    test = found[found["split"] == "test"]
    guesses = test.filter(regex="^p_").idxmax(axis=1).str.removeprefix("p_")
    right = 100 * (guesses == test["culture"]).mean()
    sys.stdout.write(f"test top-1: {right:.1f} %, {time.monotonic() - began:.0f} s\n")


if __name__ == "__main__":
    main()
