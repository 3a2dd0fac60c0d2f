"""What to do with a run that may have been started before."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from artculture.config.schema.train import TrainConfig
from artculture.training.identity import EPOCHS, differences, identity
from artculture.training.origin import (
    check_config,
    check_paintings,
    check_same_origin,
    checkpoint_at,
    paintings_changed,
    read_origin,
    recorded_origin,
    shown_pairs,
)
from artculture.training.run_directory import RunDirectory
from artculture.utils.errors import InputError
from artculture.utils.quick_imports import lean_torchmetrics
from artculture.utils.targets import node_name

if TYPE_CHECKING:  # a launch that only asks what there is to do needs no pandas
    import pandas as pd

    from artculture.data.manifest import Manifest

log = logging.getLogger(__name__)

Action = Literal["skip", "start", "continue", "restart"]

KEYWORDS = ("auto", "never", "must")
# Keys of `data` that decide a source's content.
COLUMN_KEYS = ("label", "labels", "image", "id", "disjoint")
SOURCE_KEYS = ("name", "root", "path", "config", "revision", "model", "source", *COLUMN_KEYS)


@dataclass(frozen=True)
class Plan:
    """What a launch does with a run.

    Attributes:
        action: `skip` (finished before), `start`, `continue` (from `checkpoint`, its own or another run's), `restart`
            (all before is removed).
        checkpoint: where to continue from.
    """

    action: Action
    checkpoint: Path | None = None


class Fingerprints:
    """Fingerprints of data sources' manifests as they are now, each read once however many runs ask.

    Each method takes the `data` section of a config; sources differ by the keys that decide their content.
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[Manifest, str] | None] = {}
        self._tables: dict[str, pd.DataFrame | None] = {}

    def of(self, data: dict[str, Any]) -> str | None:
        """Return the fingerprint; None where the paintings are gone, or are no manifest any more."""
        found = self._read(data)
        return None if found is None else found[1]

    def table(self, data: dict[str, Any]) -> "pd.DataFrame | None":
        """Return the manifest's table with the hash of each file as it is now; None where paintings are gone."""
        key = _source_key(data)
        if key not in self._tables:
            from artculture.data.cache.folder import cache_errors, cache_folder
            from artculture.data.cache.pixel_cache import file_hashes

            found, folder = self._read(data), cache_folder(data["cache"])
            try:
                with cache_errors(folder):
                    contents = [] if found is None else file_hashes(found[0], folder)
                self._tables[key] = None if found is None else found[0].table.assign(sha256=contents)
            except InputError:
                self._tables[key] = None
        return self._tables[key]

    def _read(self, data: dict[str, Any]) -> "tuple[Manifest, str] | None":
        key = _source_key(data)
        if key not in self._known:
            from artculture.data.cache.folder import cache_folder
            from artculture.data.embeddings import EmbeddingChoice
            from artculture.data.hub.dataset import HubDataset
            from artculture.data.picture_table import ColumnNames
            from artculture.data.sources import load_manifest

            given: dict[str, Any] = {
                "columns": ColumnNames.of_config(data),
                "source": data.get("source"),
                "dataset": HubDataset.of(data) if data["name"] == "hub" else None,
                "embeddings": EmbeddingChoice.of(data) if data["name"] == "embeddings" else None,
                "cache": cache_folder(data["cache"]),
            }
            try:
                manifest = load_manifest(data["name"], data["root"], **given)
                self._known[key] = manifest, manifest.fingerprint()
            except InputError:
                self._known[key] = None
        return self._known[key]


def _source_key(data: dict[str, Any]) -> str:
    return repr([data.get(key) for key in SOURCE_KEYS])


def plan(
    directory: RunDirectory, values: dict[str, Any], resume: str, fingerprints: Fingerprints | None = None
) -> Plan:
    """Decide by the run directory's state and the `resume` choice; writes nothing.

    Args:
        directory: the run's.
        values: the config of this launch.
        resume: `auto`, `never`, `must` or the path of a checkpoint or of a run directory.
        fingerprints: shared by the runs of a grid.

    Raises:
        InputError: nothing to resume with `must`, no such checkpoint or one that the run can't start from, or a
            config that differs.
    """
    path = None if resume in KEYWORDS else checkpoint_at(resume)
    stored = directory.read_config() if resume != "never" else None
    if resume == "never":
        return Plan("restart" if directory.config.exists() else "start")
    if stored is not None:
        _refuse_difference(directory, stored, values)
    finished = stored is not None and directory.status()["state"] == "finished" and _is_done(directory, stored, values)
    own = directory.resumable if stored is not None else None
    if path is not None and not (own and path.resolve() in (directory.last.resolve(), directory.previous.resolve())):
        if own is None and not finished:
            _check_origin(path, values)
            return Plan("continue", path)
        check_same_origin(directory, path)
    if finished:
        _refuse_other_data(directory, values.get("data", {}), fingerprints or Fingerprints())
        return Plan("skip")
    if own is not None:
        return Plan("continue", own)
    origin = None if stored is None else recorded_origin(directory)
    if origin is not None:
        return Plan("continue", origin)
    if stored is not None and _raised(stored, values) and _has_result(directory):
        raise InputError(
            f"{directory.path} is finished after {_epochs(stored)} epochs and its checkpoints/last.ckpt is gone, so it "
            f"can't continue to {_epochs(values)}: restore the file, start over with resume=never, or take another "
            "study.name=…"
        )
    if resume == "must":
        raise InputError(f"resume=must, but there is no checkpoint in {directory.path}; use resume=auto to start")
    return Plan("start")


