"""The checkpoint of another run that a run starts from (`resume=PATH`), and whether the run may start from it."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from artculture.config.schema.marks import OnResume
from artculture.config.schema.train import TrainConfig
from artculture.config.validation import alternatives
from artculture.training.identity import differences
from artculture.training.run_directory import RunDirectory
from artculture.utils.errors import InputError, reason_of
from artculture.utils.io import file_sha256
from artculture.utils.quick_imports import lean_torchmetrics
from artculture.utils.targets import is_target

if TYPE_CHECKING:
    from artculture.data.selection import Selection
    from artculture.data.stored_split import StoredSplit

Values = dict[str, Any]
SHOWN = 5


@dataclass(frozen=True)
class Origin:
    """A checkpoint that a training can start from.

    Attributes:
        path: the file.
        sha256: of its content.
        epochs: finished epochs.
        batches: finished batches of the epoch after them.
        config: of the run that wrote it; at least what decides the run's numbers.
        classes: names in label order.
        further: the same of its further labels, by name.
        manifest: fingerprint of the paintings.
    """

    path: Path
    sha256: str
    epochs: int
    batches: int
    config: Values
    classes: tuple[str, ...]
    further: dict[str, tuple[str, ...]]
    manifest: str | None

    @property
    def directory(self) -> RunDirectory:
        """The run directory that the file lies in, where it lies in one."""
        return RunDirectory(self.path.parent.parent)

    def record(self) -> Values:
        """Path, hash and epoch, as status.json and result.json hold them."""
        return {"path": str(self.path.resolve()), "sha256": self.sha256, "epoch": self.epochs}


def on_resume(key: str) -> OnResume:
    """Whether a run may differ in a config value from the run that it starts from, by the schema's metadata."""
    rule: OnResume = OnResume.FIXED
    sections: list[type[BaseModel]] = [TrainConfig]  # several for a variant
    for part in key.split("."):
        fields = [section.model_fields[part] for section in sections if part in section.model_fields]
        if not fields:  # of a dict of nodes, or of a user's node in place of a variant
            return OnResume.FIXED if sections else rule
        rule = next((entry for entry in fields[0].metadata if isinstance(entry, OnResume)), rule)
        kinds = [kind for field in fields for kind in alternatives(field.annotation) if isinstance(kind, type)]
        sections = [kind for kind in kinds if issubclass(kind, BaseModel)]
    return rule


def checkpoint_at(resume: str) -> Path:
    """The checkpoint that `resume=PATH` names; of a run directory its newest one.

    Raises:
        InputError: there is none.
    """
    path = Path(resume).expanduser()
    if path.is_dir():
        newest = RunDirectory(path).resumable
        if newest is None:
            raise InputError(
                f"resume={resume}: no checkpoint in this folder; give a run directory or its checkpoints/last.ckpt"
            )
        return newest
    if not path.is_file():
        raise InputError(f"resume={resume}: no such checkpoint; give auto, never, must or a checkpoint's path")
    return path


def read_origin(path: Path) -> Origin:
    """What a checkpoint says of the training that wrote it.

    Raises:
        InputError: it is damaged, not one of ours, or holds no optimizer state.
    """
    stat = path.stat()
    return _read(path, (stat.st_mtime_ns, stat.st_size))


def origin_of(directory: RunDirectory, checkpoint: Path | None) -> Origin | None:
    """The checkpoint that a run starts from, where it is another run's."""
    if checkpoint is None or checkpoint in (directory.last, directory.previous):
        return None
    return read_origin(checkpoint)


@lru_cache(maxsize=8)  # the runs of a grid, and the steps of a launch, ask for the same file
def _read(path: Path, _stamp: tuple[int, int]) -> Origin:
    with lean_torchmetrics():
        from artculture.models.checkpoint import epochs_done, further_classes, read_checkpoint

    content = read_checkpoint(path)
    if "optimizer_states" not in content:
        last = path.with_name("last.ckpt")
        raise InputError(
            f"{path} holds weights without an optimizer's state (as best.ckpt does), so a training can't continue from "
            f"it: give {last if last.is_file() else 'last.ckpt'}"
        )
    said = content["artculture"]
    config = said.get("config") or RunDirectory(path.parent.parent).read_config()
    if not isinstance(config, dict):
        raise InputError(
            f"{path} does not say with which config it was trained, and there is no config.yaml of its run: put it "
            "back into its run directory"
        )
    try:
        epochs, batches = epochs_done(content)
    except (KeyError, TypeError) as error:
        raise InputError(f"{path} does not say how far its training got ({reason_of(error)})") from error
    classes, further = tuple(said["classes"]), further_classes(said)
    return Origin(path, file_sha256(path), epochs, batches, config, classes, further, said.get("manifest"))


def recorded_origin(directory: RunDirectory) -> Path | None:
    """The checkpoint that a run without one of its own was started from; None where it was started from nothing.

    Raises:
        InputError: the file is gone, or another one now.
    """
    said = directory.status().get("origin")
    if said is None:
        return None
    path = Path(said["path"])
    if path.is_file() and file_sha256(path) == said["sha256"]:
        return path
    raise InputError(
        f"{directory.path} was started from {path}, which {'has changed since' if path.is_file() else 'is gone'}, and "
        "has no checkpoint of its own: restore that file, or start over with resume=never"
    )


