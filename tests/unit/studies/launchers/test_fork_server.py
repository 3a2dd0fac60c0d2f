import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing import forkserver
from pathlib import Path

import pytest

from artculture.studies.grid import PlannedRun
from artculture.studies.launchers.fork_server import ForkedRun, can_fork, start_server
from artculture.studies.launchers.local import LocalLauncher
from artculture.studies.launchers.process import Prepared, run_environment
from artculture.training.job import write_job

pytestmark = pytest.mark.skipif(not can_fork(), reason="runs are forked on Linux alone")

PATIENCE_SECONDS = 180.0


def wait_for(found: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not found():
        assert time.monotonic() < deadline, "nothing happened for too long"
        time.sleep(0.05)


@pytest.fixture(scope="module", autouse=True)
def _server():
    start_server(run_environment({}, {}))
    yield
    forkserver._forkserver._stop()


@pytest.fixture
def prepared(tmp_path: Path) -> Callable[..., Prepared]:
    def make(*arguments: str, **environment: str) -> Prepared:
        given = run_environment({}, environment)
        return Prepared(("-m", "artculture", *arguments), str(tmp_path), str(tmp_path / "log"), given)

    return make


@pytest.fixture
def endless(row_of) -> Callable[[str], PlannedRun]:
    """A run, its job written, that no test waits for the end of."""

    def make(name: str) -> PlannedRun:
        small = ["data=sample", "data.per_culture=12", "architecture=timm", "architecture.name=test_resnet"]
        small += ["architecture.weights=none", "logger=csv", "trainer=cpu", "trainer.max_epochs=1000"]
        row: PlannedRun = row_of(name, *small)
        write_job(row.directory, row.job, restart=False)
        return row

    return make


def ended(run: ForkedRun) -> int:
    wait_for(lambda: run.poll() is not None)
    code = run.poll()
    assert code is not None
    return code


def log_of(run: Prepared) -> str:
    return Path(run.log).read_text()


@pytest.mark.parametrize(("argument", "code", "text"), [("--version", 0, "artculture "), ("nonsense", 2, "nonsense")])
def test_a_run_is_the_command_with_its_code_and_its_log(prepared, argument, code, text):
    run = prepared(argument)
    Path(run.log).write_text("before\n")
    assert ended(ForkedRun(run)) == code
    assert log_of(run).startswith("before\n")
    assert text in log_of(run)


def test_a_run_has_its_own_folder_and_environment(prepared):
    run = prepared("compare", "study.root=here", "study.name=none", ARTCULTURE_DEBUG="1")
    assert ended(ForkedRun(run)) == 2
    assert "no runs in here/none" in log_of(run)
    assert "Traceback" in log_of(run)
    assert "ARTCULTURE_DEBUG" not in os.environ


def test_runs_execute_side_by_side_and_each_has_its_exit_code(prepared):
    runs = [ForkedRun(prepared(argument)) for argument in ("--version", "nonsense", "--help")]
    assert [ended(run) for run in runs] == [0, 2, 0]


def test_what_can_not_be_started_is_an_error_in_the_log(prepared, tmp_path):
    run = prepared("--version")
    gone = Prepared(run.arguments, str(tmp_path / "gone"), run.log, run.environment)
    assert ended(ForkedRun(gone)) == 1
    assert "FileNotFoundError" in log_of(run)


def test_a_run_that_is_killed_reports_its_signal(prepared, endless):
    run = ForkedRun(prepared("run", str(endless("0").directory.path)))
    run.kill()
    assert ended(run) == -signal.SIGKILL
    run.kill()  # has no effect any more
    assert run.poll() == -signal.SIGKILL


@pytest.mark.slow
def test_runs_end_with_their_server_and_later_ones_start_without_it(endless):
    row, other = endless("0"), endless("1")
    with LocalLauncher([None, None]) as launcher:
        (started,) = launcher.start([row])
        assert isinstance(started.process, ForkedRun)
        wait_for(lambda: row.directory.status()["state"] == "running")
        os.kill(forkserver._forkserver._forkserver_pid, signal.SIGKILL)
        wait_for(started.exit_status)
        assert started.exit_status().code is None
        wait_for(lambda: row.directory.status()["state"] == "interrupted")
        (again,) = launcher.start([other])
        again.kill()
        wait_for(again.exit_status)
        assert again.exit_status().code == -signal.SIGKILL


STUDY = """
import os, sys, time
from multiprocessing import forkserver
from artculture.studies.launchers.process import Prepared, run_environment
from artculture.studies.launchers.fork_server import ForkedRun, start_server
if __name__ == "__main__":
    start_server(run_environment({}, {}))
    run = ForkedRun(Prepared(("-m", "artculture", "run", sys.argv[1]), os.getcwd(), "log", run_environment({}, {})))
    print(forkserver._forkserver._forkserver_pid, flush=True)
    time.sleep(600)
"""


@pytest.mark.slow
def test_runs_end_with_their_study_however_it_ends(tmp_path, endless):
    script = tmp_path / "study.py"
    script.write_text(STUDY)
    row = endless("0")
    command = [sys.executable, str(script), str(row.directory.path)]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as study:
        server = int(study.stdout.readline())
        wait_for(lambda: row.directory.status()["state"] == "running")
        study.kill()
    wait_for(lambda: row.directory.status()["state"] == "interrupted")
    wait_for(lambda: not Path(f"/proc/{server}").exists())
