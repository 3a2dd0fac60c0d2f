"""Runs of a study two at a time on the CPU, where memory has room for both."""

import os
from collections.abc import Sequence
from dataclasses import replace

from artculture.config.schema.launchers import LocalProcesses
from artculture.studies.executor import RunProcess
from artculture.studies.launchers.local import LocalLauncher
from artculture.studies.launchers.protocol import Launcher
from artculture.training.numeric_choice import AUTO, expected_memory
from artculture.utils import hardware

AT_ONCE = 2
# Of the machine's memory, for all runs together.
SHARE = 0.8


def run_side_by_side(processes: Sequence[RunProcess], launcher: Launcher) -> None:
    """Let a study execute two runs at a time on the CPU, each with half of the cores.

    Whether runs get half of the cores depends on the machine and the study alone, as it decides their last bits. The
    memory that is free decides whether two of them are executed at a time.

    Args:
        processes: all runs of the study, whose steps were measured.
        launcher: an entered launcher of local processes; others decide by themselves.
    """
    cores, memory = hardware.cores(), _memory_of(processes)
    if not isinstance(launcher, LocalLauncher) or launcher.gpus != [None] or cores < AT_ONCE or memory is None:
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


def _memory_of(processes: Sequence[RunProcess]) -> int | None:
    """Return the memory of the largest run; None for a single run, and where that is unknown or chosen by the user."""
    configs = [process.run.config for process in processes]
    chosen = any(not isinstance(one.launcher, LocalProcesses) or one.launcher.parallel != AUTO for one in configs)
    several_devices = any(one.trainer.devices != 1 for one in configs)
    if len(configs) < AT_ONCE or chosen or several_devices:
        return None
    found = [expected_memory(config) for config in configs]
    return max(size for size in found if size is not None) if found and None not in found else None


def _total_memory() -> int | None:
    total = hardware.total_memory()
    return None if total is None else min([total, *(limit for limit, _ in hardware.memory_limits())])
