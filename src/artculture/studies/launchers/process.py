"""The process of a run under every launcher: its command line, environment and log."""

import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from artculture.utils.child_process import RUN_OF_STUDY
from artculture.utils.io import read_json
from artculture.utils.secrets import hidden

if TYPE_CHECKING:  # cluster workers start a run without importing the config schema
    from artculture.config.schema.train import TrainConfig
    from artculture.studies.grid import PlannedRun

# Exit code of a run's process when another launch holds the lock of the run directory.
RUN_LOCKED_EXIT_CODE = 76

# With SLURM_NTASKS Lightning would expect several processes and wait for the others; all runs of a study would log into
# the one W&B run of the agent that executes the study.
NOT_INHERITED = ("HYDRA_FULL_ERROR", "SLURM_NTASKS", "WANDB_RUN_ID", "WANDB_SWEEP_ID", "WANDB_SWEEP_PARAM_PATH")


@dataclass(frozen=True)
class RunCommand:
    """Command of a run, for any machine that shares its folders.

    Attributes:
        arguments: arguments of the Python interpreter.
        folder: working directory, which relative paths in the config refer to.
        log: file that receives all output.
        environment: environment variables that override those of the machine.
        defaults: environment variables used if the machine does not set them.
    """

    arguments: tuple[str, ...]
    folder: str
    log: str
    environment: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, str] = field(default_factory=dict)

    def start(self) -> subprocess.Popen[bytes]:
        """Start the command as a child process; raises as `prepare`."""
        return self.prepare().start()

    def prepare(self) -> "Prepared":
        """Resolve the environment on this machine and write the command to the log.

        Raises:
            FileNotFoundError: the folder does not exist on this machine.
        """
        if not Path(self.folder).is_dir():
            raise FileNotFoundError(f"no folder {self.folder} on {socket.gethostname()}: all hosts must share it")
        log = Path(self.folder, self.log)
        with log.open("ab") as opened:
            opened.write(f"$ artculture {hidden(shlex.join(self.arguments[2:]))}\n".encode())
        return Prepared(self.arguments, self.folder, str(log), run_environment(self.defaults, self.environment))


@dataclass(frozen=True)
class Prepared:
    """A command with its complete environment on this machine.

    Attributes:
        arguments: arguments of the Python interpreter.
        folder: working directory.
        log: file that all output is appended to.
        environment: the complete environment.
    """

    arguments: tuple[str, ...]
    folder: str
    log: str
    environment: dict[str, str]

    @property
    def is_artculture(self) -> bool:
        """Whether the command is `python -m artculture …`, which a forked process can execute."""
        return self.arguments[:2] == ("-m", "artculture")

    def start(self, prefix: Sequence[str] = ()) -> subprocess.Popen[bytes]:
        """Start the command as a child process.

        Args:
            prefix: a command that executes it, as in `nice -n10` or `srun`.
        """
        with Path(self.log).open("ab") as log:
            return subprocess.Popen(
                [*prefix, sys.executable, *self.arguments],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.environment,
                # Ctrl-C goes to the study's process alone, which forwards it once.
                process_group=0,
            )


def run_environment(defaults: Mapping[str, str], chosen: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a run's process on this machine.

    Args:
        defaults: variables used if the machine does not set them.
        chosen: variables that override those of the machine.
    """
    environment = {**defaults, **os.environ, **chosen, RUN_OF_STUDY: str(os.getpid())}
    for name in NOT_INHERITED:
        environment.pop(name, None)
    return environment


def launches(run: Path) -> int:
    """Return how often a run directory was launched."""
    status = run / "status.json"
    return int(read_json(status).get("launches", 0)) if status.is_file() else 0


def run_command(run: "PlannedRun", *, threads: int | None, environment: Mapping[str, str] | None = None) -> RunCommand:
    """Return the command of a run, with this working directory.

    Args:
        run: the run, whose job is written to its directory.
        threads: PyTorch threads, unless the environment sets them; None for PyTorch's default.
        environment: variables that override those of the machine.
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
    """Return the environment variable for PyTorch's number of threads; empty for None."""
    return {} if threads is None else {"OMP_NUM_THREADS": str(threads)}


def gpus_of(config: "TrainConfig") -> int:
    """Return the number of GPUs to request for a run: as many as it trains on, unless `launcher.gpus` is set."""
    if config.trainer.accelerator == "cpu":
        return 0
    requested = getattr(config.launcher, "gpus", "auto")
    devices = str(config.trainer.devices)
    if isinstance(requested, int):
        return requested
    return int(devices) if devices.isdigit() else 1


def arguments_of(run: Path) -> list[str]:
    """Return the interpreter's arguments that train the run of a directory."""
    return ["-m", "artculture", "run", str(run)]
