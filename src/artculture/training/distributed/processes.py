"""The other ranks of a run on this machine: started, monitored and ended by rank 0."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from artculture.training.distributed.context import RANK_OF, DistributedContext
from artculture.utils.child_process import end_with

# How long the other ranks may take to exit after rank 0 has finished or was asked to stop.
PATIENCE_SECONDS = 20.0


class RankProcesses:
    """The processes that rank 0 has started, by rank.

    Attributes:
        listener: open socket for the key-value store, on the port that the other ranks connect to.
        own: environment variables of rank 0.
    """

    def __init__(self, context: DistributedContext, run: Path) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        port = self.listener.getsockname()[1]
        self.running = {rank: _start(rank, context, port, run) for rank in range(1, context.world_size)}
        self.own = _environment(0, context, port)

    def death(self) -> str | None:
        """Return how a rank failed, or None if none has."""
        for rank, process in self.running.items():
            code = process.poll()
            if code:
                how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
                return f"the process of device {rank} {how}"
        return None

    def end(self, patience: float) -> None:
        """Wait for all ranks up to `patience` seconds, then kill the remaining ones."""
        deadline = time.monotonic() + patience
        for process in self.running.values():
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.listener.close()


@contextmanager
def launched_ranks(context: DistributedContext, run: Path) -> Iterator[RankProcesses | None]:
    """Start the other ranks of a run for the duration of a `with` block.

    Args:
        context: rank and world size of this process.
        run: the run's directory, from which the other ranks read the job.

    Yields:
        The processes; None where the run has one process, or another program starts them.
    """
    if context.world_size == 1 or context.starter != "itself" or context.rank > 0:
        yield None
        return
    processes = RankProcesses(context, run)
    before = {name: os.environ.get(name) for name in processes.own}
    os.environ.update(processes.own)
    try:
        yield processes
    except BaseException:
        # The other ranks detect that rank 0 has ended and exit; they have nothing to save that it has not saved.
        processes.end(PATIENCE_SECONDS / 4)
        raise
    else:
        processes.end(PATIENCE_SECONDS)
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            os.environ.update({} if value is None else {name: value})


def _start(rank: int, context: DistributedContext, port: int, run: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "artculture", "run", str(run)]
    environment = {**os.environ, **_environment(rank, context, port), RANK_OF: str(os.getpid())}
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, env=environment)


def _environment(rank: int, context: DistributedContext, port: int) -> dict[str, str]:
    cores = max(1, (os.cpu_count() or 1) // context.world_size)
    return {
        "RANK": str(rank),
        "WORLD_SIZE": str(context.world_size),
        "LOCAL_RANK": str(rank),
        "LOCAL_WORLD_SIZE": str(context.world_size),
        "NODE_RANK": "0",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        # Share the cores between the ranks instead of oversubscribing them.
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(cores)),
    }


def end_with_rank_zero() -> None:
    """Have this rank killed when the rank-0 process that started it ends (Linux only): only rank 0 can save."""
    end_with(int(os.environ[RANK_OF]), signal.SIGKILL)
