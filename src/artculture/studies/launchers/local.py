"""Rows as processes of this machine: one a GPU, one at a time on a CPU."""

import logging
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from artculture.config.schema.train import TrainConfig
from artculture.studies.grid import PlannedRun
from artculture.studies.launchers.fork_server import ForkedRun, can_fork, start_server
from artculture.studies.launchers.process import run_command, run_environment, threads_default
from artculture.studies.launchers.protocol import ExitStatus, NoSetup, StartedRun
from artculture.training.distributed.context import find_context
from artculture.utils import hardware

log = logging.getLogger(__name__)


def slots(config: TrainConfig) -> list[str | None]:
    """Places for rows: as many GPUs each as a row has devices, or on the CPU.

    Where more rows are asked for than there are GPUs for, several share a place.

    Raises:
        InputError: GPUs are asked for where there is none.
    """
    gpus = [] if config.trainer.accelerator == "cpu" else hardware.visible_gpus()
    if len(gpus) > 1 and (devices := find_context(config).world_size) > 1:
        gpus = [",".join(gpus[i : i + devices]) for i in range(0, len(gpus) - devices + 1, devices)]
    hardware.check_machine(config.trainer.accelerator, config.trainer.precision, config.trainer.compile)
    parallel = config.launcher.parallel
    # By itself one on a CPU, with all of its cores, as a row alone has them: so both end with the same bits.
    count = (len(gpus) or 1) if parallel == "auto" else parallel
    return [gpus[i % len(gpus)] if gpus else None for i in range(count)]


@dataclass
class LocalRun:
    """A process of this machine.

    Attributes:
        process: a child of this process, or of the fork server.
        gpu: the GPU handed to it, as CUDA_VISIBLE_DEVICES writes it.
    """

    process: subprocess.Popen[bytes] | ForkedRun
    gpu: str | None

    @property
    def location(self) -> str:
        return "" if self.gpu is None else f"GPU {self.gpu}"

    def exit_status(self) -> ExitStatus | None:
        if isinstance(self.process, ForkedRun) and self.process.lost:
            return ExitStatus(None, "the process that had started it was killed")
        code = self.process.poll()
        return None if code is None else ExitStatus(code)

    def stop(self) -> None:
        self.process.terminate()

    def kill(self) -> None:
        self.process.kill()


class LocalLauncher(NoSetup):
    """Starts each row as soon as there is a place for it; on Linux rows are forked from a process that has imported.

    Args:
        gpus: a GPU's id for each place, or None for one on the CPU.
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
                log.warning("%s is started in a new process: none could be forked (%r)", run.name, error)
        return LocalRun(prepared.start(), gpu)

    def _threads(self, gpu: str | None) -> int | None:
        # Rows side by side on one CPU: each takes its share of the cores instead of all fighting for all.
        shared = gpu is None and len(self.gpus) > 1
        return max(1, hardware.cores() // len(self.gpus)) if shared else None
