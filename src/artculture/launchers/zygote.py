"""A process that has imported all that a row needs, and forks a row's process from itself whenever it is asked.

Imports are most of a row's start, and a study's rows make the same ones. Linux only. `zygote_process.py` is the
process; `Zygote` asks it.

Both talk in lines of JSON. The study asks for a row, or for a signal to one; the zygote tells of each row that it was
forked, or why it could not be, and at last its exit code. It ends when the study closes its side.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from artculture.files import json_text
from artculture.launchers.process import Prepared

PROCESS = "artculture.launchers.zygote_process"
# For the zygote to end, at most.
PATIENCE_SECONDS = 10.0


def can_fork() -> bool:
    """Whether this system is one where a process may go on after a fork with what it had imported before."""
    return sys.platform.startswith("linux")


class Zygote:
    """Forked rows, asked for and followed over a socket.

    Args:
        environment: of the process, which C libraries read once, as they are loaded.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._channel, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", PROCESS, str(theirs.fileno()), str(os.getpid())]
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # what a row can't import its own process tells better
                env=dict(environment),
                pass_fds=[theirs.fileno()],
                process_group=0,
            )
        self._channel.setblocking(False)
        self._received = b""
        self._rows = 0
        self._told: dict[int, dict[str, Any]] = {}
        self.alive = True

    def start(self, row: Prepared) -> "ForkedRow | None":
        """Have a row's process forked; None where the zygote has ended."""
        self._rows += 1
        asked = {"arguments": row.arguments[2:], "folder": row.folder, "log": row.log, "environment": row.environment}
        self.ask({"row": self._rows, **asked})
        self.receive()
        return ForkedRow(self, self._rows) if self.alive else None

    def ask(self, request: dict[str, Any]) -> None:
        """Send a request; none is answered any more where `alive` is false after it."""
        try:
            self._channel.setblocking(True)
            self._channel.sendall(json_text(request, ensure_ascii=True).encode() + b"\n")
        except OSError:
            self.alive = False
        finally:
            self._channel.setblocking(False)

    def told(self, row: int) -> dict[str, Any]:
        """What is known of a row: `forked` (whether), `code` (-n where signal n killed it); what is missing is not."""
        if self.alive and "code" not in self._told.get(row, {}):
            self.receive()
        return self._told.get(row, {})

    def receive(self) -> None:
        """Take in what the zygote has told, without waiting."""
        try:
            while data := self._channel.recv(1 << 16):
                self._received += data
            self.alive = False
        except BlockingIOError:
            pass
        except OSError:
            self.alive = False
        *lines, self._received = self._received.split(b"\n")
        for line in lines:
            told = json.loads(line)
            self._told.setdefault(told["row"], {}).update(told)

    def close(self) -> None:
        """End it when it has done what it was asked for; rows that still run are told to stop."""
        with contextlib.suppress(OSError):
            self._channel.shutdown(socket.SHUT_WR)
        try:
            self._process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._channel.close()


@dataclass(frozen=True)
class ForkedRow:
    """A row's process, as `subprocess.Popen` would have it."""

    zygote: Zygote
    row: int

    @property
    def never_began(self) -> bool:
        """Whether there is no such process, and never will be."""
        told = self.zygote.told(self.row)
        return not told.get("forked", self.zygote.alive)

    @property
    def lost(self) -> bool:
        """Whether it can't be known any more how it ends."""
        return not self.zygote.alive and self.poll() is None

    def poll(self) -> int | None:
        code: int | None = self.zygote.told(self.row).get("code")
        return code

    def terminate(self) -> None:
        self.zygote.ask({"row": self.row, "signal": signal.SIGTERM})

    def kill(self) -> None:
        self.zygote.ask({"row": self.row, "signal": signal.SIGKILL})
