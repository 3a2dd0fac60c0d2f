"""The run's page in Weights & Biases: opened so that it never stops a training, closed with the right state."""

import logging
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pandas as pd

from artculture.errors import InputError, reason_of
from artculture.runs.directory import RunDirectory

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
class Page:
    """What a run's page is called and filed under."""

    project: str
    entity: str | None
    group: str
    job_type: str
    name: str
    run_id: str
    tags: tuple[str, ...]


def open_page(page: Page, directory: RunDirectory, config: dict[str, Any], *, offline: bool) -> Any:
    """Start or go on with the W&B run of a page; offline where there is no account or no answer.

    Returns:
        A `wandb.Run`.

    Raises:
        InputError: wandb is not installed.
    """
    try:
        import wandb
    except ImportError as error:
        raise InputError("logger=wandb needs wandb: pip install wandb, or take logger=csv") from error
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
        with quietly("end the attempt"):
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
        run: the open W&B run.
    """

    def __init__(self, run: Any) -> None:
        self.run = run
        self._lost = False

    def catch_up(self, rows: pd.DataFrame) -> None:
        for row in rows.to_dict("records"):
            self.log({str(key): float(value) for key, value in row.items()})
        if not self._lost:
            with quietly("remove superseded offline files"):
                _remove_superseded(self.run)

    def log(self, row: dict[str, Any]) -> None:
        epoch = int(row["epoch"])
        if self._lost:
            return
        try:
            if epoch >= self.run.step:
                self.run.log({**row, "epoch": epoch}, step=epoch, commit=True)
        except Exception as error:  # whatever becomes of the page, the training goes on
            self._lost = True
            log.warning("W&B failed (%s): training goes on without it, metrics.csv has every epoch", reason_of(error))


@contextmanager
def quietly(what: str) -> Iterator[None]:
    """Turn a failure of W&B inside the block into a warning."""
    try:
        yield
    except Exception as error:
        log.warning("W&B could not %s: %s", what, reason_of(error))


def close_page(run: Any, exit_code: int, *, preempted: bool = False) -> None:
    """Finish a page, within a time limit where its server is gone.

    Args:
        run: the open W&B run.
        exit_code: 0 for finished, else failed.
        preempted: whether the run was told to stop and is to go on later.
    """
    with quietly("finish the run"):
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


def _init(wandb: Any, page: Page, directory: RunDirectory, config: dict[str, Any], mode: str) -> Any:
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
