"""The process that a study's rows are forked from (see `zygote.py` for what both sides say)."""

import atexit
import contextlib
import ctypes
import gc
import importlib.util
import json
import os
import select
import signal
import socket
import sys
import threading
import traceback
import warnings
from dataclasses import dataclass, field
from typing import Any, NoReturn

from artculture.cli import end_well_when_told, main, quick_to_import
from artculture.errors import Interrupted
from artculture.files import json_text
from artculture.launchers.process import ROW_OF_STUDY, end_with
from artculture.quick_imports import lean_torchmetrics
from artculture.signals import STOP_SIGNALS

# What may ask a row to stop.
SIGNALS = (*STOP_SIGNALS, signal.SIGINT)


@dataclass
class Server:
    """Forks rows as the study asks for them, and tells how they end.

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
                    elif self._is_fork(request["row"]):
                        signal.set_wakeup_fd(-1)
                        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                        for descriptor in (woken, wake):
                            os.close(descriptor)
                        self.channel.close()
                        return request

    def _is_fork(self, row: int) -> bool:
        """Fork; whether this is the new process, which hears signals when it knows what to do about them."""
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            with warnings.catch_warnings():
                # OpenBLAS and Arrow have threads from their import on, and can be forked with them.
                warnings.simplefilter("ignore", DeprecationWarning)
                process = os.fork()
        except OSError:  # too many processes, or too little memory
            process = -1
        if process == 0:
            return True
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        if process > 0:
            self.running[process] = row
        self._tell({"row": row, "forked": process > 0})
        return False

    def _signal(self, row: int, number: int) -> None:
        for process, its in self.running.items():
            if its == row:  # not reaped yet, so that the number is still its own
                os.kill(process, number)

    def _tell_ended(self) -> None:
        while self.running:
            process, status = os.waitpid(-1, os.WNOHANG)
            if not process:
                return
            self._tell({"row": self.running.pop(process), "code": os.waitstatus_to_exitcode(status)})

    def _tell(self, what: dict[str, Any]) -> None:
        self.channel.sendall(json_text(what, ensure_ascii=True).encode() + b"\n")


def serve(arguments: list[str]) -> NoReturn:
    """The zygote's process, from start to end."""
    channel, study = int(arguments[0]), int(arguments[1])
    end_with(study, signal.SIGKILL)
    interrupt = signal.getsignal(signal.SIGINT)
    for number in SIGNALS:  # sent to all processes of a job, they are for the rows: this one stays until the study ends
        signal.signal(number, lambda *_: None)
    zygote, environment = os.getpid(), dict(os.environ)
    request = None
    try:
        _import_all()
        if not _gpus_untouched():
            os._exit(0)
        request = Server(socket.socket(fileno=channel)).serve()
        if request is not None:
            signal.signal(signal.SIGINT, interrupt)
            _be(request, zygote, environment)
    finally:
        os._exit(0 if request is None else 1)


def _import_all() -> None:
    quick_to_import()
    # What goes wrong here goes wrong in the row's process again, where it is told.
    with contextlib.suppress(Exception), lean_torchmetrics():
        import artculture.commands.train
        import artculture.ranks.world
        import artculture.runs.training  # noqa: F401
    gc.freeze()  # no collection is to touch, and so copy, what all rows share


def _gpus_untouched() -> bool:
    """Whether nothing has begun to use a GPU here: what was begun does not go on in a forked process."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return True
    not_initialized = 3  # CUDA_ERROR_NOT_INITIALIZED
    code: int = driver.cuDeviceGetCount(ctypes.byref(ctypes.c_int()))
    return code == not_initialized


def _be(request: dict[str, Any], zygote: int, inherited: dict[str, str]) -> NoReturn:
    """Be a row's process, to its end.

    Args:
        request: what was asked for.
        zygote: the process that was forked.
        inherited: the environment that it was started with; what imports have set since stays.
    """
    code = 1
    try:
        log = os.open(request["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        for descriptor in (1, 2):
            os.dup2(log, descriptor)
        os.close(log)
        os.setpgid(0, 0)
        os.chdir(request["folder"])
        for name in inherited.keys() - request["environment"].keys():
            os.environ.pop(name, None)
        os.environ.update(request["environment"])
        os.environ[ROW_OF_STUDY] = str(zygote)
        _be_called(request["arguments"])
        end_well_when_told()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        code = main(sys.argv[1:])
    except Interrupted as stop:  # before the command had begun
        code = stop.code
    except BaseException:
        traceback.print_exc()
    finally:
        # As the processes of `multiprocessing` end: what the interpreter would tear down is the zygote's, too. A signal
        # may still come, and changes nothing any more.
        try:
            for end in (threading._shutdown, atexit._run_exitfuncs, sys.stdout.flush, sys.stderr.flush):  # type: ignore[attr-defined]
                with contextlib.suppress(BaseException):
                    end()
        finally:
            os._exit(code)


def _be_called(arguments: list[str]) -> None:
    """Look like `python -m artculture` to whoever asks what was started: W&B for its page, loader processes, too."""
    spec = importlib.util.find_spec("artculture.__main__")
    assert spec is not None
    assert spec.origin is not None
    module = sys.modules["__main__"]
    module.__spec__, module.__file__ = spec, spec.origin
    sys.argv = [spec.origin, *arguments]


if __name__ == "__main__":
    serve(sys.argv[1:])
