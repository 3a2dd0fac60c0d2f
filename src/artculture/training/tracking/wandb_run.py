"""Weights & Biases runs: started in the background, failures never stop a training, finished with the exit code."""

import logging
import os
import shutil
import socket
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from artculture.training.run_directory import RunDirectory
from artculture.utils.errors import InputError, reason_of
from artculture.utils.secrets import hidden

log = logging.getLogger(__name__)

# metric -> summary of its history: the best and the last value
SUMMARIES = {
    "train/loss": "min,last",
    "train/top1": "max,last",
    "val/loss": "min,last",
    "val/top1": "max,last",
    "val/top3": "max,last",
    "val/macro_f1": "max,last",
    "val/macro_recall": "max,last",
}
# How long W&B may take to answer before the run continues offline.
INIT_TIMEOUT_SECONDS = float(os.environ.get("ARTCULTURE_WANDB_TIMEOUT", "30"))
# How long a finished run may take to upload the remaining data.
FINISH_TIMEOUT_SECONDS = float(os.environ.get("ARTCULTURE_WANDB_FINISH_TIMEOUT", "300"))


@dataclass(frozen=True)
class WandbRun:
    """Name, group and tags of a W&B run."""

    project: str
    entity: str | None
    group: str
    job_type: str
    name: str
    run_id: str
    tags: tuple[str, ...]


def id_of(directory: RunDirectory) -> str:
    """Return the W&B id of a run: the one in its status.json, which moves with the directory, else a new one.

    A run that a W&B agent executes has the id that the agent gave it, which W&B would use in any case.
    """
    agent = os.environ.get("WANDB_RUN_ID") if "WANDB_SWEEP_ID" in os.environ else None
    return agent or directory.status().get("wandb_id") or uuid.uuid4().hex[:12]


class BackgroundWandbRun:
    """A W&B run that is started in a thread; the training waits for it when the first metrics are logged.

    Args:
        info: name, group and tags.
        directory: the run directory.
        config: the run's config.
        offline: whether to contact no server.

    Raises:
        InputError: wandb is not installed.
    """

    def __init__(self, info: WandbRun, directory: RunDirectory, config: dict[str, Any], *, offline: bool) -> None:
        check_installed()
        opener = ThreadPoolExecutor(1, thread_name_prefix="wandb")
        self._run = opener.submit(start_run, info, directory, config, offline=offline)
        opener.shutdown(wait=False)
        self._warned = False

    def run(self) -> Any:
        """Return the open `wandb.Run`, or None (with one warning) if it could not be started."""
        failure = self._run.exception()
        if failure is None:
            return self._run.result()
        if not self._warned:
            self._warned = True
            _warn_of_failure(failure)
        return None

    def close(self, exit_code: int, reason: str | None = None, *, preempted: bool = False) -> None:
        """Finish the W&B run, if there is one, as `finish_run` does."""
        run = self.run()
        if run is not None:
            finish_run(run, exit_code, reason, preempted=preempted)


def check_installed() -> None:
    if find_spec("wandb") is None:
        raise InputError("logger.wandb needs wandb: pip install wandb, or use logger=csv")


def _warn_of_failure(error: BaseException) -> None:
    log.warning("W&B failed (%s): training continues without it, metrics.csv has every epoch", reason_of(error))


def start_run(info: WandbRun, directory: RunDirectory, config: dict[str, Any], *, offline: bool) -> Any:
    """Start or resume a W&B run; offline if there is no account or the server does not answer.

    Returns:
        A `wandb.Run`.

    Raises:
        InputError: wandb is not installed.
    """
    check_installed()
    import wandb

    if wandb.run is not None:
        raise RuntimeError(f"the W&B run {wandb.run.id} is still open; a new run would log into it")
    mode = "offline" if offline else "online"
    try:
        mode = _mode(wandb, directory, offline)
        run = _init(wandb, info, directory, config, mode)
    except Exception as error:  # W&B may fail in any way; the training must not
        if mode != "online":
            raise
        log.warning("W&B does not answer (%s): logging offline, %s", reason_of(error), sync_hint(directory))
        with suppress_wandb_errors("end the attempt"):
            wandb.teardown()
        # The failed attempt may have created a run of this id: use a new one.
        info = replace(info, run_id=f"{info.run_id}-offline")
        run = _init(wandb, info, directory, config, "offline")
    run.define_metric("epoch", hidden=True)
    for metric, summary in SUMMARIES.items():
        run.define_metric(metric, step_metric="epoch", summary=summary)
    run.define_metric("lr/*", step_metric="epoch")
    return run


