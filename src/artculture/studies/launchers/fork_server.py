"""Run processes forked from a server with preloaded imports (`multiprocessing`'s forkserver).

Imports take most of a run's start, and the runs of a study make the same ones. Linux only: elsewhere a forked process
can't rely on earlier imports.
"""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Mapping
from importlib import import_module
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess

from artculture.studies.launchers.process import Prepared
from artculture.utils.child_process import RUN_OF_STUDY
from artculture.utils.errors import Interrupted
from artculture.utils.signals import stop_on_signals

PRELOAD = "artculture.studies.launchers.preload"
# What `multiprocessing` reports where the server ended before the process; no run exits with it.
UNKNOWN_EXIT_CODE = 255


def can_fork() -> bool:
    """Return whether runs can be forked from a process that has imported torch."""
    return sys.platform.startswith("linux")


def start_server(environment: Mapping[str, str]) -> None:
    """Start the fork server, which imports in the background.

    Args:
        environment: for C libraries, which read it once, when they are loaded (OMP_NUM_THREADS, malloc's settings).
    """
    multiprocessing.get_context("forkserver").set_forkserver_preload([PRELOAD])
    before = dict(os.environ)
    os.environ.update(environment)
    try:
        forkserver.ensure_running()
    finally:
        os.environ.clear()
        os.environ.update(before)


class ForkedRun:
    """Process of a run, with the interface of `subprocess.Popen`.

    Raises:
        OSError, EOFError: the server has ended, or can't fork.
    """

    def __init__(self, prepared: Prepared) -> None:
        context = multiprocessing.get_context("forkserver")
        self.process: BaseProcess = context.Process(target=_run, args=(prepared,), name=prepared.arguments[-1])
        self.process.start()

    @property
    def pid(self) -> int | None:
        return self.process.pid

    @property
    def lost(self) -> bool:
        """Whether the server ended before the process, so that its exit code is not known."""
        return self.poll() == UNKNOWN_EXIT_CODE

    def poll(self) -> int | None:
        """Return the exit code, -n where signal n ended the process; None while it runs."""
        return self.process.exitcode

    def terminate(self) -> None:
        self.process.terminate()

    def kill(self) -> None:
        self.process.kill()


def _run(prepared: Prepared) -> None:
    """Set up log, folder and environment in the forked process, then execute the command."""
    log = os.open(prepared.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
    for descriptor in (1, 2):
        os.dup2(log, descriptor)
    os.close(log)
    os.setpgid(0, 0)  # Ctrl-C goes to the study's process alone, which forwards it once
    os.chdir(prepared.folder)
    os.environ.clear()
    os.environ.update(prepared.environment)
    from artculture.studies.launchers import preload

    if not preload.FORKABLE:
        os.execv(sys.executable, [sys.executable, *prepared.arguments])
    os.environ[RUN_OF_STUDY] = str(os.getppid())
    threading.Thread(target=_end_with_study, daemon=True).start()

    # W&B and data-loading processes read sys.argv.
    sys.argv = ["artculture", *prepared.arguments[2:]]
    try:
        stop_on_signals()
        # The command line lies above this package, so it is imported by name.
        code = import_module("artculture.cli").main(sys.argv[1:])
    except Interrupted as stop:  # before the command had begun
        code = stop.code
    sys.exit(code)


def _end_with_study() -> None:
    """Ask this process to stop when the study ends, which the server would outlive as long as this process runs."""
    study = multiprocessing.parent_process()
    assert study is not None
    study.join()
    os.kill(os.getpid(), signal.SIGTERM)
