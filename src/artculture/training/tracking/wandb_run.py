"""The run's page in Weights & Biases: opened so that it never stops a training, closed with the right state."""

import logging
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pandas as pd

from artculture.training.run_directory import RunDirectory
from artculture.utils.errors import InputError, reason_of

log = logging.getLogger(__name__)

# metric -> how its summary is made; the best and the last value both stand on the run's page
SUMMARIES = {
    "train/loss": "min,last",
    "train/top1": "max,last",
    "val/loss": "min,last",
    "val/top1": "max,last",
    "val/top3": "max,last",
    "val/macro_f1": "max,last",
}
# How long W&B may take to answer before the run goes on offline.
INIT_TIMEOUT_SECONDS = float(os.environ.get("ARTCULTURE_WANDB_TIMEOUT", "30"))
# How long a finished run may take to upload what is left.
FINISH_TIMEOUT_SECONDS = float(os.environ.get("ARTCULTURE_WANDB_FINISH_TIMEOUT", "300"))


@dataclass(frozen=True)
class WandbRun:
    """What a run's page is called and filed under."""

    project: str
    entity: str | None
    group: str
    job_type: str
    name: str
    run_id: str
    tags: tuple[str, ...]


class BackgroundWandbRun:
    """A page that is opened beside the training, which waits for it only when there is something to tell.

    Args:
        page: what it is called and filed under.
        directory: the run's.
        config: the run's.
        offline: whether to ask no server.

    Raises:
        InputError: wandb is not installed.
    """

    def __init__(self, page: WandbRun, directory: RunDirectory, config: dict[str, Any], *, offline: bool) -> None:
        check_installed()
        opener = ThreadPoolExecutor(1, thread_name_prefix="wandb")
        self._run = opener.submit(start_run, page, directory, config, offline=offline)
        opener.shutdown(wait=False)
        self._warned = False

    def run(self) -> Any:
        """The open `wandb.Run`, or None where it could not be opened, which is told once."""
        failure = self._run.exception()
        if failure is None:
            return self._run.result()
        if not self._warned:
            self._warned = True
            _warn_of_failure(failure)
        return None

    def close(self, exit_code: int, *, preempted: bool = False) -> None:
        """Finish the page, if there is one, as `finish_run` does."""
        run = self.run()
        if run is not None:
            finish_run(run, exit_code, preempted=preempted)


def check_installed() -> None:
    if find_spec("wandb") is None:
        raise InputError("logger=wandb needs wandb: pip install wandb, or take logger=csv")


def _warn_of_failure(error: BaseException) -> None:
    log.warning("W&B failed (%s): training goes on without it, metrics.csv has every epoch", reason_of(error))


def start_run(page: WandbRun, directory: RunDirectory, config: dict[str, Any], *, offline: bool) -> Any:
    """Start or go on with the W&B run of a page; offline where there is no account or no answer.

    Returns:
        A `wandb.Run`.

    Raises:
        InputError: wandb is not installed.
    """
    check_installed()
    import wandb

    if wandb.run is not None:
        raise RuntimeError(f"the W&B run {wandb.run.id} is still open; a new one would write into it")
    mode = "offline" if offline else "online"
    try:
        mode = _mode(wandb, offline)
        run = _init(wandb, page, directory, config, mode)
    except Exception as error:  # its service may fail in any way; a training does not depend on it
        if mode != "online":
            raise
        log.warning("W&B does not answer (%s): logging offline, `wandb sync` uploads later", reason_of(error))
        with suppress_wandb_errors("end the attempt"):
            wandb.teardown()
        # The id may be taken by the attempt that failed: a new one, so that nothing is mixed up.
        page = replace(page, run_id=f"{page.run_id}-offline")
        run = _init(wandb, page, directory, config, "offline")
    run.define_metric("epoch", hidden=True)
    for metric, summary in SUMMARIES.items():
        run.define_metric(metric, step_metric="epoch", summary=summary)
    run.define_metric("lr/*", step_metric="epoch")
    return run


