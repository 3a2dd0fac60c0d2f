"""Who may write into a run's directory: a lock where locks are seen, a heartbeat where they may not be.

A file lock dies with its process, so on one machine it is all that is needed. On a shared folder another host may
not see it: there the holder's file `.owner.json` counts while its time stamp, renewed every few seconds, is young.
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
# An owner on another host that has been silent for so long counts as dead.
STALE_SECONDS = 120.0


class RunLockedError(WorkError):
    """Another process works in this directory."""


@dataclass
class RunLock:
    """The right to write into a folder, from `with` to its end.

    Args:
        folder: what is to be held.
        patience: seconds to wait for a holder of this machine.
    """

    folder: Path
    patience: float = 0.0
    _token: str = field(default_factory=lambda: uuid.uuid4().hex, init=False)
    _done: threading.Event = field(default_factory=threading.Event, init=False)

    def __enter__(self) -> "RunLock":
        """Take it.

        Raises:
            RunLockedError: someone else has it.
        """
        self._lock: FileLock | None = FileLock(self.folder / ".lock")
        try:
            self._lock.acquire(timeout=self.patience)
        except Timeout as error:
            raise self._held() from error
        except NotImplementedError:
            self._lock = None  # a file system without locks: the owner's file alone decides
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
        """False where another host took over, thinking this one dead (a machine that slept, say)."""
        return read_owner(self.folder).get("token") == self._token

    @property
    def _file(self) -> Path:
        return owner_file(self.folder)

    def _claim(self) -> None:
        owner = read_owner(self.folder)
        if _lives_elsewhere(self.folder, owner, locks_seen=self._lock is not None):
            raise self._held()
        if owner:
            _put_aside(self._file, owner)
        elif self._lock is not None:  # one that is not whole, if any
            self._file.unlink(missing_ok=True)
        mine = self.folder / f".owner.{self._token}.new"
        mine.write_text(json_text({"host": socket.gethostname(), "pid": os.getpid(), "token": self._token}))
        try:
            os.link(mine, self._file)  # fails where another host was faster: exactly one wins
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
    """Who says to hold a folder: `host`, `pid`, `token`; empty where nobody does."""
    try:
        owner = json.loads(owner_file(folder).read_text())
        return owner if isinstance(owner, dict) and {"host", "pid", "token"} <= owner.keys() else {}
    except (OSError, ValueError, RecursionError):
        return {}


def is_locked(folder: Path) -> bool:
    """Whether someone works in a folder at this moment; takes nothing for longer than a glance."""
    lock = FileLock(folder / ".lock")
    try:
        with lock.acquire(timeout=0):
            return _lives_elsewhere(folder, read_owner(folder), locks_seen=True)
    except Timeout:
        return True
    except NotImplementedError:
        return _lives_elsewhere(folder, read_owner(folder), locks_seen=False)


def _lives_elsewhere(folder: Path, owner: dict[str, Any], *, locks_seen: bool) -> bool:
    if not owner:
        return False
    if locks_seen and owner["host"] == socket.gethostname():
        return False  # we have the lock that it would have: it died
    try:
        return _now_there(folder) - owner_file(folder).stat().st_mtime < STALE_SECONDS
    except OSError:
        return False


def _now_there(folder: Path) -> float:
    # By the clock that stamps the heartbeats: that of the machine which has the disk.
    probe = folder / f".now.{socket.gethostname()}.{os.getpid()}"
    probe.touch()
    now = probe.stat().st_mtime
    probe.unlink(missing_ok=True)
    return now


def _put_aside(file: Path, owner: dict[str, Any]) -> None:
    aside = file.with_name(f".owner.{uuid.uuid4().hex}.old")
    with suppress(FileNotFoundError):
        file.rename(aside)
        moved = json.loads(aside.read_text())
        if moved.get("token") != owner["token"]:  # another host took over meanwhile: give it back its file
            with suppress(OSError):
                os.link(aside, file)
        aside.unlink(missing_ok=True)
