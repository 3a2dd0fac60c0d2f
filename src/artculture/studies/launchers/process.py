"""A row's process, the same under every launcher: one command line, one environment, one log."""

import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from artculture.utils.child_process import RUN_OF_STUDY
from artculture.utils.io import read_json
from artculture.utils.secrets import hidden

if TYPE_CHECKING:  # an engine's worker starts a row without reading configs
    from artculture.config.schema.train import TrainConfig
    from artculture.studies.grid import PlannedRun

# Exit code of a row's process that found its run in the hands of another launch.
RUN_LOCKED_EXIT_CODE = 76

# With it Lightning takes a batch system's job for one process of several, and waits for the others.
NOT_INHERITED = ("HYDRA_FULL_ERROR", "SLURM_NTASKS")


@dataclass(frozen=True)
class RunCommand:
    """How to run a row alone, on any machine that has its folders.

    Attributes:
        arguments: of the Python interpreter.
        folder: to run in; relative paths of the config begin there.
        log: file that takes all output.
        environment: variables that win over those of the machine.
        defaults: variables for where the machine sets none.
    """

    arguments: tuple[str, ...]
    folder: str
    log: str
    environment: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, str] = field(default_factory=dict)

    def start(self) -> subprocess.Popen[bytes]:
        """Start it as a child of this process; raises as `prepare` does."""
        return self.prepare().start()

    def prepare(self) -> "Prepared":
        """What this machine makes of it, its log begun.

        Raises:
            FileNotFoundError: the folder is not on this machine.
        """
        if not Path(self.folder).is_dir():
            raise FileNotFoundError(f"no folder {self.folder} on {socket.gethostname()}: all hosts must share it")
        log = Path(self.folder, self.log)
        with log.open("ab") as opened:
            opened.write(f"$ artculture {hidden(shlex.join(self.arguments[2:]))}\n".encode())
        return Prepared(self.arguments, self.folder, str(log), run_environment(self.defaults, self.environment))


@dataclass(frozen=True)
class Prepared:
    """A row's process about to start on this machine.

    Attributes:
        arguments: of the Python interpreter.
        folder: to run in.
        log: file that takes all output, after what is in it.
        environment: all of it.
    """

    arguments: tuple[str, ...]
    folder: str
    log: str
    environment: dict[str, str]

    @property
    def is_artculture(self) -> bool:
        """Whether it is a command of artculture, for its interpreter to run."""
        return self.arguments[:2] == ("-m", "artculture")

    def start(self) -> subprocess.Popen[bytes]:
        """Start it as a child of this process."""
        with Path(self.log).open("ab") as log:
            return subprocess.Popen(
                [sys.executable, *self.arguments],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.environment,
                # A terminal's Ctrl-C is for the study, which passes it on once.
                process_group=0,
            )


def run_environment(defaults: Mapping[str, str], chosen: Mapping[str, str]) -> dict[str, str]:
    """A row's environment on this machine.

    Args:
        defaults: variables for where the machine sets none.
        chosen: variables that win over those of the machine.
    """
    environment = {**defaults, **os.environ, **chosen, RUN_OF_STUDY: str(os.getpid())}
    for name in NOT_INHERITED:
        environment.pop(name, None)
    return environment


def launches(run: Path) -> int:
    """How often a run was begun."""
    status = run / "status.json"
    return int(read_json(status).get("launches", 0)) if status.is_file() else 0


def run_command(run: "PlannedRun", *, threads: int | None, environment: Mapping[str, str] | None = None) -> RunCommand:
    """A row's command for this working directory.

    Args:
        row: to run, its job written.
        threads: for PyTorch, unless the environment says; None: as it sees fit.
        environment: variables that win over those of the machine.
    """
    path = run.directory.path
    return RunCommand(
        tuple(arguments_of(path)),
        str(Path.cwd()),
        str(run.directory.log),
        environment or {},
        threads_default(threads),
    )


def threads_default(threads: int | None) -> dict[str, str]:
    """The variable that tells PyTorch its number of threads, where there is one to tell."""
    return {} if threads is None else {"OMP_NUM_THREADS": str(threads)}


def gpus_of(config: "TrainConfig") -> int:
    """GPUs that a row asks its engine for: as many as it trains on, unless `launcher.gpus` is a number."""
    if config.trainer.accelerator == "cpu":
        return 0
    asked = "auto" if config.launcher.name == "local" else config.launcher.gpus
    devices = str(config.trainer.devices)
    if isinstance(asked, int):
        return asked
    return int(devices) if devices.isdigit() else 1


def arguments_of(run: Path) -> list[str]:
    """Return the interpreter's arguments that train the run of a directory."""
    return ["-m", "artculture", "run", str(run)]
