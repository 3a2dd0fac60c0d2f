"""How large each measurement is, and on what it runs: decided once, from the command line and the machine."""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from artculture.utils.errors import InputError, WorkError
from artculture.utils.hardware import best_precision, cores


@dataclass(frozen=True)
class Plan:
    """The size of every measurement.

    Attributes:
        device: where networks train.
        gains: whether the device gains from our precision (bf16 autocast).
        peers: which are measured: `all` (as they come and, where the device gains from it, with our precision), `fp32`
            (as they come) or, of the grid, `none`.
        workers: loader processes of the peers.
        repeats: of every side, taken in turns.
        architecture: Hydra overrides that choose the network.
        image_size: side of the crops, pixels.
        batch_size, batches: of a training epoch.
        pictures: JPEGs of the input pipeline.
        seconds: that one repeat of the input pipeline lasts at least.
        transfer_pictures, transfer_epochs: of the transfer epoch; epochs after all views are cached.
        grid_pictures, grid_epochs, grid_size: of the six rows.
        peer_epochs: a row of the peers' grid, where fewer are trained than of ours.
        grid_parallel: of artculture's rows at a time; 0 is what it does by itself. Several numbers are several sides.
        many: how many pictures the memory is measured at, ascending.
        source: a folder of real pictures; None draws synthetic ones.
    """

    device: torch.device
    gains: bool
    workers: int
    peers: str = "all"
    repeats: int = 5
    architecture: tuple[str, ...] = ("architecture=resnet50",)
    image_size: int = 224
    batch_size: int = 32
    batches: int = 4
    pictures: int = 256
    seconds: float = 2.0
    transfer_pictures: int = 256
    transfer_epochs: int = 5
    grid_pictures: int = 220
    grid_epochs: tuple[int, ...] = (3,)
    peer_epochs: int | None = None
    grid_size: int = 128
    grid_parallel: tuple[int, ...] = (0, 1)
    many: tuple[int, ...] = (10_000, 100_000)
    source: Path | None = None

    @property
    def precise(self) -> bool:
        """Whether the peers are measured with our precision, too."""
        return self.gains and self.peers == "all"

    @property
    def on_gpu(self) -> bool:
        return self.device.type == "cuda"


# On a GPU an epoch of a few batches would measure the start of the loader processes.
ON_GPU = {"batches": 100, "transfer_pictures": 2048, "grid_pictures": 5330, "grid_size": 224}
PEERS = ("all", "fp32", "none")
QUICK = {
    "repeats": 2,
    "image_size": 64,
    "batch_size": 4,
    "batches": 2,
    "pictures": 8,
    "seconds": 0.05,
    "transfer_pictures": 8,
    "transfer_epochs": 2,
    "grid_pictures": 44,
    "grid_epochs": (1,),
    "grid_size": 64,
    "many": (100, 400),
}
OPTIONS = {
    "repeats": "of every side, taken in turns",
    "image_size": "side of the crops, pixels",
    "batch_size": "pictures a batch",
    "batches": "a training epoch",
    "pictures": "JPEGs of the input pipeline",
    "transfer_pictures": "training pictures of the transfer epoch",
    "grid_pictures": "training pictures of the six rows",
    "peer_epochs": "a row of the peers' grid, whose time for `--grid-epochs` is computed; the same unless given",
    "grid_size": "side of the six rows' crops, pixels",
    "workers": "loader processes of the peers (one a core, 8 at most, unless given)",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quick", action="store_true", help="tiny numbers, to see that it works")
    parser.add_argument("--device", choices=("cpu", "cuda"), help="cuda where there is one, unless given")
    parser.add_argument("--images", type=Path, metavar="FOLDER", help="real JPEGs instead of synthetic ones")
    parser.add_argument("--architecture", nargs="+", metavar="OVERRIDE", help="as in: architecture=resnet50")
    parser.add_argument(
        "--peers", choices=PEERS, default="all", help="fp32: not with our precision, too; none: no grid of theirs"
    )
    parser.add_argument(
        "--grid-parallel", type=int, nargs="+", help="of our rows at a time, 0 as it comes; several are several sides"
    )
    parser.add_argument("--grid-epochs", type=int, nargs="+", help="a row; several are several sides")
    parser.add_argument("--many", type=int, nargs="+", help="how many pictures the memory is measured at")
    for name, what in OPTIONS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, help=what)


def run_command(parser: argparse.ArgumentParser, argv: list[str], measure: Callable[..., int]) -> int:
    """Add the options of all measurements, and return the exit status of `measure(options, argv)`; 2 for bad input."""
    add_options(parser)
    given = parser.parse_args(argv)
    try:
        return measure(given, argv)
    except (InputError, WorkError) as error:
        sys.stderr.write(f"{parser.prog}: {error}\n")
        return 2 if isinstance(error, InputError) else 1


def planned(given: argparse.Namespace) -> Plan:
    """The plan that the options ask for on this machine."""
    device = torch.device(given.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    gains = best_precision("gpu" if device.type == "cuda" else "cpu") == "bf16-mixed"
    sizes: dict[str, Any] = dict(ON_GPU) if device.type == "cuda" else {}
    if cores() == 1:  # rows side by side have a core each
        sizes |= {"grid_parallel": (0,)}
    sizes |= QUICK if given.quick else {}
    sizes |= {name: getattr(given, name) for name in OPTIONS if getattr(given, name) is not None}
    if given.many:
        sizes["many"] = tuple(sorted(given.many))
    if given.grid_epochs:
        sizes["grid_epochs"] = tuple(given.grid_epochs)
    if given.grid_parallel:
        sizes["grid_parallel"] = tuple(given.grid_parallel)
    if given.architecture:
        sizes["architecture"] = tuple(given.architecture)
    plan = Plan(device, gains, workers=min(8, cores()), peers=given.peers, source=given.images)
    return replace(plan, **sizes)
