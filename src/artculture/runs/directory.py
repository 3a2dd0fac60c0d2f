"""A run's directory: its files, its state, and who holds it."""

import os
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from filelock import FileLock, Timeout

from artculture.errors import InputError, WorkError
from artculture.files import read_json, write_json, write_text

State = Literal["pending", "running", "finished", "failed", "pruned"]

# A killed study's last row may need a moment to end before its successor can have the directory.
LOCK_PATIENCE_SECONDS = 30.0


@dataclass(frozen=True)
class RunDirectory:
    """Paths and states of one run; see `docs` of the layout in the README."""

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
    def metrics(self) -> Path:
        return self.path / "metrics.csv"

    @property
    def predictions(self) -> Path:
        return self.path / "predictions.csv"

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
        """Create the folder and its checkpoints' folder.

        Raises:
            InputError: it can't be written to.
        """
        try:
            (self.path / "checkpoints").mkdir(parents=True, exist_ok=True)
            probe = self.path / f".{os.getpid()}.tmp"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise InputError(
                f"can't write to {self.path} ({error.strerror}): mend its permissions or name another folder with "
                "study.root=…"
            ) from error

    def status(self) -> dict[str, Any]:
        """What `status.json` says; `{"state": "pending"}` where there is none."""
        file = self.path / "status.json"
        return read_json(file) if file.is_file() else {"state": "pending"}

    def set_status(self, state: State, **facts: Any) -> None:
        """Write state, time and facts; facts said before stay unless said anew."""
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
        write_json(self.path / "status.json", status)

    def read_config(self) -> dict[str, Any] | None:
        """The stored config, None where there is none.

        Raises:
            InputError: the file is not whole.
        """
        if not self.config.is_file():
            return None
        try:
            values = yaml.safe_load(self.config.read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise InputError(f"{self.config} is not readable YAML ({error}); start over with resume=never") from error
        if not isinstance(values, dict):
            raise InputError(f"{self.config} holds no config; start over with resume=never")
        return values

    def write_config(self, values: dict[str, Any]) -> None:
        write_text(self.config, yaml.safe_dump(values, sort_keys=False, allow_unicode=True))

    def clear(self) -> None:
        """Remove everything but the lock and the log, for a start from nothing."""
        for entry in self.path.iterdir():
            if entry.name in (".lock", self.log.name):
                continue
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
        self.make()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the directory against other processes; the system lets go of it when the process dies.

        Raises:
            WorkError: another process trains this run.
        """
        lock = FileLock(self.path / ".lock")
        try:
            lock.acquire(timeout=LOCK_PATIENCE_SECONDS)
        except Timeout as error:
            status = self.status()
            raise WorkError(
                f"{self.path} is being trained by process {status.get('pid')} on {status.get('host')}"
            ) from error
        try:
            yield
        finally:
            lock.release()
