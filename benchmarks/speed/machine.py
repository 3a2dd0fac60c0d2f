"""The machine that measured: its name, and the circumstances that a reader of the numbers must know."""

import os
import re
import sys
from collections.abc import Iterator
from datetime import datetime
from importlib import metadata

import torch

from artculture.utils.hardware import cores, cpu_flags, cpu_name
from benchmarks.speed.plan import Plan

PACKAGES = ("torch", "torchvision", "lightning", "timm", "pillow", "numpy")
# Instructions of a CPU that its speed of training depends on most, the best first.
FLAG_CLASSES = ("amx_bf16", "avx512_bf16", "avx512f", "avx2")
# Variables by which the libraries of torch leave out instructions of a CPU, as one without them would compute.
LIMITS = ("ONEDNN_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY", "MKL_ENABLE_INSTRUCTIONS")


def title(device: torch.device) -> str:
    """As in `AMD EPYC, 2 cores, amx_bf16` or `NVIDIA H100, 16 cores`."""
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)}, {cores()} cores"
    return f"{cpu_name()}, {cores()} cores, {flag_class()}"


def flag_class() -> str:
    """Return the most capable instructions of this CPU that training uses."""
    return next((flag for flag in FLAG_CLASSES if flag in cpu_flags()), "none")


def file_name(device: torch.device) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title(device).lower()).strip("-") + ".md"


def circumstances(plan: Plan, argv: list[str]) -> Iterator[str]:
    """Sentences for the head of a section."""
    load = os.getloadavg()[0]
    busy = " **The machine was busy with other work: read the ratios with care.**" if load > 0.5 * cores() else ""
    yield f"{datetime.now():%Y-%m-%d %H:%M}, load average {load:.1f} at the start.{busy}"
    precision = "bf16 autocast" if plan.gains else "fp32"
    threads = f"{torch.get_num_threads()} threads, the peers' loader processes: {plan.workers}"
    limits = " ".join(f"{name}={os.environ[name]}" for name in LIMITS if name in os.environ)
    if limits:
        yield f"Instructions of the CPU are left out: `{limits}`."
    yield f"Device {plan.device.type}, our precision here: {precision}, {threads}."
    yield f"`{' '.join(['python', '-m', 'benchmarks.speed', *argv])}`"
    yield f"Python {sys.version.split()[0]}, " + ", ".join(f"{name} {_version(name)}" for name in PACKAGES) + "."


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "missing"
