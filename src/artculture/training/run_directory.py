"""The run directory: its files, status and lock."""

import logging
import os
import shutil
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from artculture.training.run_lock import RunLock
from artculture.training.run_records import UNKNOWN, State, read_result, read_status
from artculture.utils.errors import InputError
from artculture.utils.io import file_sha256, remove_leftovers, write_json, write_text
from artculture.utils.secrets import without_secrets
from artculture.utils.text import file_word
from artculture.utils.yaml_files import read_yaml

log = logging.getLogger(__name__)

# A run of a killed study may need a moment to end before the next launch can lock its directory.
LOCK_PATIENCE_SECONDS = 30.0
# Section of config.yaml, and of result.json, of a directory that holds an ensemble of other runs.
ENSEMBLE = "ensemble"


def label_file(name: str, label: str) -> str:
    """Return the name of a file of a further label: `predictions-medium.csv`."""
    stem, dot, suffix = name.partition(".")
    return f"{stem}-{label if label == '*' else file_word(label)}{dot}{suffix}"


@dataclass(frozen=True)
class RunDirectory:
    """Paths and status of one run; the README describes the layout."""

    path: Path

    @property
    def config(self) -> Path:
        return self.path / "config.yaml"

    @property
    def best(self) -> Path:
        return self.path / "checkpoints" / "best.ckpt"

    @property
    def last(self) -> Path:
        return self.path / "checkpoints" / "last.ckpt"

    @property
    def previous(self) -> Path:
        """The checkpoint before the last one, used if the last one is damaged."""
        return self.path / "checkpoints" / "previous.ckpt"

    @property
    def resumable(self) -> Path | None:
        """The newest existing checkpoint to resume from, if any."""
        return next((path for path in (self.last, self.previous) if path.is_file()), None)

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.csv"

    @property
    def predictions(self) -> Path:
        return self.path / "predictions.csv"

    def predictions_of(self, label: str | None) -> Path:
        """The predictions of a further label; of the primary one (None) `predictions`."""
        return self.predictions if label is None else self.path / label_file("predictions.csv", label)

    @property
    def result(self) -> Path:
        return self.path / "result.json"

    @property
    def log(self) -> Path:
        return self.path / "train.log"

    @property
    def split(self) -> Path:
        return self.path / "split.csv"

    def make(self) -> None:
        """Create the folder and its `checkpoints` folder.

        Raises:
            InputError: the folder is not writable.
        """
        try:
            (self.path / "checkpoints").mkdir(parents=True, exist_ok=True)
            probe = self.path / f".{socket.gethostname()}.{os.getpid()}.probe"
            probe.touch()
            probe.unlink(missing_ok=True)
        except OSError as error:
            raise InputError(
                f"can't write to {self.path} ({error.strerror}): fix its permissions or choose another folder with "
                "study.root=…"
            ) from error

    def status(self) -> dict[str, Any]:
        """Return the fields of status.json: state `pending` if missing, `unknown` (with a warning) if damaged."""
        file = self.path / "status.json"
        if not file.is_file():
            return {"state": "pending"}
        try:
            return read_status(file)
        except InputError as error:
            log.warning("%s", error)
            return {"state": UNKNOWN}

    def set_status(self, state: State, **facts: Any) -> None:
        """Write state, time and `facts` to status.json; other stored fields are kept."""
        now = time.time()
        before = {key: value for key, value in self.status().items() if key != "error"}
        status = {
            **before,
            "state": state,
            "updated": now,
            "pid": os.getpid(),
            "host": socket.gethostname(),
            **facts,
        }
        write_json(self.path / "status.json", without_secrets(status))

    def checksums(self) -> dict[str, str]:
        """Return the SHA-256 of each result file of a finished run, to be stored in its status."""
        further = sorted(self.path.glob(label_file("predictions.csv", "*")))
        files = (self.result, self.predictions, self.metrics, self.split, *further)
        return {file.name: file_sha256(file) for file in files if file.is_file()}

    def check_unchanged(self, file: Path) -> None:
        """Check a file of a finished run against its stored checksum.

        Raises:
            InputError: the file has changed since.
        """
        known = self.status().get("sha256", {}).get(file.name)
        if known is not None and file.is_file() and file_sha256(file) != known:
            raise InputError(
                f"{file} was changed after the run had finished, so its numbers can't be trusted: restore it, or "
                "delete it and train the run again (resume=never)"
            )

    def read_result(self) -> dict[str, Any]:
        """Return result.json of a finished run.

        Raises:
            InputError: it is damaged, or has changed since.
        """
        values = read_result(self.result)
        self.check_unchanged(self.result)
        return values

    def read_config(self) -> dict[str, Any] | None:
        """Return the stored config, or None if there is none.

        Raises:
            InputError: the file is damaged.
        """
        if not self.config.is_file():
            return None
        try:
            values = read_yaml(self.config)
        except InputError as error:
            raise InputError(f"{error}; start over with resume=never") from error
        if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
            raise InputError(f"{self.config} holds no config; start over with resume=never")
        return values

    def write_config(self, values: dict[str, Any]) -> None:
        write_text(self.config, yaml.safe_dump(values, sort_keys=False, allow_unicode=True))

    def clear(self) -> None:
        """Remove everything except the lock, the log and the config, to start over."""
        for entry in self.path.iterdir():
            if entry.name in (".lock", ".owner.json", self.log.name, self.config.name):
                continue
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
        self.make()

    def lock(self, patience: float | None = None) -> RunLock:
        """Return the lock of the directory, for a `with` block; it is released however this process ends.

        Args:
            patience: seconds to wait for another process on this machine; None for `LOCK_PATIENCE_SECONDS`.

        Raises:
            RunLockedError: another process trains this run.
        """
        return RunLock(self.path, LOCK_PATIENCE_SECONDS if patience is None else patience)

    def remove_leftovers(self) -> None:
        """Remove partially written files of killed processes."""
        for folder in (self.path, self.best.parent):
            remove_leftovers(folder)