class History:
    """The epochs' rows on a run's page: each once, without a gap, however often the run was cut off.

    A row's W&B step is its epoch. At a new launch the page says how far it got (offline: a new file, which gets all
    rows again and takes the place of those before it), and what it lacks is told again from metrics.csv.

    Args:
        run: gives the open W&B run, or None where there is none.
    """

    def __init__(self, run: Callable[[], Any]) -> None:
        self.run = run
        self._lost = False

    def catch_up(self, rows: pd.DataFrame) -> None:
        for row in rows.to_dict("records"):
            self.log({str(key): float(value) for key, value in row.items()})
        run = self.run()
        if run is not None and not self._lost:
            with suppress_wandb_errors("remove superseded offline files"):
                _remove_superseded(run)

    def log(self, row: dict[str, Any]) -> None:
        epoch = int(row["epoch"])
        run = self.run()
        if run is None or self._lost:
            return
        try:
            if epoch >= run.step:
                run.log({**row, "epoch": epoch}, step=epoch, commit=True)
        except Exception as error:  # whatever becomes of the page, the training goes on
            self._lost = True
            _warn_of_failure(error)


@contextmanager
def suppress_wandb_errors(what: str) -> Iterator[None]:
    """Turn a failure of W&B inside the block into a warning."""
    try:
        yield
    except Exception as error:
        log.warning("W&B could not %s: %s", what, reason_of(error))


def finish_run(run: Any, exit_code: int, *, preempted: bool = False) -> None:
    """Finish a page, within a time limit where its server is gone.

    Args:
        run: the open W&B run.
        exit_code: 0 for finished, else failed.
        preempted: whether the run was told to stop and is to go on later.
    """
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


def _mode(wandb: Any, offline: bool) -> str:
    asked = os.environ.get("WANDB_MODE", "")
    if asked in ("offline", "dryrun", "disabled"):
        return "offline" if asked != "disabled" else "disabled"
    if offline:
        return "offline"
    # `login` asks the server about a key that it finds; a key in the environment is left to `init` and its timeout.
    # `Settings()` alone knows neither WANDB_BASE_URL nor the user's settings file.
    server = urlsplit(str(wandb.setup().settings.base_url))
    if not _answers(server.hostname or "", server.port or 443):
        log.warning("W&B does not answer (%s): logging offline, `wandb sync` uploads later", server.netloc)
        return "offline"
    if "WANDB_API_KEY" not in os.environ and not wandb.login(prompt=False):
        log.warning("no W&B account at hand (`wandb login`): logging offline, `wandb sync` uploads later")
        return "offline"
    return "online"


def _answers(host: str, port: int) -> bool:
    # wandb's own client would retry a dead address for a minute and more. Behind a proxy only it can tell.
    if any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY")):
        return True
    try:
        socket.create_connection((host, port), timeout=INIT_TIMEOUT_SECONDS).close()
    except OSError:
        return False
    return True


def _init(wandb: Any, page: WandbRun, directory: RunDirectory, config: dict[str, Any], mode: str) -> Any:
    return wandb.init(
        project=page.project,
        entity=page.entity,
        group=page.group,
        job_type=page.job_type,
        name=page.name,
        id=page.run_id,
        # Offline there is nothing to ask: the same id makes `wandb sync` go on in the same run.
        resume="allow" if mode == "online" else None,
        tags=list(page.tags),
        config=config,
        # Absolute: the service behind it may have been started in another folder.
        dir=str(directory.path.resolve()),
        mode=mode,
        settings=wandb.Settings(
            init_timeout=INIT_TIMEOUT_SECONDS,
            # What a dead server did not take stays on disk for `wandb sync`.
            finish_timeout=FINISH_TIMEOUT_SECONDS,
            silent=True,
        ),
    )