def _check_origin(path: Path, values: dict[str, Any]) -> None:
    origin = read_origin(path)
    check_config(origin, values)
    if not paintings_changed(origin, values):
        return  # the training itself compares the paintings
    config = TrainConfig.model_validate(values)
    # Which paintings can't be read, and which are near-duplicates, is known from their pixels alone.
    if config.data.on_bad_image != "error" or getattr(config.data, "near_duplicates", "ignore") != "ignore":
        from artculture.training.factory import make_datamodule

        selection = make_datamodule(config).paintings.selection
    else:
        from artculture.data.data_choice import DataChoice
        from artculture.data.selection import select

        selection = select(DataChoice.of(config.data))
    check_paintings(origin, values, selection)


def other_data(directory: RunDirectory, changes: str = "") -> InputError:
    """What is said where a run's paintings are not those that it was made with."""
    return InputError(
        f"the data changed since {directory.path} was started ({changes or 'another manifest'}): restore it, start "
        "over with resume=never, or take another study.name=…"
    )


def _refuse_other_data(directory: RunDirectory, data: dict[str, Any], fingerprints: Fingerprints) -> None:
    """Refuse to take a finished run for one on other paintings; where they are gone, nothing speaks against it."""
    whole = directory.status().get("whole")
    # The sample and a commit of the Hub never change, and shards lie far away.
    if not whole or data.get("name") not in ("folder", "met", "custom", "hub", "embeddings") or data.get("revision"):
        return
    if fingerprints.of(data) not in (None, whole):
        raise other_data(directory)
    table = fingerprints.table(data)
    if table is not None and directory.split.is_file():
        from artculture.data.stored_split import read_split

        match = read_split(directory.split, "start over with resume=never").match(table)
        if match.replaced.any() or match.renamed.any():  # added is also what a run leaves out by itself
            raise other_data(directory, match.changes(("replaced", "renamed")))


def _is_done(directory: RunDirectory, stored: dict[str, Any], values: dict[str, Any]) -> bool:
    # A run finished without evaluate_test continues from its last epoch, that is, evaluates, once that is asked for;
    # with more epochs it trains on.
    tested = directory.status().get("tested", True)
    return _has_result(directory) and not _raised(stored, values) and (tested or not values["trainer"]["evaluate_test"])


def _epochs(values: dict[str, Any]) -> int:
    return int(values.get("trainer", {}).get("max_epochs", 0))


def _raised(stored: dict[str, Any], values: dict[str, Any]) -> bool:
    return EPOCHS in identity(values) and _epochs(values) > _epochs(stored)


def _has_result(directory: RunDirectory) -> bool:
    if not directory.result.is_file():
        return False
    try:
        return "val_top1" in directory.read_result()
    except InputError as error:
        log.warning("%s", error)
        return False


def _refuse_difference(directory: RunDirectory, stored: dict[str, Any], values: dict[str, Any]) -> None:
    changed = differences(stored, values)
    if _raised(stored, values):
        del changed[EPOCHS]
        _refuse_other_schedule(directory, stored, values)
    if EPOCHS not in changed:
        changed.pop("data.epochs", None)  # the source of trainer.max_epochs alone
    if changed:
        fewer = f"; {EPOCHS} may only be raised" if EPOCHS in changed else ""
        raise InputError(
            f"{directory.path} was made with another config:\n  {shown_pairs(changed)}\n"
            f"Continue with the old values{fewer}, start over with resume=never, or take another study.name=…"
        )


def _refuse_other_schedule(directory: RunDirectory, stored: dict[str, Any], values: dict[str, Any]) -> None:
    """Refuse more epochs under a schedule whose learning rates follow from the number of epochs."""
    if directory.resumable is None:
        return
    with lean_torchmetrics():
        from artculture.models.schedulers import depends_on_length

    if depends_on_length(values["scheduler"]):
        raise InputError(
            f"{directory.path}: scheduler={node_name(values['scheduler'])} spreads the learning rates over all "
            f"{_epochs(stored)} epochs, so going on to {EPOCHS}={_epochs(values)} would not be a run of that length. "
            f"Train the whole length with resume=never, start a new run from this one with resume={directory.path} "
            "study.name=…, or use scheduler=step or plateau, which continue exactly"
        )
