"""Launcher of runs as Ray tasks (Ray Core API)."""

import logging
import os
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from artculture.config.schema.launchers import Ray
from artculture.studies.grid import PlannedRun
from artculture.studies.launchers.process import gpus_of, run_command
from artculture.studies.launchers.protocol import ExitStatus, StartedRun
from artculture.studies.launchers.ray_task import execute_run
from artculture.utils.errors import InputError, reason_of

# Keeps Ray from clearing CUDA_VISIBLE_DEVICES in tasks without GPUs; read when Ray is imported.
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")

try:
    import ray
    from ray._private import ray_constants
except ModuleNotFoundError as missing:
    if missing.name != "ray":
        raise
    raise InputError("launcher=ray needs Ray: pip install 'artculture[ray]'") from missing

log = logging.getLogger(__name__)

# Environment variables forwarded to runs on other hosts; API keys are not.
PASSED_ON = (
    "ARTCULTURE_CACHE",
    "OMP_NUM_THREADS",
    "PYTHONPATH",
    "TORCH_HOME",
    "HF_HOME",
    "WANDB_MODE",
    "WANDB_BASE_URL",
)


CANCEL_AGAIN_SECONDS = 3.0


@dataclass
class RayRun:
    """A run executed as a Ray task.

    Attributes:
        task: the ObjectRef of its exit code.
        cancelled_at: time of the last cancellation by the monotonic clock; None if never cancelled.
    """

    task: Any
    cancelled_at: float | None = None

    @property
    def location(self) -> str:
        return f"task {self.task.task_id().hex()[:8]}"

    def exit_status(self) -> ExitStatus | None:
        ready, _ = ray.wait([self.task], timeout=0)
        if not ready:
            # A cancellation can get lost between two states of a worker, so it is repeated.
            if self.cancelled_at is not None and time.monotonic() - self.cancelled_at > CANCEL_AGAIN_SECONDS:
                self.stop()
            return None
        try:
            return ExitStatus(int(ray.get(self.task)))
        except ray.exceptions.TaskCancelledError:
            return ExitStatus(None, "stopped")
        except ray.exceptions.RayTaskError as error:
            return ExitStatus(None, reason_of(error.cause or error))
        except ray.exceptions.RayError as error:  # its worker or host died, and no retries are left
            return ExitStatus(None, f"{type(error).__name__}: {reason_of(error)}")

    def stop(self) -> None:
        self.cancelled_at = time.monotonic()
        ray.cancel(self.task)

    def kill(self) -> None:
        ray.cancel(self.task, force=True)


class RayLauncher:
    """Launcher that submits all runs to a Ray cluster.

    Args:
        config: the `launcher` section of the config.
    """

    queues = True
    detached = False  # Ray ends the tasks of a driver that ends

    def __init__(self, config: Ray) -> None:
        self.config = config
        self.capacity = None if config.parallel == "auto" else config.parallel
        self._local = config.address == "local"

    def __enter__(self) -> Self:
        # What runs on this machine alone is nobody's statistics.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        own: dict[str, Any] = {"include_dashboard": False} if self._local else {}
        self._hosts = ray_constants.ENABLE_RAY_CLUSTER
        if self._local:  # without Ray's switch for several hosts it listens on the loopback interface alone
            ray_constants.ENABLE_RAY_CLUSTER = False
        try:
            ray.init(address=self.config.address, log_to_driver=False, logging_level=logging.ERROR, **own)
        except (ConnectionError, ValueError) as error:
            raise InputError(
                f"no Ray cluster at launcher.address={self.config.address} ({reason_of(error)}): start one with "
                "`ray start --head`, or use launcher.address=local"
            ) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ray.shutdown()
        ray_constants.ENABLE_RAY_CLUSTER = self._hosts

    def start(self, runs: Sequence[PlannedRun]) -> list[StartedRun]:
        return [self._start(run) for run in runs]

    def _start(self, run: PlannedRun) -> StartedRun:
        have: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        resources = ray_resources(run)
        if self._local and not have.get("GPU") and falls_back_to_cpu(run):
            resources["num_gpus"] = 0
        self._check(resources, have)
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        if not resources["num_gpus"]:
            environment["CUDA_VISIBLE_DEVICES"] = ""
        command = run_command(run, threads=resources["num_cpus"], environment=environment)
        task = ray.remote(execute_run).options(
            **resources, name=run.name, max_retries=self.config.retries, retry_exceptions=False
        )
        return RayRun(task.remote(command))

    def _check(self, resources: dict[str, Any], have: dict[str, float]) -> None:
        # An autoscaling cluster may add hosts; a local one has only the resources of this machine.
        if not self._local:
            return
        for key, name in (("num_gpus", "GPU"), ("num_cpus", "CPU")):
            if resources[key] > have.get(name, 0):
                raise InputError(
                    f"launcher.{name.lower()}s={resources[key]}, but {socket.gethostname()} has {have.get(name, 0):g}: "
                    "a run could never start" + ("; to train on the CPU use trainer=cpu" if name == "GPU" else "")
                )


def falls_back_to_cpu(run: PlannedRun) -> bool:
    """Return whether a run trains on the CPU where there is no GPU, as under `launcher=local`."""
    config = run.config.launcher
    assert isinstance(config, Ray)
    return run.config.trainer.accelerator == "auto" and config.gpus == "auto"


def ray_resources(run: PlannedRun) -> dict[str, Any]:
    """Return the resources that a run's task requests, as arguments of `ray.remote`."""
    config = run.config.launcher
    assert isinstance(config, Ray)
    resources: dict[str, Any] = {
        "num_gpus": gpus_of(run.config),
        "num_cpus": config.cpus,
    }
    if config.memory_gb is not None:
        resources["memory"] = int(config.memory_gb * 2**30)
    return resources
