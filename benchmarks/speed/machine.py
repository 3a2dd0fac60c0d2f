"""The machine that measured: its name, and the circumstances that a reader of the numbers must know."""

import os
import re
import sys
from collections.abc import Iterator
from datetime import datetime
from importlib import metadata

import torch

from artculture.utils.hardware import cores, cpu_name
from benchmarks.speed.plan import Plan

PACKAGES = ("torch", "torchvision", "lightning", "timm", "pillow", "numpy")


def title(device: torch.device) -> str:
    """As in `AMD EPYC, 2 cores` or `NVIDIA H100, 16 cores`."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else cpu_name()
    return f"{name}, {cores()} cores"


def file_name(device: torch.device) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title(device).lower()).strip("-") + ".md"


def circumstances(plan: Plan, argv: list[str]) -> Iterator[str]:
    """Sentences for the head of a section."""
    load = os.getloadavg()[0]
    busy = " **The machine was busy with other work: read the ratios with care.**" if load > 0.5 * cores() else ""
    yield f"{datetime.now():%Y-%m-%d %H:%M}, load average {load:.1f} at the start.{busy}"
    precision = "bf16 autocast" if plan.gains else "fp32"
    threads = f"{torch.get_num_threads()} threads, the peers' loader processes: {plan.workers}"
    yield f"Device {plan.device.type}, our precision here: {precision}, {threads}."
    yield f"`{' '.join(['python', '-m', 'benchmarks.speed', *argv])}`"
    yield f"Python {sys.version.split()[0]}, " + ", ".join(f"{name} {_version(name)}" for name in PACKAGES) + "."


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "missing"
