"""Speed of this machine in short measurements: decoding, and training steps by precision and memory format."""

import io
import time
from collections.abc import Callable

import numpy as np
import torch
import torchvision
from PIL import Image
from torch import Tensor, nn

from artculture.data.decoding import read_pixels
from artculture.utils.hardware import real_accelerator, wait_for

PICTURE = (800, 600)
BATCH, IMAGE_SIZE = 16, 128
SECONDS = 1.0
# Precision and memory format, as `trainer.precision` and `trainer.channels_last` choose them.
FORMATS = {
    "32": (torch.float32, torch.contiguous_format),
    "32, channels_last": (torch.float32, torch.channels_last),
    "bf16-mixed, channels_last": (torch.bfloat16, torch.channels_last),
}


def decoding_rate() -> float:
    """Return how many JPEGs of 800 x 600 pixels one core decodes and resizes to 256 px per second."""
    noise = np.random.default_rng(0).integers(0, 256, (PICTURE[1] // 8, PICTURE[0] // 8, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).resize(PICTURE).save(buffer, "JPEG", quality=90)
    data = buffer.getvalue()
    return _rate(lambda: read_pixels(data, 256, "bilinear"))


def training_rates() -> dict[str, float]:
    """Return the images per second of a ResNet-18's training steps (128 px, batches of 16) by precision and format."""
    accelerator = real_accelerator("auto")
    device = torch.device("cuda" if accelerator == "gpu" else accelerator)
    return {name: BATCH * _rate(_step(device, *formats), device) for name, formats in FORMATS.items()}


def _step(device: torch.device, dtype: torch.dtype, memory_format: torch.memory_format) -> Callable[[], object]:
    model = torchvision.models.resnet18(weights=None).to(device=device, memory_format=memory_format)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    pictures = torch.randn(BATCH, 3, IMAGE_SIZE, IMAGE_SIZE, device=device).contiguous(memory_format=memory_format)
    labels = torch.zeros(BATCH, dtype=torch.int64, device=device)

    def step() -> None:
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            loss: Tensor = nn.functional.cross_entropy(model(pictures), labels)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def _rate(work: Callable[[], object], device: torch.device | None = None) -> float:
    """How often per second work is done, after a warm-up."""
    work()
    done, start = 0, time.perf_counter()
    while (seconds := time.perf_counter() - start) < SECONDS or not done:
        work()
        if device is not None:
            wait_for(device)
        done += 1
    return done / seconds
