import contextlib
import errno
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from artculture.launchers.local import LocalLauncher, LocalRow
from artculture.launchers.process import Prepared, environment_of_row
from artculture.launchers.zygote import ForkedRow, Zygote, can_fork
from artculture.launchers.zygote_process import Server, _be_called

pytestmark = pytest.mark.skipif(not can_fork(), reason="rows are forked on Linux alone")

PATIENCE_SECONDS = 90.0


def wait_for(found: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not found():
        assert time.monotonic() < deadline, "nothing happened for too long"
        time.sleep(0.05)


@contextlib.contextmanager
def opened() -> Iterator[Zygote]:
    zygote = Zygote(environment_of_row({}, {}))
    try:
        yield zygote
    finally:
        zygote.close()


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    with opened() as one:
        yield one


@pytest.fixture
def prepared(tmp_path: Path) -> Callable[..., Prepared]:
    def make(*arguments: str, **environment: str) -> Prepared:
        given = environment_of_row({}, environment)
        return Prepared(("-m", "artculture", *arguments), str(tmp_path), str(tmp_path / "log"), given)

    return make


def ended(row: ForkedRow | None) -> int:
    assert row is not None
    wait_for(lambda: row.poll() is not None)
    code = row.poll()
    assert code is not None
    return code


def log_of(row: Prepared) -> str:
    return Path(row.log).read_text()


def trained(*overrides: str) -> list[str]:
    """A training that no test waits for the end of."""
    own = ["train", "data=sample", "data.image_size=64", "architecture=alexnet", "architecture.weights=none"]
    return [*own, "logger=csv", "trainer=cpu", "trainer.max_epochs=1000", *overrides]


@pytest.mark.parametrize(("argument", "code", "said"), [("--version", 0, "artculture "), ("nonsense", 2, "nonsense")])
def test_a_row_is_the_command_with_its_code_and_its_log(zygote, prepared, argument, code, said):
    row = prepared(argument)
    Path(row.log).write_text("before\n")
    assert ended(zygote.start(row)) == code
    assert log_of(row).startswith("before\n")
    assert said in log_of(row)


def test_a_row_has_its_own_folder_and_environment(zygote, prepared, tmp_path):
    row = prepared("compare", "study.root=here", "study.name=none", ARTCULTURE_DEBUG="1")
    assert ended(zygote.start(row)) == 2
    assert "no runs in here/none" in log_of(row)
    assert "Traceback" in log_of(row)
    assert "ARTCULTURE_DEBUG" not in os.environ


def test_rows_run_side_by_side_and_each_has_its_end(zygote, prepared):
    rows = [zygote.start(prepared(argument)) for argument in ("--version", "nonsense", "--help")]
    assert [ended(row) for row in rows] == [0, 2, 0]


def test_what_can_not_be_started_is_told_in_the_log(zygote, prepared, tmp_path):
    row = prepared("--version")
    gone = Prepared(row.arguments, str(tmp_path / "gone"), row.log, row.environment)
    assert ended(zygote.start(gone)) == 1
    assert "FileNotFoundError" in log_of(row)


def test_a_row_that_is_told_to_stop_says_so(zygote, prepared):
    row = zygote.start(prepared(*trained()))
    row.terminate()
    assert ended(row) == 75


def test_a_row_that_is_killed_is_told_by_its_signal(zygote, prepared):
    row = zygote.start(prepared(*trained()))
    row.kill()
    assert ended(row) == -signal.SIGKILL
    row.kill()  # has nobody to go to
    assert row.poll() == -signal.SIGKILL


def test_a_zygote_that_is_told_to_stop_leaves_that_to_its_rows(prepared):
    with opened() as zygote:
        for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGINT):
            assert ended(zygote.start(prepared("--version"))) == 0
            os.kill(zygote._process.pid, number)
        assert ended(zygote.start(prepared("--version"))) == 0


def test_a_process_that_can_not_be_forked_is_told(monkeypatch):
    def refuse() -> int:
        raise BlockingIOError(errno.EAGAIN, "too many processes")

    monkeypatch.setattr(os, "fork", refuse)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert not Server(theirs)._is_fork(7)
        assert json.loads(ours.recv(1000)) == {"row": 7, "forked": False}
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, []) & {signal.SIGTERM}


def test_a_forked_row_looks_like_the_command(monkeypatch):
    main = ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", main)
    monkeypatch.setattr(sys, "argv", ["other"])
    _be_called(["train", "seed=1"])
    assert main.__spec__.name == "artculture.__main__"
    assert sys.argv == [main.__file__, "train", "seed=1"]


@pytest.fixture
def trains(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has rows train in a study beside their own."""
    monkeypatch.setattr(
        "artculture.launchers.process.arguments_of",
        lambda row, _: ["-m", "artculture", *trained(f"study.root={row.directory.path.parent}")],
    )


def test_rows_that_never_began_are_started_without_their_zygote(row_of, trains):
    row = row_of("0")
    row.directory.make()
    with LocalLauncher([None]) as launcher:
        os.kill(launcher._zygote._process.pid, signal.SIGSTOP)  # so that it is surely importing still
        (started,) = launcher.start([row])
        assert isinstance(started.process, ForkedRow)
        os.kill(launcher._zygote._process.pid, signal.SIGKILL)
        wait_for(lambda: started.ending() is not None or not isinstance(started.process, ForkedRow))
        assert started.ending() is None
        started.stop()
        wait_for(started.ending)


def test_rows_end_with_their_zygote_and_later_ones_without_it(row_of, trains):
    with LocalLauncher([None, None]) as launcher:
        row, other = row_of("0"), row_of("1")
        for one in (row, other):
            one.directory.make()
        (started,) = launcher.start([row])
        assert isinstance(started, LocalRow)
        assert isinstance(started.process, ForkedRow)
        assert started.ending() is None
        status = row.directory.path.parent / "default"
        wait_for(lambda: list(status.glob("*/status.json")))
        os.kill(launcher._zygote._process.pid, signal.SIGKILL)
        wait_for(started.ending)
        assert started.ending().code is None
        assert "killed" in started.ending().reason
        wait_for(lambda: '"interrupted"' in next(status.glob("*/status.json")).read_text())

        (again,) = launcher.start([other])
        assert not isinstance(again.process, ForkedRow)
        again.kill()
        wait_for(again.ending)
        assert again.ending().code == -signal.SIGKILL


STUDY = """
import os, sys, time
from artculture.launchers.process import Prepared, environment_of_row
from artculture.launchers.zygote import Zygote
zygote = Zygote(environment_of_row({}, {}))
row = zygote.start(Prepared(("-m", "artculture", *sys.argv[1:]), os.getcwd(), "log", environment_of_row({}, {})))
print(zygote._process.pid, flush=True)
time.sleep(600)
"""


def test_rows_end_with_their_study_however_it_ends(tmp_path):
    command = [sys.executable, "-c", STUDY, *trained("study.root=out")]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as study:
        zygote = int(study.stdout.readline())
        status = tmp_path / "out" / "default"
        wait_for(lambda: list(status.glob("*/status.json")))
        study.kill()
    wait_for(lambda: '"interrupted"' in next(status.glob("*/status.json")).read_text())
    wait_for(lambda: not Path(f"/proc/{zygote}").exists())
