import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from artculture.launchers.local import LocalLauncher, LocalRow
from artculture.launchers.process import Prepared, environment_of_row
from artculture.launchers.zygote import ForkedRow, Zygote, can_fork

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


def test_what_can_not_be_started_is_told_in_the_log_or_fails(zygote, prepared, tmp_path):
    row = prepared("--version")
    gone = Prepared(row.arguments, str(tmp_path / "gone"), row.log, row.environment)
    assert ended(zygote.start(gone)) == 1


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


def test_rows_end_with_their_zygote_and_later_ones_without_it(row_of, monkeypatch):
    monkeypatch.setattr(
        "artculture.launchers.process.arguments_of",
        lambda row, _: ["-m", "artculture", *trained(f"study.root={row.directory.path.parent}")],
    )
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
    import subprocess

    command = [sys.executable, "-c", STUDY, *trained("study.root=out")]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as study:
        zygote = int(study.stdout.readline())
        status = tmp_path / "out" / "default"
        wait_for(lambda: list(status.glob("*/status.json")))
        study.kill()
    wait_for(lambda: '"interrupted"' in next(status.glob("*/status.json")).read_text())
    wait_for(lambda: not Path(f"/proc/{zygote}").exists())
