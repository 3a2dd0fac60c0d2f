"""Runs of a study side by side on the CPU or on each GPU, where memory has room for them."""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace

from artculture.config.schema.launchers import LocalProcesses
from artculture.config.schema.train import TrainConfig
from artculture.studies.executor import RunProcess
from artculture.studies.launchers.local import LocalLauncher
from artculture.studies.launchers.protocol import Launcher
from artculture.training.numeric_choice import AUTO, expected_gpu_memory, expected_memory
from artculture.utils import hardware

AT_ONCE = 2
# Steps of several runs take turns on a GPU; of three, one always has a step ready.
AT_ONCE_ON_GPU = 3
# Of the machine's memory, or a GPU's, for all runs together.
SHARE = 0.8


def run_side_by_side(processes: Sequence[RunProcess], launcher: Launcher) -> None:
    """Let a study execute two runs at a time on the CPU, each with half of the cores, or up to three on each GPU.

    On the CPU, whether runs get half of the cores depends on the machine and the study alone, as it decides their last
    bits; the memory that is free decides whether two of them are executed at a time. On a GPU no bit depends on it.

    Args:
        processes: all runs of the study, whose steps were measured.
        launcher: an entered launcher of local processes; others decide by themselves.
    """
    if not isinstance(launcher, LocalLauncher):
        return
    gpus = [gpu for gpu in launcher.gpus if gpu is not None]
    if gpus:
        launcher.execute_at_once(_fitting_on_each(gpus, processes))
    elif launcher.gpus == [None]:
        _share_cpu(processes, launcher)


def _share_cpu(processes: Sequence[RunProcess], launcher: LocalLauncher) -> None:
    cores, memory = hardware.cores(), _memory_of(processes, expected_memory)
    if cores < AT_ONCE or memory is None:
        return
    total = _total_memory()
    if total is None or AT_ONCE * memory > SHARE * total:
        return
    given = os.environ.get("OMP_NUM_THREADS", "").isdigit()  # the user's number, for every run
    for process in processes:
        run, trainer = process.run, process.run.config.trainer
        if process.state == "waiting" and trainer.threads == AUTO and not given:
            trainer = trainer.model_copy(update={"threads": cores // AT_ONCE})
            process.run = replace(run, config=run.config.model_copy(update={"trainer": trainer}))
    if AT_ONCE * memory <= (hardware.available_memory() or 0):
        launcher.execute_at_once(AT_ONCE)


def _fitting_on_each(gpus: Sequence[str], processes: Sequence[RunProcess]) -> int:
    """Return how many runs of the study have room on each GPU: 1 where that is unknown or chosen by the user."""
    from artculture.data.datamodule import RESIDENT_SHARE  # torch is imported once the runs are prepared

    free = [hardware.free_gpu_memory(gpu) for gpu in gpus]
    memory = None if None in free else _memory_of(processes, expected_gpu_memory)
    if memory is None:
        return 1
    least = min(size for size in free if size is not None)
    most = min(AT_ONCE_ON_GPU, len(processes) // len(gpus))
    # Each run may keep its pixels on the GPU: at most this share of what it finds free.
    return max([1, *(n for n in range(2, most + 1) if n * memory <= SHARE * least * (1 - RESIDENT_SHARE) ** n)])


def _memory_of(processes: Sequence[RunProcess], expected: Callable[[TrainConfig], int | None]) -> int | None:
    """Return the memory of the largest run; None for a single run, and where that is unknown or chosen by the user."""
    configs = [process.run.config for process in processes]
    chosen = any(not isinstance(one.launcher, LocalProcesses) or one.launcher.parallel != AUTO for one in configs)
    several_devices = any(one.trainer.devices != 1 for one in configs)
    if len(configs) < AT_ONCE or chosen or several_devices:
        return None
    # Runs that differ in seed or schedule alone need as much.
    alike = {
        f"{one.architecture} {one.method} {one.head} {one.data.image_size} {one.data.batch_size}": one
        for one in configs
    }
    found = [expected(config) for config in alike.values()]
    return max(size for size in found if size is not None) if found and None not in found else None


def _total_memory() -> int | None:
    total = hardware.total_memory()
    return None if total is None else min([total, *(limit for limit, _ in hardware.memory_limits())])
