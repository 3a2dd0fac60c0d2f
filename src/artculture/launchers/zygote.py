"""A process that has imported all that a row needs, and forks a row's process from itself whenever it is asked.

Imports are most of a row's start, and a study's rows make the same ones. Linux only, and for rows on a CPU: a GPU's
driver and a fork do not go together. `python -m artculture.launchers.zygote` is the process; `Zygote` asks it.
"""

import atexit
import contextlib
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from artculture.cli import end_well_when_told, main, quick_to_import
from artculture.errors import Interrupted
from artculture.launchers.process import ROW_OF_STUDY, Prepared, end_with
from artculture.quick_imports import lean_torchmetrics

# What may ask a row to stop.
SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGINT)


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
            command = [sys.executable, "-m", __name__, str(theirs.fileno()), str(os.getpid())]
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
        self._codes: dict[int, int] = {}
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
            self._channel.sendall(json.dumps(request).encode() + b"\n")
        except OSError:
            self.alive = False
        finally:
            self._channel.setblocking(False)

    def code(self, row: int) -> int | None:
        """The exit code of a row, -n where signal n killed it; None while it runs, or if nobody knows."""
        if row not in self._codes and self.alive:
            self.receive()
        return self._codes.get(row)

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
            self._codes[told["row"]] = told["code"]

    def close(self) -> None:
        """End it; rows that still run are told to stop."""
        self._channel.close()
        self._process.terminate()
        self._process.wait()


@dataclass(frozen=True)
class ForkedRow:
    """A row's process, as `subprocess.Popen` would have it."""

    zygote: Zygote
    row: int

    @property
    def lost(self) -> bool:
        """Whether it can't be known any more how it ends."""
        return not self.zygote.alive and self.poll() is None

    def poll(self) -> int | None:
        return self.zygote.code(self.row)

    def terminate(self) -> None:
        self.zygote.ask({"row": self.row, "signal": signal.SIGTERM})

    def kill(self) -> None:
        self.zygote.ask({"row": self.row, "signal": signal.SIGKILL})


@dataclass
class _Server:
    """The other side.

    Attributes:
        running: the row of each process that was forked and has not ended.
    """

    channel: socket.socket
    running: dict[int, int] = field(default_factory=dict)

    def serve(self) -> dict[str, Any] | None:
        """Answer until the study ends (None), or, in a forked process, give back the row that it is to be."""
        woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # only to be woken by
        received = b""
        while True:
            ready, _, _ = select.select([self.channel.fileno(), woken], [], [])
            if woken in ready:
                os.read(woken, 1 << 10)
                self._tell_ended()
            if self.channel.fileno() in ready:
                data = self.channel.recv(1 << 16)
                if not data:
                    return None
                *lines, received = (received + data).split(b"\n")
                for line in lines:
                    request: dict[str, Any] = json.loads(line)
                    if "signal" in request:
                        self._signal(request["row"], request["signal"])
                    elif self._fork(request["row"]):
                        signal.set_wakeup_fd(-1)
                        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                        for descriptor in (woken, wake):
                            os.close(descriptor)
                        self.channel.close()
                        return request

    def _fork(self, row: int) -> bool:
        """Whether this is the forked process, which hears signals when it knows what to do about them."""
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        process = os.fork()
        if process:
            self.running[process] = row
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        return process == 0

    def _signal(self, row: int, number: int) -> None:
        for process, its in self.running.items():
            if its == row:  # not reaped yet, so that the number is still its own
                os.kill(process, number)

    def _tell_ended(self) -> None:
        while self.running:
            process, status = os.waitpid(-1, os.WNOHANG)
            if not process:
                return
            told = {"row": self.running.pop(process), "code": os.waitstatus_to_exitcode(status)}
            self.channel.sendall(json.dumps(told).encode() + b"\n")


def serve(arguments: list[str]) -> None:
    """The zygote's process, from start to end."""
    channel, study = int(arguments[0]), int(arguments[1])
    end_with(study, signal.SIGTERM)
    _import_all()
    request = _Server(socket.socket(fileno=channel)).serve()
    if request is not None:
        _be(request)


def _import_all() -> None:
    quick_to_import()
    # What goes wrong here goes wrong in the row's process again, where it is told.
    with contextlib.suppress(Exception), lean_torchmetrics():
        import artculture.commands.train
        import artculture.ranks.world
        import artculture.runs.training  # noqa: F401
    gc.freeze()  # no collection is to touch, and so copy, what all rows share


def _be(request: dict[str, Any]) -> NoReturn:
    """Be a row's process, to its end."""
    code = 1
    try:
        os.setpgid(0, 0)
        os.chdir(request["folder"])
        log = os.open(request["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        for descriptor in (1, 2):
            os.dup2(log, descriptor)
        os.environ.clear()
        os.environ.update(request["environment"])
        os.environ[ROW_OF_STUDY] = str(os.getppid())
        sys.argv = ["artculture", *request["arguments"]]
        end_well_when_told()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        code = main(sys.argv[1:])
    except Interrupted as stop:  # before the command had begun
        code = stop.code
    except BaseException:
        traceback.print_exc()
    finally:
        # As the processes of `multiprocessing` end: what the interpreter would tear down is the zygote's, too.
        with contextlib.suppress(Exception):
            threading._shutdown()  # type: ignore[attr-defined]
            atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        os._exit(code)


if __name__ == "__main__":
    serve(sys.argv[1:])
