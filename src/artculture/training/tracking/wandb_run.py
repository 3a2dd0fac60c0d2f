"""Weights & Biases runs: started in the background, failures never stop a training, finished with the exit code."""

import logging
import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from artculture.training.result import git_commit
from artculture.training.tracking.wandb_files import link_in_study, sync_hint
from artculture.training.tracking.wandb_settings import WandbRun
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


class BackgroundWandbRun:
    """A W&B run that is started in a thread; the training waits for it when the first metrics are logged.

    Raises:
        InputError: wandb is not installed.
    """

    def __init__(self, info: WandbRun) -> None:
        check_installed()
        opener = ThreadPoolExecutor(1, thread_name_prefix="wandb")
        self._run = opener.submit(start_run, info)
        opener.shutdown(wait=False)
        self._warned = False

    def run(self) -> Any:
        """Return the open `wandb.Run`, or None (with one warning) if it could not be started."""
        failure = self._run.exception()
        if failure is None:
            return self._run.result()
        if not self._warned:
            self._warned = True
            warn_of_failure(failure)
        return None

    def close(self, exit_code: int, reason: str | None = None, *, preempted: bool = False) -> None:
        """Finish the W&B run, if there is one, as `finish_run` does."""
        run = self.run()
        if run is not None:
            finish_run(run, exit_code, reason, preempted=preempted)


def check_installed() -> None:
    if find_spec("wandb") is None:
        raise InputError("logger.wandb needs wandb: pip install wandb, or use logger=csv")


def warn_of_failure(error: BaseException) -> None:
    log.warning("W&B failed (%s): training continues without it, metrics.csv has every epoch", reason_of(error))


def start_run(info: WandbRun) -> Any:
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
    mode = info.mode
    try:
        mode = _reachable_mode(wandb, info)
        run = _init(wandb, info, mode)
    except Exception as error:  # W&B may fail in any way; the training must not
        if mode != "online":
            raise
        log.warning("W&B does not answer (%s): logging offline, %s", reason_of(error), sync_hint(info))
        with suppress_wandb_errors("end the attempt"):
            wandb.teardown()
        # The failed attempt may have created a run of this id: use a new one.
        info = replace(info, run_id=f"{info.run_id}-offline")
        run = _init(wandb, info, "offline")
    run.define_metric("epoch", hidden=True)
    for metric, summary in SUMMARIES.items():
        run.define_metric(metric, step_metric="epoch", summary=summary)
    run.define_metric("lr/*", step_metric="epoch")
    link_in_study(run, info)
    return run


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


def _reachable_mode(wandb: Any, info: WandbRun) -> str:
    if info.mode != "online":
        return info.mode
    # `login` validates a stored key with the server; a key in the environment is left to `init` and its timeout.
    # `Settings()` alone reads neither WANDB_BASE_URL nor the user's settings file.
    server = urlsplit(str(wandb.setup().settings.base_url))
    if not _answers(server.hostname or "", server.port or 443):
        log.warning("W&B does not answer (%s): logging offline, %s", server.netloc, sync_hint(info))
        return "offline"
    if "WANDB_API_KEY" not in os.environ and not wandb.login(prompt=False):
        log.warning("not logged in to W&B (`wandb login`): logging offline, %s", sync_hint(info))
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


def _init(wandb: Any, info: WandbRun, mode: str) -> Any:
    return wandb.init(
        project=info.project,
        entity=info.entity,
        group=info.group,
        job_type=info.job_type,
        name=info.name,
        notes=info.notes,
        id=info.run_id,
        # Offline, the id alone makes `wandb sync` continue the same run.
        resume="allow" if mode == "online" else None,
        tags=list(info.tags),
        config={**info.config, "git_commit": git_commit()},
        dir=str(info.folder),
        mode=mode,
        settings=wandb.Settings(
            init_timeout=INIT_TIMEOUT_SECONDS,
            # Data that could not be uploaded stays on disk for `wandb sync`.
            finish_timeout=FINISH_TIMEOUT_SECONDS,
            silent=True,
        ),
    )
