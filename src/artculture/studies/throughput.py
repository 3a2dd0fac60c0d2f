"""How fast runs like a planned one were on this machine, read from the run directories of all studies."""

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
    """What decides how fast a run is, apart from the number of its pictures."""

    architecture: str
    method: str
    features: str | None
    image_size: int
    precision: str
    device: str


@dataclass(frozen=True)
class Throughput:
    """What a finished run took.

    Attributes:
        first: seconds a training picture of the first epoch (a frozen backbone's features are computed in it).
        later: seconds a training picture of a usual epoch, evaluation included.
        batch_size: of training.
        memory: the most that its process held, bytes.
        run: its directory.
    """

    first: float
    later: float
    batch_size: int
    memory: int | None
    run: Path


def recorded_throughput(root: Path) -> dict[Workload, list[Throughput]]:
    """The speeds of all finished runs of this machine under a folder of studies, the newest last."""
    speeds: dict[Workload, list[Throughput]] = {}
    files = [*root.glob("*/*/result.json"), *root.glob("*/trials/*/result.json")]
    for file in sorted(files, key=lambda file: file.stat().st_mtime):
        for kind, speed in _speed(RunDirectory(file.parent)):
            speeds.setdefault(kind, []).append(speed)
    return speeds


def latest_throughput(speeds: dict[Workload, list[Throughput]], kind: Workload, batch_size: int) -> Throughput | None:
    """The newest run of a kind, of the same batch size where there is one."""
    alike = speeds.get(kind, [])
    same = [speed for speed in alike if speed.batch_size == batch_size]
    found = same or alike
    return found[-1] if found else None


def _speed(directory: RunDirectory) -> Iterator[tuple[Workload, Throughput]]:
    # A run that can't be read says nothing about speed; whoever trains or compares it hears of the damage.
    try:
        result, config = read_json(directory.result), directory.read_config()
        if config is None or directory.status().get("host") != socket.gethostname():
            return
        seconds = pd.read_csv(directory.metrics)["seconds"] / result["counts"]["train"]
        kind = Workload(
            result["architecture"],
            result["method"],
            config["method"].get("features"),
            result["image_size"],
            str(result["precision"]),
            result["device"],
        )
        later = float(median(seconds[1:] if len(seconds) > 1 else seconds))
        memory: Any = result.get("peak_memory")
        yield kind, Throughput(float(seconds.iloc[0]), later, config["data"]["batch_size"], memory, directory.path)
    except (InputError, OSError, KeyError, ValueError, IndexError, TypeError):
        return
