"""Launcher of runs as local processes, on GPUs or on the CPU."""

import logging
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from artculture.config.schema.launchers import LocalProcesses
from artculture.config.schema.train import TrainConfig
from artculture.studies.grid import PlannedRun
from artculture.studies.launchers.fork_server import ForkedRun, can_fork, start_server
from artculture.studies.launchers.process import run_command, run_environment, threads_default
from artculture.studies.launchers.protocol import ExitStatus, NoSetup, StartedRun
from artculture.training.distributed.context import find_context
from artculture.utils import hardware

log = logging.getLogger(__name__)


def slots(config: TrainConfig) -> list[str | None]:
    """Return the GPUs of each run executed in parallel, as CUDA_VISIBLE_DEVICES lists them; None for the CPU.

    If `launcher.parallel` exceeds the number of GPUs, several runs share a GPU.

    Raises:
        InputError: a GPU is required, but there is none.
    """
    gpus = [] if config.trainer.accelerator == "cpu" else hardware.visible_gpus()
    if len(gpus) > 1 and (devices := find_context(config).world_size) > 1:
        gpus = [",".join(gpus[i : i + devices]) for i in range(0, len(gpus) - devices + 1, devices)]
    hardware.check_machine(config.trainer.accelerator, config.trainer.precision, config.trainer.compile)
    parallel = config.launcher.parallel if isinstance(config.launcher, LocalProcesses) else "auto"
    # One at a time on the CPU, with all cores, as a single run has: so both give bit-identical results.
    count = (len(gpus) or 1) if parallel == "auto" else parallel
    return [gpus[i % len(gpus)] if gpus else None for i in range(count)]


@dataclass
class LocalRun:
    """A run executed as a process of this machine.

    Attributes:
        process: a child of this process or of the fork server.
        gpu: its GPUs, as CUDA_VISIBLE_DEVICES lists them; None for the CPU.
    """

    process: subprocess.Popen[bytes] | ForkedRun
    gpu: str | None

    @property
    def location(self) -> str:
        return "" if self.gpu is None else f"GPU {self.gpu}"

    def exit_status(self) -> ExitStatus | None:
        if isinstance(self.process, ForkedRun) and self.process.lost:
            return ExitStatus(None, "the fork server was killed")
        code = self.process.poll()
        return None if code is None else ExitStatus(code)

    def stop(self) -> None:
        self.process.terminate()

    def kill(self) -> None:
        self.process.kill()


class LocalLauncher(NoSetup):
    """Launcher of local processes, forked on Linux from a server with preloaded imports.

    Args:
        gpus: the GPUs of each run executed in parallel, as `slots` returns them.
    """

    queues = detached = False

    def __init__(self, gpus: Sequence[str | None]) -> None:
        self.gpus = gpus
        self.capacity: int | None = len(gpus)
        self._started: list[LocalRun] = []

    def __enter__(self) -> Self:
        if can_fork():
            start_server(run_environment(threads_default(self._threads(self.gpus[0])), {}))
        return self

    def start(self, runs: Sequence[PlannedRun]) -> list[StartedRun]:
        started = [self._start(run, gpu) for run, gpu in zip(runs, self._free(), strict=False)]
        self._started += started
        return list(started)

    def execute_at_once(self, count: int) -> None:
        """Execute so many runs at a time on the CPU, or on each GPU."""
        self.gpus = [*self.gpus] * count
        self.capacity = len(self.gpus)

    def _free(self) -> list[str | None]:
        free = list(self.gpus)
        for run in self._started:
            if run.exit_status() is None:
                free.remove(run.gpu)
        return free

    def _start(self, run: PlannedRun, gpu: str | None) -> LocalRun:
        chosen = {} if gpu is None else {"CUDA_VISIBLE_DEVICES": gpu}
        prepared = run_command(run, threads=self._threads(gpu), environment=chosen).prepare()
        if prepared.is_artculture and can_fork():
            try:
                return LocalRun(ForkedRun(prepared), gpu)
            except (OSError, EOFError) as error:
                log.warning("%s runs in a new process, as forking failed (%r)", run.name, error)
        return LocalRun(prepared.start(), gpu)

    def _threads(self, gpu: str | None) -> int | None:
        # Share the cores between parallel runs instead of oversubscribing them.
        shared = gpu is None and len(self.gpus) > 1
        return max(1, hardware.cores() // len(self.gpus)) if shared else None
