"""Throughput and peak memory of a run, measured in a few steps on random pixels in a separate process.

`python -m artculture.studies.measurement` reads {"config": …, "classes": n} from stdin and prints the result as JSON.
"""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from artculture.config.schema.model import Probe
from artculture.config.schema.train import TrainConfig, plain
from artculture.training.acceleration.cuda_graph import CapturedStep
from artculture.training.factory import make_classifier
from artculture.training.numeric_choice import decided
from artculture.utils import hardware
from artculture.utils.errors import WorkError
from artculture.utils.io import json_text

WARM_UP_STEPS, STEPS = 1, 3


def measure_in_subprocess(config: TrainConfig, classes: int) -> dict[str, float]:
    """Measure throughput and peak memory of a run in a separate process.

    Args:
        config: the run's config.
        classes: number of classes.

    Returns:
        `train` and `forward` in images/s; `peak_memory` in bytes if the platform reports it.

    Raises:
        WorkError: the steps failed, for example out of memory.
    """
    given = json_text({"config": plain(config), "classes": classes}, ensure_ascii=True)
    command = [sys.executable, "-m", "artculture.studies.measurement"]
    done = subprocess.run(command, input=given, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise WorkError(f"the steps of {config.architecture.name} could not be measured: {last}")
    numbers: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return numbers


def measure(config: TrainConfig, classes: int) -> dict[str, float]:
    """Measure in this process; returns the same as `measure_in_subprocess`."""
    config = decided(config)
    accelerator = hardware.real_accelerator(config.trainer.accelerator)
    device = torch.device("cuda" if accelerator == "gpu" else accelerator)
    module = make_classifier(config, tuple(map(str, range(classes))), class_counts=[1] * classes)
    # The values of the weights affect neither time nor memory, so none are loaded.
    module._freeze()
    module.setup("fit")
    module.to(device).train()
    size, batch = module.preprocessing.image_size, config.data.batch_size
    images = torch.randint(0, 256, (batch, 3, size, size), dtype=torch.uint8, device=device)
    labels = torch.randint(0, classes, (batch,), device=device)
    precision = hardware.real_precision(config.trainer.precision, accelerator)
    half = torch.float16 if precision.startswith("16") else torch.bfloat16
    autocast = torch.autocast(device.type, half, enabled="mixed" in precision)

    def forward() -> None:
        with autocast, torch.inference_mode():
            module(images)

    if isinstance(config.method, Probe):
        rate = _rate(forward, batch, device)
        return _with_memory({"train": rate, "forward": rate}, accelerator)
    weights = [parameter for parameter in module.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(weights, lr=1e-6, momentum=0.9)

    def loss_and_logits(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        outputs = module.training_step((images, labels, labels), 0)
        return outputs["loss"], outputs["logits"]

    def forward_backward() -> None:
        optimizer.zero_grad()
        with autocast:
            loss, _ = loss_and_logits(images, labels)
        loss.backward()  # type: ignore[no-untyped-call]

    def train() -> None:
        gradients()
        optimizer.step()

    gradients: Callable[[], object] = forward_backward
    if device.type == "cuda" and config.trainer.cuda_graphs and half != torch.float16:
        with autocast, contextlib.suppress(RuntimeError):  # fall back to eager execution, as in training
            gradients = CapturedStep(module.network, loss_and_logits, images, labels).replay_again

    rates = {"train": _rate(train, batch, device), "forward": _rate(forward, batch, device)}
    return _with_memory(rates, accelerator)


def _with_memory(rates: dict[str, float], accelerator: str) -> dict[str, float]:
    memory = hardware.peak_memory(accelerator)
    return rates if memory is None else {**rates, "peak_memory": float(memory)}


def _rate(step: Callable[[], None], batch: int, device: torch.device) -> float:
    for _ in range(WARM_UP_STEPS):
        step()
    began = _now(device)
    for _ in range(STEPS):
        step()
    return STEPS * batch / (_now(device) - began)


def _now(device: torch.device) -> float:
    hardware.wait_for(device)
    return time.perf_counter()


def main() -> None:
    given: dict[str, Any] = json.load(sys.stdin)
    numbers = measure(TrainConfig.model_validate(given["config"]), given["classes"])
    sys.stdout.write(json_text(numbers) + "\n")


if __name__ == "__main__":
    main()
