"""Rank and world size of this process, from the config and the environment, without importing torch."""

import os
from dataclasses import dataclass
from typing import Literal

from artculture.config.schema.model import Probe, Transfer
from artculture.config.schema.train import TrainConfig
from artculture.utils import hardware
from artculture.utils.child_process import RUN_OF_STUDY
from artculture.utils.errors import InputError

# Set by the rank-0 process for the ranks that it starts: its process id.
RANK_OF = "ARTCULTURE_RANK_OF"

Starter = Literal["itself", "torchrun", "srun"]


@dataclass(frozen=True)
class DistributedContext:
    """Position of this process in a distributed run.

    Attributes:
        rank: index over all machines, from 0; rank 0 writes the run directory.
        world_size: number of processes of the run.
        local_rank: index on this machine, from 0.
        local_world_size: number of processes on this machine.
        starter: what started the processes: the rank-0 process (`itself`), torchrun or srun.
    """

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0
    local_world_size: int = 1
    starter: Starter = "itself"

    @property
    def participates(self) -> bool:
        """Whether this process trains: srun and torchrun may start more processes than the run uses."""
        return self.rank < self.world_size

    @property
    def num_nodes(self) -> int:
        return self.world_size // self.local_world_size


def find_context(config: TrainConfig) -> DistributedContext:
    """Return this process's rank and world size for a run.

    Raises:
        InputError: the devices do not exist, or the started processes do not match `trainer.devices`.
    """
    trainer = config.trainer
    if (trainer.devices, trainer.num_nodes) == (1, 1):
        return DistributedContext()  # several such processes under srun or torchrun are independent launches
    outer = _from_environment()
    if uses_one_device(config):
        return DistributedContext() if outer is None else DistributedContext(rank=outer.rank)
    context = outer or DistributedContext(world_size=_devices(config), local_world_size=_devices(config))
    _check(config, context, from_outside=outer is not None)
    return context


def uses_one_device(config: TrainConfig) -> bool:
    """Return whether a run uses one device only: with cached features, just the small head is trained."""
    return isinstance(config.method, Probe) or (
        isinstance(config.method, Transfer) and config.method.features == "cached"
    )


def _from_environment() -> DistributedContext | None:
    environment = os.environ
    if RANK_OF in environment:
        return _read_torchrun("itself")
    if RUN_OF_STUDY in environment:  # the variables of srun or torchrun describe the study, not this run
        return None
    if "TORCHELASTIC_RUN_ID" in environment:
        return _read_torchrun("torchrun")
    # SLURM sets SLURM_NTASKS in batch scripts too; SLURM_STEP_NUM_TASKS only for tasks started by `srun`.
    if int(environment.get("SLURM_STEP_NUM_TASKS", "1")) > 1:
        size = int(environment["SLURM_STEP_NUM_TASKS"])
        nodes = int(environment.get("SLURM_STEP_NUM_NODES", environment.get("SLURM_NNODES", "1")))
        if size % nodes:
            raise InputError(f"srun started {size} tasks on {nodes} nodes: start as many on each (--ntasks-per-node)")
        rank, local_rank = int(environment["SLURM_PROCID"]), int(environment["SLURM_LOCALID"])
        return DistributedContext(rank, size, local_rank, size // nodes, "srun")
    return None


def _read_torchrun(starter: Starter) -> DistributedContext:
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    rank, world_size, local_rank, local_world_size = (int(os.environ[name]) for name in names)
    return DistributedContext(rank, world_size, local_rank, local_world_size, starter)


def _devices(config: TrainConfig) -> int:
    devices = config.trainer.devices
    if devices != "auto":
        return devices
    return max(1, len(_gpus(config)))


def _gpus(config: TrainConfig) -> list[str]:
    return [] if config.trainer.accelerator == "cpu" else hardware.visible_gpus()


def _check(config: TrainConfig, context: DistributedContext, *, from_outside: bool) -> None:
    trainer, batch_size = config.trainer, config.data.batch_size
    configured = (trainer.devices, trainer.num_nodes)
    actual = (context.local_world_size, context.num_nodes)
    if from_outside and any(a not in ("auto", b) for a, b in zip(configured, actual, strict=True)):
        raise InputError(
            f"{context.starter} started {actual[0]} processes on each of {actual[1]} machines, but trainer.devices="
            f"{configured[0]} and trainer.num_nodes={configured[1]}: make them match, or leave both at auto"
        )
    if not from_outside and trainer.num_nodes not in ("auto", 1):
        raise InputError(
            f"trainer.num_nodes={trainer.num_nodes}: start one process per device on every machine with "
            "torchrun or srun (each run of a study uses one machine)"
        )
    gpus = _gpus(config)
    if (gpus or trainer.accelerator == "gpu") and len(gpus) < context.local_world_size:
        raise InputError(
            f"trainer.devices={context.local_world_size}, but {len(gpus)} GPU(s) are visible: use fewer devices, or "
            "trainer.accelerator=cpu"
        )
    if context.world_size > 1 and trainer.sync_batchnorm and not gpus:
        raise InputError("trainer.sync_batchnorm=true needs GPUs: PyTorch does not support it on other devices")
    if context.world_size > 1 and batch_size < 2 * context.world_size:
        raise InputError(
            f"data.batch_size={batch_size} is shared by {context.world_size} devices and leaves fewer than two images "
            f"each: use at least {2 * context.world_size}, or fewer devices"
        )
