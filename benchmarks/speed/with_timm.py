"""Peer: timm's dataset and loader with their defaults (no colour jitter), and a loop as in its train.py."""

import time
from importlib.util import find_spec
from typing import Any

from torch import nn

from artculture.utils.hardware import wait_for
from benchmarks.speed.job import DECAY, MOMENTUM, RATE, Job

NAME = "timm"
LOG_INTERVAL = 50


def installed() -> bool:
    return find_spec("timm") is not None


def loader(job: Job, workers: int | None = None) -> Any:
    from timm.data import create_dataset, create_loader

    dataset = create_dataset("", root=str(job.root), split="train", is_training=True, batch_size=job.batch_size)
    return create_loader(
        dataset,
        input_size=(3, job.image_size, job.image_size),
        batch_size=job.batch_size,
        is_training=True,
        # The same changes of the pictures on all sides: the default jitter would slow it down further.
        scale=job.crop_scale,
        ratio=job.crop_ratio,
        color_jitter=0.0,
        num_workers=job.plan.workers if workers is None else workers,
        device=job.device,
        pin_memory=job.plan.on_gpu,
    )


def epoch(job: Job) -> float:
    """Seconds of an epoch of training, from asking the loader to the last step."""
    from timm.optim import create_optimizer_v2
    from timm.utils import AverageMeter

    network, batches, criterion = job.network(), loader(job), nn.CrossEntropyLoss()
    optimizer = create_optimizer_v2(network, opt="sgd", lr=RATE, momentum=MOMENTUM, weight_decay=DECAY)
    losses = AverageMeter()
    wait_for(job.device)
    began = time.perf_counter()
    optimizer.zero_grad()
    for index, (inputs, target) in enumerate(batches):
        inputs = job.moved(inputs)
        with job.autocast():
            loss = criterion(job.logits(network, inputs), target)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if index % LOG_INTERVAL == 0 or index == len(batches) - 1:
            losses.update(loss.item(), len(target))
    wait_for(job.device)
    return time.perf_counter() - began