class History:
    """Log each epoch to W&B exactly once, without gaps, also when the run was interrupted.

    The W&B step is the epoch. A resumed W&B run reports its last step, and missing epochs are logged from metrics.csv.
    An offline run starts a new file with all epochs, which replaces the files before it.

    Args:
        run: returns the open W&B run, or None if there is none.
    """

    def __init__(self, run: Callable[[], Any]) -> None:
        self.run = run
        self._lost = False

    def log(self, row: dict[str, Any]) -> None:
        epoch = int(row["epoch"])
        run = self.run()
        if run is None or self._lost:
            return
        try:
            if epoch >= run.step:
                run.log({**row, "epoch": epoch}, step=epoch, commit=True)
        except Exception as error:  # W&B may fail in any way; the training must not
            self._lost = True
            _warn_of_failure(error)

    def remove_superseded(self) -> None:
        """Remove the offline files of earlier launches, whose epochs are all logged again."""
        run = self.run()
        if run is not None and not self._lost:
            with suppress_wandb_errors("remove superseded offline files"):
                _remove_superseded(run)


@contextmanager
def suppress_wandb_errors(what: str) -> Iterator[None]:
    """Log W&B errors inside the block as warnings."""
    try:
        yield
    except Exception as error:
        log.warning("W&B could not %s: %s", what, reason_of(error))


def finish_run(run: Any, exit_code: int, reason: str | None = None, *, preempted: bool = False) -> None:
    """Finish a W&B run, within a time limit if its server does not answer.

    Args:
        run: the open W&B run.
        exit_code: 0 for finished, otherwise failed.
        reason: why it failed, shown as `error` in its summary and table; None removes that of an earlier launch.
        preempted: whether the run was interrupted and will be resumed.
    """
    with suppress_wandb_errors("log why the run ended"):
        run.summary["error"] = None if reason is None else hidden(reason)
    with suppress_wandb_errors("finish the run"):
        if preempted:
            run.mark_preempting()
        run.finish(exit_code=exit_code)


def _remove_superseded(run: Any) -> None:
    folder = Path(run.dir).parent
    if folder.name.startswith("offline-run-"):
        for older in folder.parent.glob(f"offline-run-*-{run.id}"):
            if older != folder:
                shutil.rmtree(older)


def sync_hint(directory: RunDirectory) -> str:
    """Return the command that uploads the offline W&B run of a run directory."""
    return f"`wandb sync {directory.path}/wandb/offline-run-*` uploads it later"


def _mode(wandb: Any, directory: RunDirectory, offline: bool) -> str:
    chosen = os.environ.get("WANDB_MODE", "")
    if chosen in ("offline", "dryrun", "disabled"):
        return "offline" if chosen != "disabled" else "disabled"
    if offline:
        return "offline"
    # `login` validates a stored key with the server; a key in the environment is left to `init` and its timeout.
    # `Settings()` alone reads neither WANDB_BASE_URL nor the user's settings file.
    server = urlsplit(str(wandb.setup().settings.base_url))
    if not _answers(server.hostname or "", server.port or 443):
        log.warning("W&B does not answer (%s): logging offline, %s", server.netloc, sync_hint(directory))
        return "offline"
    if "WANDB_API_KEY" not in os.environ and not wandb.login(prompt=False):
        log.warning("not logged in to W&B (`wandb login`): logging offline, %s", sync_hint(directory))
        return "offline"
    return "online"


def _answers(host: str, port: int) -> bool:
    # wandb's client retries an unreachable address for over a minute. Behind a proxy only wandb can connect.
    if any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY")):
        return True
    try:
        socket.create_connection((host, port), timeout=INIT_TIMEOUT_SECONDS).close()
    except OSError:
        return False
    return True


def _init(wandb: Any, info: WandbRun, directory: RunDirectory, config: dict[str, Any], mode: str) -> Any:
    return wandb.init(
        project=info.project,
        entity=info.entity,
        group=info.group,
        job_type=info.job_type,
        name=info.name,
        id=info.run_id,
        # Offline, the id alone makes `wandb sync` continue the same run.
        resume="allow" if mode == "online" else None,
        tags=list(info.tags),
        config=config,
        # Absolute: the W&B service may have been started in another folder.
        dir=str(directory.path.resolve()),
        mode=mode,
        settings=wandb.Settings(
            init_timeout=INIT_TIMEOUT_SECONDS,
            # Data that could not be uploaded stays on disk for `wandb sync`.
            finish_timeout=FINISH_TIMEOUT_SECONDS,
            silent=True,
        ),
    )
