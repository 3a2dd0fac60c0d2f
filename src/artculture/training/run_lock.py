"""Exclusive lock on a run directory: a file lock on one machine, a heartbeat between hosts.

The operating system releases a file lock when its process ends, so on one machine the lock is sufficient. On a shared
folder another host may not see the lock: there `.owner.json` is valid while its time stamp, which the owner renews
every few seconds, is recent.
"""

import json
import os
import socket
import threading
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from filelock import FileLock, Timeout

from artculture.utils.errors import WorkError
from artculture.utils.io import json_text

HEARTBEAT_SECONDS = 15.0
# An owner on another host without a heartbeat for this long is considered dead.
STALE_SECONDS = 120.0


class RunLockedError(WorkError):
    """Another process holds the lock of this run directory."""


@dataclass
class RunLock:
    """Exclusive lock on a folder for the duration of a `with` block.

    Args:
        folder: the run directory.
        patience: seconds to wait for a process on this machine that holds the lock.
    """

    folder: Path
    patience: float = 0.0
    _token: str = field(default_factory=lambda: uuid.uuid4().hex, init=False)
    _done: threading.Event = field(default_factory=threading.Event, init=False)

    def __enter__(self) -> "RunLock":
        """Acquire the lock.

        Raises:
            RunLockedError: another process holds it.
        """
        self._lock: FileLock | None = FileLock(self.folder / ".lock")
        try:
            self._lock.acquire(timeout=self.patience)
        except Timeout as error:
            raise self._held() from error
        except NotImplementedError:
            self._lock = None  # a file system without locks: only .owner.json counts
        try:
            self._claim()
        except BaseException:
            self._release_lock()
            raise
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()
        with suppress(OSError):
            if self.is_owned():
                self._file.unlink()
        self._release_lock()

    def is_owned(self) -> bool:
        """Return whether this process still holds the lock; a host that was suspended may have lost it to another."""
        return read_owner(self.folder).get("token") == self._token

    @property
    def _file(self) -> Path:
        return owner_file(self.folder)

    def _claim(self) -> None:
        owner = read_owner(self.folder)
        if _is_alive_elsewhere(self.folder, owner, locks_seen=self._lock is not None):
            raise self._held()
        if owner:
            _remove_stale(self._file, owner)
        elif self._lock is not None:  # a damaged file, if any
            self._file.unlink(missing_ok=True)
        mine = self.folder / f".owner.{self._token}.new"
        mine.write_text(json_text({"host": socket.gethostname(), "pid": os.getpid(), "token": self._token}))
        try:
            os.link(mine, self._file)  # fails if another host created it first: exactly one succeeds
        except FileExistsError as error:
            raise self._held() from error
        except OSError:  # a file system without hard links
            mine.replace(self._file)
        finally:
            mine.unlink(missing_ok=True)

    def _beat(self) -> None:
        while not self._done.wait(HEARTBEAT_SECONDS):
            with suppress(OSError):
                if self.is_owned():
                    os.utime(self._file)

    def _release_lock(self) -> None:
        if self._lock is not None:
            self._lock.release()

    def _held(self) -> RunLockedError:
        owner = read_owner(self.folder)
        who = f"process {owner['pid']} on {owner['host']}" if owner else "another process"
        return RunLockedError(f"{self.folder} is being trained by {who}")


def owner_file(folder: Path) -> Path:
    return folder / ".owner.json"


def read_owner(folder: Path) -> dict[str, Any]:
    """Return the recorded owner of a folder: `host`, `pid` and `token`; empty if there is none."""
    try:
        owner = json.loads(owner_file(folder).read_text())
        return owner if isinstance(owner, dict) and {"host", "pid", "token"} <= owner.keys() else {}
    except (OSError, ValueError, RecursionError):
        return {}


def is_locked(folder: Path) -> bool:
    """Return whether a process holds the lock of a folder."""
    lock = FileLock(folder / ".lock")
    try:
        with lock.acquire(timeout=0):
            return _is_alive_elsewhere(folder, read_owner(folder), locks_seen=True)
    except Timeout:
        return True
    except NotImplementedError:
        return _is_alive_elsewhere(folder, read_owner(folder), locks_seen=False)


def _is_alive_elsewhere(folder: Path, owner: dict[str, Any], *, locks_seen: bool) -> bool:
    if not owner:
        return False
    if locks_seen and owner["host"] == socket.gethostname():
        return False  # this process got the lock that the owner would hold: the owner has ended
    try:
        return _file_system_time(folder) - owner_file(folder).stat().st_mtime < STALE_SECONDS
    except OSError:
        return False


def _file_system_time(folder: Path) -> float:
    # Heartbeats carry the clock of the file server, which may differ from the clock of this host.
    probe = folder / f".now.{socket.gethostname()}.{os.getpid()}"
    probe.touch()
    now = probe.stat().st_mtime
    probe.unlink(missing_ok=True)
    return now


def _remove_stale(file: Path, owner: dict[str, Any]) -> None:
    aside = file.with_name(f".owner.{uuid.uuid4().hex}.old")
    with suppress(FileNotFoundError):
        file.rename(aside)
        moved = json.loads(aside.read_text())
        if moved.get("token") != owner["token"]:  # another host has taken over in the meantime: restore its file
            with suppress(OSError):
                os.link(aside, file)
        aside.unlink(missing_ok=True)
