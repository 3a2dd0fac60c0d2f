"""Peer: the recipe of torchvision's tutorials. ImageFolder, PIL, a DataLoader and a plain loop."""

import time
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from artculture.models.network import Network
from artculture.utils.hardware import wait_for
from benchmarks.speed.job import DECAY, MEAN, MOMENTUM, RATE, STD, Job

NAME = "torchvision recipe"


def train_folder(job: Job) -> ImageFolder:
    steps = [
        transforms.RandomResizedCrop(job.image_size, scale=job.crop_scale, ratio=job.crop_ratio),
        transforms.RandomHorizontalFlip(),
        transforms.ToTensor(),
        transforms.Normalize(MEAN, STD),
    ]
    return ImageFolder(str(job.root / "train"), transforms.Compose(steps))


def eval_folder(job: Job, split: str, resize: int) -> ImageFolder:
    steps = [
        transforms.Resize(resize),
        transforms.CenterCrop(job.image_size),
        transforms.ToTensor(),
        transforms.Normalize(MEAN, STD),
    ]
    return ImageFolder(str(job.root / split), transforms.Compose(steps))


def loader(job: Job, folder: ImageFolder, *, shuffle: bool, workers: int | None = None) -> DataLoader[Any]:
    workers = job.plan.workers if workers is None else workers
    return DataLoader(folder, job.batch_size, shuffle=shuffle, num_workers=workers, pin_memory=job.plan.on_gpu)


def optimiser(network: nn.Module) -> torch.optim.SGD:
    trainable = [parameter for parameter in network.parameters() if parameter.requires_grad]
    return torch.optim.SGD(trainable, lr=RATE, momentum=MOMENTUM, weight_decay=DECAY)


def train_epoch(job: Job, network: Network, batches: DataLoader[Any], optimizer: torch.optim.Optimizer) -> float:
    """One epoch of the tutorials' loop; the mean loss."""
    criterion = nn.CrossEntropyLoss()
    running_loss, running_corrects, seen = 0.0, 0, 0
    for inputs, labels in batches:
        inputs, labels = job.moved(inputs), labels.to(job.device)
        optimizer.zero_grad()
        with job.autocast():
            outputs = job.logits(network, inputs)
            loss = criterion(outputs, labels)
        loss.backward()
        optimizer.step()
        running_loss += loss.item() * len(labels)
        running_corrects += torch.sum(outputs.argmax(1) == labels)
        seen += len(labels)
    return running_loss / seen


def epoch(job: Job) -> float:
    """Seconds of an epoch of training, from asking the loader to the last step."""
    network = job.network()
    batches, optimizer = loader(job, train_folder(job), shuffle=True), optimiser(network)
    wait_for(job.device)
    began = time.perf_counter()
    train_epoch(job, network, batches, optimizer)
    wait_for(job.device)
    return time.perf_counter() - began
