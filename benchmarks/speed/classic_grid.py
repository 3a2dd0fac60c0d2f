"""The six rows of Table 2 as a plain script of torchvision's recipe trains them, one after the other."""

import argparse
import copy
import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import ReduceLROnPlateau, StepLR
from torch.utils.data import DataLoader

from benchmarks.speed import classic, ours
from benchmarks.speed.job import Job
from benchmarks.speed.plan import Plan, add_options, planned

ROWS = (
    ("resnet50", "plateau", "finetuned"),
    ("resnet50", "step", "finetuned"),
    ("vgg16_bn", "step", "finetuned"),
    ("alexnet", "step", "finetuned"),
    ("resnet50", "step", "transfer"),
    ("resnet50", "step", "scratch"),
)
# torchvision's own: shorter side before the centre crop, to the crop's.
RESIZE = 256 / 224


def train_row(plan: Plan, row: tuple[str, str, str], root: Path, *, precise: bool) -> float:
    """Train, keep the best epoch's weights, test them; seconds of the epochs."""
    architecture, schedule, method = row
    typed = [f"architecture={architecture}", "architecture.weights=none", f"method={method}"]
    typed += ["data=folder", f"data.root={root}", f"data.image_size={plan.image_size}"]
    config = ours.composed([*typed, f"data.batch_size={plan.batch_size}"])
    job = Job.of(plan, config, root, ours=precise)
    network = job.network()
    optimizer = classic.optimiser(network)
    scheduler = ReduceLROnPlateau(optimizer) if schedule == "plateau" else StepLR(optimizer, 10)
    train = classic.loader(job, classic.train_folder(job), shuffle=True)
    resize = round(RESIZE * plan.image_size)
    held_out = {
        split: classic.loader(job, classic.eval_folder(job, split, resize), shuffle=False) for split in ("val", "test")
    }
    best, best_weights = -1.0, network.state_dict()
    began = time.perf_counter()
    for _ in range(plan.grid_epochs[0]):
        network.train()
        classic.train_epoch(job, network, train, optimizer)
        loss, accuracy = evaluate(job, network, held_out["val"])
        if isinstance(scheduler, ReduceLROnPlateau):
            scheduler.step(loss)
        else:
            scheduler.step()
        if accuracy > best:
            best, best_weights = accuracy, copy.deepcopy(network.state_dict())
            torch.save(best_weights, root / "best.pt")
    seconds = time.perf_counter() - began
    network.load_state_dict(best_weights)
    evaluate(job, network, held_out["test"])
    return seconds


@torch.no_grad()
def evaluate(job: Job, network: nn.Module, batches: DataLoader[Any]) -> tuple[float, float]:
    """Mean loss and accuracy."""
    network.eval()
    loss, right, seen = 0.0, 0, 0
    for inputs, labels in batches:
        labels = labels.to(job.device)
        with job.autocast():
            outputs = network(job.moved(inputs))
        loss += nn.functional.cross_entropy(outputs.float(), labels).item() * len(labels)
        right += int((outputs.argmax(1) == labels).sum())
        seen += len(labels)
    return loss / seen, right / seen


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path, help="train, val and test, each with a folder a class")
    parser.add_argument("--ours", action="store_true", help="with artculture's precision and memory format")
    add_options(parser)
    given = parser.parse_args()
    plan = planned(given)
    found = {" ".join(row): train_row(plan, row, given.root, precise=given.ours) for row in ROWS}
    sys.stdout.write(json.dumps(found) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
