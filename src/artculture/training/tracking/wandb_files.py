"""Files of offline W&B runs: one history per run, a folder of the study with all of them, artifacts that can move."""

import os
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from artculture.training.tracking.wandb_settings import WandbRun

# Folder of a study with a link to the W&B files of each run, for `wandb leet` and `wandb sync`.
STUDY_FOLDER = "wandb"
# Where W&B copies the files of artifacts to.
DATA_DIR = "WANDB_DATA_DIR"


def offline_folder(run: Any) -> Path | None:
    """Return the folder of an offline W&B run; None for another one."""
    folder = Path(run.dir).parent
    return folder if folder.name.startswith("offline-run-") else None


def remove_superseded(run: Any, study: Path) -> None:
    """Remove the offline files of earlier launches of the same run, and their links in the study's folder."""
    if (folder := offline_folder(run)) is not None:
        for older in folder.parent.glob(f"offline-run-*-{run.id}"):
            if older != folder:
                shutil.rmtree(older)
        _remove_dangling(study / STUDY_FOLDER)


def link_in_study(run: Any, info: WandbRun) -> None:
    """Link the files of a W&B run in the study's folder `wandb`.

    A relative link, so that a study may be moved or copied. Without links (Windows without that right) `wandb leet`
    and `wandb sync` take the folders of the runs.
    """
    files = Path(run.dir).parent
    folder = info.study / STUDY_FOLDER
    if files.parent == folder:  # logger.wandb.dir is the study's folder
        return
    with suppress(OSError):
        folder.mkdir(exist_ok=True)
        (folder / files.name).symlink_to(os.path.relpath(files, folder), target_is_directory=True)


def _remove_dangling(folder: Path) -> None:
    with suppress(OSError):
        for link in folder.iterdir():
            if link.is_symlink() and not link.exists():
                link.unlink(missing_ok=True)


@contextmanager
def movable_artifacts(run: Any, study: Path) -> Iterator[None]:
    """Make `wandb sync`, started in the study's folder, find the files of artifacts that the block logs offline.

    W&B copies those files (a table's images are one artifact) to a folder of the user and stores absolute paths, so
    that a study on another machine or in another folder would lose them. Here they are copied into the run's folder
    and stored with paths relative to the study's folder. WANDB_DATA_DIR and a folder outside the study are kept.
    """
    folder = offline_folder(run)
    if folder is None or DATA_DIR in os.environ or not folder.is_relative_to(study):
        yield
        return
    log_artifact = run.log_artifact

    def log_relative(artifact: Any, *args: Any, **options: Any) -> Any:
        make_relative(artifact, study)
        return log_artifact(artifact, *args, **options)

    os.environ[DATA_DIR] = str(folder)
    run.log_artifact = log_relative
    try:
        yield
    finally:
        del os.environ[DATA_DIR], run.log_artifact


def make_relative(artifact: Any, study: Path) -> None:
    """Store the paths of an artifact's files relative to a folder, where they are in it."""
    for entry in artifact.manifest.entries.values():
        if entry.local_path is not None and Path(entry.local_path).is_relative_to(study):
            entry.local_path = os.path.relpath(entry.local_path, study)


def sync_hint(info: WandbRun) -> str:
    """Return what uploads the offline W&B runs of a study, as a sentence."""
    return f"`{sync_command(info.directory.path.parent)}` uploads it later"


def has_unsynced_runs(study: Path) -> bool:
    """Return whether the study's folder `wandb` has an offline W&B run that `wandb sync` has not uploaded."""
    folders = (study / STUDY_FOLDER).glob("offline-run-*")
    return any(any(folder.glob("*.wandb")) and not any(folder.glob("*.wandb.synced")) for folder in folders)


def sync_command(study: Path) -> str:
    """Return the command that uploads the offline W&B runs of a study."""
    return f"cd {shlex.quote(str(study))} && wandb sync {STUDY_FOLDER}"
