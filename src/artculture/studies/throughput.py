"""Throughput of earlier runs on this machine, read from the run directories of all studies."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd

from artculture.training.run_directory import RunDirectory
from artculture.utils.errors import InputError
from artculture.utils.io import read_json


@dataclass(frozen=True)
class Workload:
    """Properties that determine the throughput of a run."""

    architecture: str
    method: str
    features: str | None
    image_size: int
    precision: str
    device: str


@dataclass(frozen=True)
class Throughput:
    """Time and memory of a finished run.

    Attributes:
        first: seconds per training image in the first epoch, which computes the features of a frozen backbone.
        later: seconds per training image in later epochs (median), evaluation included.
        batch_size: training batch size.
        memory: peak memory of the process in bytes; None if unknown.
        run: the run directory.
    """

    first: float
    later: float
    batch_size: int
    memory: int | None
    run: Path


def recorded_throughput(root: Path) -> dict[Workload, list[Throughput]]:
    """Return the throughput of all finished runs of this machine under a folder of studies, the newest last."""
    speeds: dict[Workload, list[Throughput]] = {}
    files = [*root.glob("*/*/result.json"), *root.glob("*/trials/*/result.json")]
    for file in sorted(files, key=lambda file: file.stat().st_mtime):
        for workload, speed in _speed(RunDirectory(file.parent)):
            speeds.setdefault(workload, []).append(speed)
    return speeds


def latest_throughput(
    speeds: dict[Workload, list[Throughput]], workload: Workload, batch_size: int
) -> Throughput | None:
    """Return the newest throughput of a workload, of the same batch size if there is one."""
    candidates = speeds.get(workload, [])
    same = [speed for speed in candidates if speed.batch_size == batch_size]
    found = same or candidates
    return found[-1] if found else None


def _speed(directory: RunDirectory) -> Iterator[tuple[Workload, Throughput]]:
    # Damaged runs are ignored here; training or comparing them reports the damage.
    try:
        result, config = read_json(directory.result), directory.read_config()
        if config is None or directory.status().get("host") != socket.gethostname():
            return
        seconds = pd.read_csv(directory.metrics)["seconds"] / result["counts"]["train"]
        workload = Workload(
            result["architecture"],
            result["method"],
            config["method"].get("features"),
            result["image_size"],
            str(result["precision"]),
            result["device"],
        )
        later = float(median(seconds[1:] if len(seconds) > 1 else seconds))
        memory: Any = result.get("peak_memory")
        yield workload, Throughput(float(seconds.iloc[0]), later, config["data"]["batch_size"], memory, directory.path)
    except (InputError, OSError, KeyError, ValueError, IndexError, TypeError):
        return
