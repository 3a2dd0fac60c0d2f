"""Synchronisation of the processes of a distributed run, apart from the training step itself."""

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
# How long to wait for the error message of a process after its connection broke.
REASON_SECONDS = 3.0
# How long to wait for the store of rank 0: other machines may start much earlier.
STORE_TIMEOUT = timedelta(minutes=10)
# Messages of PyTorch when another process has ended.
LOST_PEER = re.compile(r"gloo|nccl|peer|socket|broken pipe|connection|store|recv|timed? ?out", re.IGNORECASE)
ERROR_CLASSES = {kind.__name__: kind for kind in (InputError, WorkError)}


class ProcessGroup:
    """The processes of a distributed run.

    All communication here runs on the CPU (TCP store and gloo), so that no training step waits for a GPU.

    Args:
        context: rank and world size of this process.
        store: the key-value store served by rank 0; None for a single process.
        processes: the ranks started by this process.
    """

    def __init__(self, context: DistributedContext, store: Any = None, processes: RankProcesses | None = None) -> None:
        self.context, self.store, self.processes = context, store, processes
        self.group: Any = None

    @property
    def world_size(self) -> int:
        return self.context.world_size

    @property
    def is_global_zero(self) -> bool:
        """Whether this process is rank 0, which writes the run directory."""
        return self.context.rank == 0

    def barrier(self, name: str) -> None:
        """Wait without a time limit until all processes reach the barrier of this name.

        Raises:
            WorkError: a process has ended.
        """
        if self.world_size > 1:
            self.store.add(f"here/{name}", 1)
            self._wait(lambda: self.store.add(f"here/{name}", 0) >= self.world_size)

    def main_process_first(self, name: str, work: Callable[[], T]) -> T:
        """Call `work` on rank 0, then on local rank 0 of the other machines, then on all other ranks.

        For work that writes files which later callers find. Rank 0 goes first because machines may share a disk
        without seeing each other's file locks.
        """
        first_on_machine = self.context.local_rank == 0
        turn = 0 if self.is_global_zero else 1 if first_on_machine else 2
        for current in range(3):
            if turn == current:
                result = work()
            self.barrier(f"{name}/{current}")
        return result

    def broadcast(self, name: str, make: Callable[[], Any]) -> Any:
        """Broadcast a JSON value from rank 0, where `make` is called; return it on every rank."""
        if self.world_size == 1:
            return make()
        if self.is_global_zero:
            self.store.set(f"broadcast/{name}", json_text(make(), ensure_ascii=True))
        self._wait(lambda: self.store.check([f"broadcast/{name}"]))
        return json.loads(self.store.get(f"broadcast/{name}"))

    def all_reduce_max(self, *numbers: int) -> list[int]:
        """Return the maximum of each number over all processes; called by all of them at the same step."""
        if self.world_size == 1:
            return list(numbers)
        largest = torch.tensor(numbers)
        dist.all_reduce(largest, dist.ReduceOp.MAX, group=self.group)
        return largest.tolist()

    def all_gather(self, value: T) -> list[T]:
        """Return the values of all processes, in the order of their ranks."""
        if self.world_size == 1:
            return [value]
        values: list[Any] = [None] * self.world_size
        dist.all_gather_object(values, value, group=self.group)
        return values

    def report_failure(self, error: BaseException) -> None:
        """Store why this process ends, for the others to read, unless another process has failed before."""
        if self.world_size == 1:
            return
        report = {"rank": self.context.rank, "kind": type(error).__name__, "reason": reason_of(error)}
        if isinstance(error, Interrupted):
            report["signal"] = error.signal_name
        with suppress(Exception):  # the store ends with rank 0
            self.store.compare_set("failed", "", json_text(report, ensure_ascii=True))

    def map_error(self, error: BaseException) -> BaseException:
        """Return the error, or the failure of another process if this error is a consequence of it."""
        if self.world_size == 1 or not (isinstance(error, RuntimeError) and LOST_PEER.search(str(error))):
            return error
        deadline = time.monotonic() + REASON_SECONDS
        while time.monotonic() < deadline:
            with suppress(Exception):
                if (reason := self._failure()) is not None:
                    return reason
            time.sleep(POLL_SECONDS)
        if self.is_global_zero:
            return WorkError(f"another process of this run has ended ({reason_of(error)}): run the command again")
        return WorkError("the first process of this run has ended; see its message, or it was killed")

    def _failure(self) -> BaseException | None:
        """Return the error of another process that has failed, if any."""
        if self.store.check(["failed"]):
            report = json.loads(self.store.get("failed"))
            if report["rank"] != self.context.rank:
                if "signal" in report:
                    return Interrupted(report["signal"])
                return ERROR_CLASSES.get(report["kind"], WorkError)(f"{report['reason']} (device {report['rank']})")
        death = self.processes.death() if self.processes else None
        return None if death is None else WorkError(f"{death}: run the command again to resume")

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
    """Connect the processes of a run for the duration of a `with` block.

    Args:
        context: rank and world size of this process.
        accelerator: the resolved accelerator, `cpu` or `gpu`.
        processes: the ranks started by this process.

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
        # A process that leaves while others still use its connection would look like a failure.
        process_group.barrier("end")
        if process_group.is_global_zero:  # serves the store, so it leaves last
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
    """Return Lightning's cluster environment for what started the processes."""
    if context.starter == "torchrun":
        return TorchElasticEnvironment()
    if context.starter == "srun":
        return SLURMEnvironment(auto_requeue=False)
    return LightningEnvironment()


def _store(context: DistributedContext, processes: RankProcesses | None) -> Any:
    environment = cluster_environment(context)
    # The torchrun agent may serve the store already.
    serves_store = context.rank == 0 and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
    listener: dict[str, Any] = {} if processes is None else {"master_listen_fd": processes.listener.detach()}
    store = dist.TCPStore(  # type: ignore[attr-defined]
        environment.main_address,
        environment.main_port,
        is_master=serves_store,
        timeout=STORE_TIMEOUT,
        wait_for_workers=False,
        **listener,
    )
    # The agent's store outlives a restart: each attempt gets its own prefix.
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
