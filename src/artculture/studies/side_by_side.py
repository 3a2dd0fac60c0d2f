"""Runs of a study side by side on the CPU or on each GPU, where memory has room for them."""

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from artculture.config.schema.launchers import LocalProcesses
from artculture.config.schema.model import Transfer
from artculture.config.schema.train import TrainConfig
from artculture.studies.executor import RunProcess
from artculture.studies.launchers.local import LocalLauncher
from artculture.studies.launchers.protocol import Launcher
from artculture.training.numeric_choice import AUTO, expected_size
from artculture.utils import hardware

if TYPE_CHECKING:
    from artculture.training.acceleration.measured_format import RunSize

AT_ONCE = 2
# Steps of several runs take turns on a GPU; of three, one always has a step ready.
AT_ONCE_ON_GPU = 3
# A captured CUDA graph has memory of its own, in addition to that of the steps before it.
GPU_FACTOR = 2
# Of the machine's memory, or a GPU's, for all runs together.
SHARE = 0.8


def run_side_by_side(processes: Sequence[RunProcess], launcher: Launcher) -> None:
    """Let a study execute two runs at a time on the CPU, each with half of the cores, or up to three on each GPU.

    On the CPU, whether runs get half of the cores depends on the machine and the study alone, as it decides their last
    bits; the memory that is free decides whether two of them are executed at a time. On a GPU no bit depends on it.

    Args:
        processes: all runs of the study.
        launcher: an entered launcher of local processes; others decide by themselves.
    """
    if not isinstance(launcher, LocalLauncher):
        return
    gpus = [gpu for gpu in launcher.gpus if gpu is not None]
    if not gpus and (launcher.gpus != [None] or hardware.cores() < AT_ONCE):
        return
    sizes = _sizes(processes)
    if sizes is None:
        return
    memory = max(size.memory for size in sizes)
    at_once = _fitting_on_each(gpus, processes, GPU_FACTOR * memory) if gpus else _fitting_on_cpu(processes, memory)
    launcher.execute_at_once(at_once)
    if launcher.capacity != 1:
        for process, size in zip(processes, sizes, strict=True):
            process.work = size.operations * _passes(process.run.config)


def _fitting_on_cpu(processes: Sequence[RunProcess], memory: int) -> int:
    """Return how many runs have room at a time; where the machine could have it for two, share its cores."""
    cores, total = hardware.cores(), _total_memory()
    if total is None or AT_ONCE * memory > SHARE * total:
        return 1
    given = os.environ.get("OMP_NUM_THREADS", "").isdigit()  # the user's number, for every run
    for process in processes:
        run, trainer = process.run, process.run.config.trainer
        if process.state == "waiting" and trainer.threads == AUTO and not given:
            trainer = trainer.model_copy(update={"threads": cores // AT_ONCE})
            process.run = replace(run, config=run.config.model_copy(update={"trainer": trainer}))
    return AT_ONCE if AT_ONCE * memory <= (hardware.available_memory() or 0) else 1


def _fitting_on_each(gpus: Sequence[str], processes: Sequence[RunProcess], memory: int) -> int:
    """Return how many runs of the study have room on each GPU: 1 where that is unknown."""
    from artculture.data.datamodule import RESIDENT_SHARE  # torch is imported once the runs are prepared

    free = [hardware.free_gpu_memory(gpu) for gpu in gpus]
    if None in free:
        return 1
    least = min(size for size in free if size is not None)
    most = min(AT_ONCE_ON_GPU, len(processes) // len(gpus))
    # Each run may keep its pixels on the GPU: at most this share of what it finds free.
    return max([1, *(n for n in range(2, most + 1) if n * memory <= SHARE * least * (1 - RESIDENT_SHARE) ** n)])


def _sizes(processes: Sequence[RunProcess]) -> "list[RunSize] | None":
    """Return the size of each run; None for a single run, and where one is unknown or the user chose how many."""
    configs = [process.run.config for process in processes]
    chosen = any(not isinstance(one.launcher, LocalProcesses) or one.launcher.parallel != AUTO for one in configs)
    several_devices = any(one.trainer.devices != 1 for one in configs)
    if len(configs) < AT_ONCE or chosen or several_devices:
        return None
    known: dict[str, RunSize] = {}
    found = []
    for one in configs:
        # Runs that differ in seed or schedule alone need as much.
        key = f"{one.architecture} {one.method} {one.head} {one.data.image_size} {one.data.batch_size}"
        size = known.get(key) or expected_size(one)
        if size is None:
            return None
        known[key] = size
        found.append(size)
    return found


def _passes(config: TrainConfig) -> float:
    """Return the training time of a picture in forward passes; a backward pass takes about two."""
    method, epochs = config.method, config.trainer.max_epochs
    if isinstance(method, Transfer):
        return min(method.views, epochs) if method.features == "cached" else epochs
    return 3 * epochs


def _total_memory() -> int | None:
    total = hardware.total_memory()
    return None if total is None else min([total, *(limit for limit, _ in hardware.memory_limits())])
