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

import numpy as np
import pandas as pd
from PIL import Image

from artculture.data.images import BadImageError, read_pixels
from artculture.data.paintings import Selection
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
# Pictures in the table of predictions: enough to leaf through, not so many that the upload is felt.
MAX_TABLE_ROWS = 1000


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


def log_result(
    run: Any, selection: Selection, predictions: pd.DataFrame, result: dict[str, Any], thumbnails: int
) -> None:
    """Put the test scores, the confusion matrix and the table of test predictions on the run's page.

    Args:
        run: the open W&B run.
        selection: where the pictures are.
        predictions: of the test split: `row`, `culture` and a probability a class, `p_<class>`.
        result: the run's result.
        thumbnails: shorter side of the table's pictures, pixels; 0 for none.
    """
    import wandb

    if predictions.empty:  # the test split was left alone
        return
    classes = list(selection.classes)
    chances = predictions[[f"p_{name}" for name in classes]].to_numpy()
    truth = [classes.index(culture) for culture in predictions["culture"]]
    guessed = chances.argmax(axis=1)
    for key in ("top1", "top3", "macro_f1"):
        run.summary[f"test/{key}"] = result[f"test_{key}"]
    for culture, recall in result["per_culture"].items():
        if recall["recall"] is not None:
            run.summary[f"test/recall/{culture}"] = recall["recall"]
    matrix = wandb.plot.confusion_matrix(y_true=truth, preds=guessed.tolist(), class_names=classes)
    table = _prediction_table(wandb, selection, predictions, chances, guessed, thumbnails)
    # A step of its own after the last epoch's: told again by a later launch, it replaces nothing and doubles nothing.
    if run.step <= result["epochs"]:
        run.log({"test/confusion": matrix, "test/predictions": table}, step=result["epochs"], commit=True)


def _prediction_table(
    wandb: Any,
    selection: Selection,
    predictions: pd.DataFrame,
    chances: Any,
    guessed: Any,
    thumbnails: int,
) -> Any:
    classes = selection.classes
    pictures = ["picture"] if thumbnails else []
    table = wandb.Table(
        columns=[
            "object_id",
            *pictures,
            "title",
            "artist",
            "culture",
            "predicted",
            "right",
            "confidence",
            *classes,
        ]
    )
    # The surest mistakes first: that is what one looks for.
    right = np.array([classes[g] == c for g, c in zip(guessed, predictions["culture"], strict=True)])
    order = np.lexsort((-chances.max(axis=1), right))[:MAX_TABLE_ROWS]
    for position in order:
        row = predictions.iloc[position]
        about = selection.manifest.table.iloc[int(row["row"])]
        shown = [_thumbnail(wandb, selection, int(row["row"]), thumbnails)] if thumbnails else []
        probabilities = [float(p) for p in chances[position]]
        table.add_data(
            row["object_id"],
            *shown,
            about["title"],
            about["artist"],
            row["culture"],
            classes[guessed[position]],
            bool(right[position]),
            max(probabilities),
            *probabilities,
        )
    return table


def _thumbnail(wandb: Any, selection: Selection, row: int, side: int) -> Any:
    try:
        small = Image.fromarray(read_pixels(selection.manifest.picture(row), side, "bilinear"))
    except BadImageError:  # it was there when it was decoded
        return None
    small.thumbnail((2 * side, side))
    return wandb.Image(small, file_type="jpg")


def log_figures(run: Any, folder: Path, findings: list[dict[str, Any]]) -> None:
    """Put an analysis on a run's page: figures under `analysis/…`, plain numbers into the summary.

    Args:
        run: the open W&B run.
        folder: where the figures lie.
        findings: as `analysis.json` lists them.
    """
    import wandb

    figures = {
        f"analysis/{one['name']}": wandb.Image(str(folder / one["png"]), caption=one["title"])
        for one in findings
        if "png" in one
    }
    if figures:
        run.log(figures)
    for one in findings:
        for key, value in one["numbers"].items():
            if isinstance(value, (int, float, str)):
                run.summary[f"analysis/{one['name']}/{key}"] = value
