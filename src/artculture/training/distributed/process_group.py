"""How the processes of one run speak to each other, apart from the training step itself."""

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from torch.distributed.distributed_c10d import PrefixStore

from artculture.training.distributed.context import DistributedContext
from artculture.training.distributed.processes import RankProcesses
from artculture.utils.errors import InputError, Interrupted, WorkError, reason_of
from artculture.utils.io import json_text

T = TypeVar("T")

POLL_SECONDS = 0.05
# How long a process may take to say why it left, after others have found that it did.
REASON_SECONDS = 3.0
# How long to wait for the first process's store: others may begin much earlier on another machine.
MEETING = timedelta(minutes=10)
# What torch says where another process has gone.
GONE = re.compile(r"gloo|nccl|peer|socket|broken pipe|connection|store|recv|timed? ?out", re.IGNORECASE)
KINDS = {kind.__name__: kind for kind in (InputError, WorkError)}


class ProcessGroup:
    """The processes of a run.

    What is said here goes over the processors, never over GPUs, so that no step waits for a device.

    Args:
        context: of this process.
        store: what all can write to and read, kept by the first; None where this process is alone.
        processes: those that this one has started.
    """

    def __init__(self, context: DistributedContext, store: Any = None, processes: RankProcesses | None = None) -> None:
        self.context, self.store, self.processes = context, store, processes
        self.group: Any = None

    @property
    def world_size(self) -> int:
        return self.context.world_size

    @property
    def is_global_zero(self) -> bool:
        """Whether this process writes what the run leaves."""
        return self.context.rank == 0

    def barrier(self, where: str) -> None:
        """Wait until all are here, however long it takes.

        Raises:
            WorkError: one of them has ended.
        """
        if self.world_size > 1:
            self.store.add(f"here/{where}", 1)
            self._wait(lambda: self.store.add(f"here/{where}", 0) >= self.world_size)

    def main_process_first(self, where: str, work: Callable[[], T]) -> T:
        """Work that leaves files behind: done by one process a machine, then by the others, who find them.

        The very first goes ahead alone: the machines may share a disk, whose locks they may not see.
        """
        first_here = self.context.local_rank == 0
        turn = 0 if self.is_global_zero else 1 if first_here else 2
        for now in range(3):
            if turn == now:
                result = work()
            self.barrier(f"{where}/{now}")
        return result

    def broadcast(self, what: str, say: Callable[[], Any]) -> Any:
        """A value (as JSON has it) that the first process makes and all get."""
        if self.world_size == 1:
            return say()
        if self.is_global_zero:
            self.store.set(f"told/{what}", json_text(say(), ensure_ascii=True))
        self._wait(lambda: self.store.check([f"told/{what}"]))
        return json.loads(self.store.get(f"told/{what}"))

    def all_reduce_max(self, *numbers: int) -> list[int]:
        """The largest of each number over all processes; a step's all meet here."""
        if self.world_size == 1:
            return list(numbers)
        largest = torch.tensor(numbers)
        dist.all_reduce(largest, dist.ReduceOp.MAX, group=self.group)
        return largest.tolist()

    def all_gather(self, value: T) -> list[T]:
        """Everyone's value, in the order of ranks."""
        if self.world_size == 1:
            return [value]
        values: list[Any] = [None] * self.world_size
        dist.all_gather_object(values, value, group=self.group)
        return values

    def report_failure(self, error: BaseException) -> None:
        """Let the others know why this process leaves, unless another left before it."""
        if self.world_size == 1:
            return
        said = {"rank": self.context.rank, "kind": type(error).__name__, "reason": reason_of(error)}
        if isinstance(error, Interrupted):
            said["signal"] = error.signal_name
        with suppress(Exception):  # the store may have gone with the first process
            self.store.compare_set("failed", "", json_text(said, ensure_ascii=True))

    def map_error(self, error: BaseException) -> BaseException:
        """The error, or what made another process leave where that is what this one met."""
        if self.world_size == 1 or not (isinstance(error, RuntimeError) and GONE.search(str(error))):
            return error
        deadline = time.monotonic() + REASON_SECONDS
        while time.monotonic() < deadline:
            with suppress(Exception):
                if (reason := self._failure()) is not None:
                    return reason
            time.sleep(POLL_SECONDS)
        if self.is_global_zero:
            return WorkError(f"another process of this run has gone ({reason_of(error)}): launch again to go on")
        return WorkError("the first process of this run has gone; it says why, or was killed")

    def _failure(self) -> BaseException | None:
        """Why another process has left, if one has."""
        if self.store.check(["failed"]):
            said = json.loads(self.store.get("failed"))
            if said["rank"] != self.context.rank:
                if "signal" in said:
                    return Interrupted(said["signal"])
                return KINDS.get(said["kind"], WorkError)(f"{said['reason']} (device {said['rank']})")
        death = self.processes.death() if self.processes else None
        return None if death is None else WorkError(f"{death}: launch again to go on from the last checkpoint")

    def _wait(self, done: Callable[[], bool]) -> None:
        while not done():
            if (reason := self._failure()) is not None:
                raise reason
            time.sleep(POLL_SECONDS)


SINGLE_PROCESS = ProcessGroup(DistributedContext())


@contextmanager
def joined_process_group(
    context: DistributedContext, accelerator: str, processes: RankProcesses | None = None
) -> Iterator[ProcessGroup]:
    """All processes of a run, met and connected while the block lasts.

    Args:
        context: of this process.
        accelerator: `cpu` or `gpu`, as really used.
        processes: those that this one has started.

    Raises:
        WorkError: another process ended.
    """
    if context.world_size == 1:
        yield SINGLE_PROCESS
        return
    process_group = ProcessGroup(context, _store(context, processes), processes)
    try:
        process_group.barrier("start")
        _connect(process_group, accelerator)
        yield process_group
        # Whoever leaves while others still listen to it would be taken for dead.
        process_group.barrier("end")
        if process_group.is_global_zero:  # which has the store
            with suppress(WorkError):
                process_group._wait(lambda: process_group.store.add("left", 0) >= process_group.world_size - 1)
        else:
            process_group.store.add("left", 1)
    except BaseException as error:
        process_group.report_failure(error)
        raise
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def cluster_environment(context: DistributedContext) -> ClusterEnvironment:
    """Lightning's name for who started the processes."""
    if context.starter == "torchrun":
        return TorchElasticEnvironment()
    if context.starter == "srun":
        return SLURMEnvironment(auto_requeue=False)
    return LightningEnvironment()


def _store(context: DistributedContext, processes: RankProcesses | None) -> Any:
    environment = cluster_environment(context)
    # torchrun's agent may have opened the store already.
    keeps = context.rank == 0 and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
    listener: dict[str, Any] = {} if processes is None else {"master_listen_fd": processes.listener.detach()}
    store = dist.TCPStore(  # type: ignore[attr-defined]
        environment.main_address,
        environment.main_port,
        is_master=keeps,
        timeout=MEETING,
        wait_for_workers=False,
        **listener,
    )
    # An agent's store outlives an attempt that it starts again.
    return PrefixStore(f"artculture/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)


def _connect(process_group: ProcessGroup, accelerator: str) -> None:
    context = process_group.context
    backend, device = "gloo", None
    if accelerator == "gpu":
        backend, device = "nccl", torch.device("cuda", context.local_rank)
        torch.cuda.set_device(device)
    store = PrefixStore("group", process_group.store)
    dist.init_process_group(backend, store=store, rank=context.rank, world_size=context.world_size, device_id=device)
    process_group.group = dist.new_group(backend="gloo")