def check_same_origin(directory: RunDirectory, path: Path) -> None:
    """Check that a run which has got further was started from this very file.

    Raises:
        InputError: it was started from nothing, or from another file.
    """
    said = directory.status().get("origin")
    if said is not None and said["sha256"] == file_sha256(path):
        return
    was = "from nothing" if said is None else f"from {said['path']} as it was after epoch {said['epoch']}"
    raise InputError(
        f"resume={path}: {directory.path} has been trained already, {was}. Continue with resume=auto, remove it with "
        "resume=never, or take another study.name=…"
    )


def shown_pairs(changed: Values) -> str:
    """What differs, a line for each key."""
    return "\n  ".join(f"{key}: {before!r} there, {now!r} now" for key, (before, now) in changed.items())


def check_config(origin: Origin, values: Values) -> Values:
    """Check that a run of this config may start from a checkpoint.

    Returns:
        What differs and may: key to both values.

    Raises:
        InputError: what differs and may not, or no epoch is left to train.
    """
    changed = differences(origin.config, values)
    fixed = {key: pair for key, pair in changed.items() if on_resume(key) is OnResume.FIXED}
    if is_target(values["scheduler"]):  # whose state holds learning rates that only it can change
        fixed |= {key: pair for key, pair in changed.items() if key in ("method.head_lr", "method.backbone_lr")}
    if fixed:
        raise InputError(
            f"{origin.path} was trained with values that a resume can't change:\n  {shown_pairs(fixed)}\n"
            f"Take the same ones, or train from the beginning{_with_its_weights(origin, fixed)}"
        )
    _check_epochs(origin, values, changed)
    return changed


def _with_its_weights(origin: Origin, fixed: Values) -> str:
    if "method.name" not in fixed:
        return ""
    best = origin.path.with_name("best.ckpt")
    return f", with its weights: architecture.weights={best} and, with the head, method.head=checkpoint"


def _check_epochs(origin: Origin, values: Values, changed: Values) -> None:
    if values["trainer"]["max_epochs"] <= origin.epochs:
        raise InputError(
            f"{origin.path} has {origin.epochs} epochs done, so trainer.max_epochs="
            f"{values['trainer']['max_epochs']} leaves none to train: give more than {origin.epochs}"
        )
    if origin.batches and "data.batch_size" in changed:
        raise InputError(
            f"{origin.path} was written within an epoch with data.batch_size={changed['data.batch_size'][0]}: take "
            "the same, or a checkpoint from the end of an epoch"
        )


def check_paintings(origin: Origin, values: Values, selection: "Selection") -> None:
    """Check that every painting that a checkpoint was trained on is a training painting of the run, too.

    Else the run's scores would be of paintings that it knows, or its split.csv would not name all it was trained on.

    Args:
        origin: the checkpoint.
        values: the config of the run.
        selection: the run's paintings.

    Raises:
        InputError: other classes, or a painting that is held out or not there.
    """
    from artculture.models.checkpoint import refuse_other_classes, refuse_other_labels

    refuse_other_classes(origin.classes, origin.path, selection.classes)
    refuse_other_labels(origin.further, origin.path, {column.name: column.classes for column in selection.further})
    changed = paintings_changed(origin, values)
    if not changed and origin.manifest == selection.manifest.fingerprint():
        return
    if origin.batches:
        raise InputError(
            f"{origin.path} was written within an epoch of other paintings: take a checkpoint from the end of an epoch"
        )
    stored = _stored_split(origin)
    match = stored.match(selection.manifest.table)
    trained = match.split == "train"
    held_out = match.names[trained & (selection.split != "train")]
    paintings = int((stored.table["split"] == "train").sum())
    missing = paintings - int((trained & match.same).sum())
    if len(held_out):
        names = ", ".join(map(str, held_out[:SHOWN])) + (" …" if len(held_out) > SHOWN else "")
        what = f"{len(held_out)} are in the validation or test split of this run ({names})"
    elif missing:
        what = f"{missing} are not among the paintings of this run ({match.changes(('removed', 'replaced'))})"
    else:
        return
    raise InputError(
        f"{origin.path} was trained on {paintings} paintings, of which {what}: take the data and split that it was "
        "trained on, or train from the beginning" + (f"\n  {shown_pairs(changed)}" if changed else "")
    )


def paintings_changed(origin: Origin, values: Values) -> Values:
    """What decides paintings or split and differs: key to both values."""
    changed = differences(origin.config, values)
    return {key: pair for key, pair in changed.items() if on_resume(key) is OnResume.PAINTINGS}


def _stored_split(origin: Origin) -> "StoredSplit":
    from artculture.data.stored_split import read_split

    directory = origin.directory
    if not directory.split.is_file():
        raise InputError(
            f"the data are not those of {origin.path}, and there is no {directory.split} that names the paintings it "
            "was trained on: give the checkpoint in its run directory, or take the same data"
        )
    directory.check_unchanged(directory.split)
    return read_split(directory.split, "restore it")
