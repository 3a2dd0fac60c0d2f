import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest

from artculture.studies.executor import RunProcess, execute_runs
from artculture.studies.launchers.local import LocalLauncher
from artculture.studies.launchers.process import RUN_LOCKED_EXIT_CODE
from artculture.training.signals import listen_for_signals
from artculture.utils.io import read_json, write_json
from tests.conftest import STUB
from tests.fixtures.report_study import result

GRID = ("scheduler=step,plateau,cosine", "trainer.max_epochs=4")


def command(pictures: Path, *overrides: str, stub: tuple[str, ...] = STUB) -> list[str]:
    usual = ["logger=csv", "data=folder", f"data.root={pictures}", "data.image_size=32", "data.batch_size=8", *stub]
    return [sys.executable, "-m", "artculture", "train", "-m", *usual, *overrides]


@pytest.mark.slow
def test_a_study_killed_in_its_third_row_completes_when_launched_again(pictures: Path, tmp_path: Path):
    study = tmp_path / "outputs" / "default"
    process = subprocess.Popen(command(pictures, *GRID), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    _wait_for(lambda: len(list(study.glob("*/metrics.csv"))) == 3, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    finished = {path: path.stat().st_mtime_ns for path in study.glob("*/result.json")}
    assert len(finished) == 2

    again = subprocess.run(command(pictures, *GRID), capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert "2 of 3 runs are already finished" in again.stderr
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
    assert len(pd.read_csv(study / "results.csv")) == 3
    for metrics in study.glob("*/metrics.csv"):
        assert list(pd.read_csv(metrics)["epoch"]) == [0, 1, 2, 3]


def _wait_for(reached: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 240
    while not reached():
        assert process.poll() is None, "the study ended too early"
        assert time.monotonic() < deadline
        time.sleep(0.05)


# A row's process without any training: the one with the high rate fails, the other leaves a result.
ENDS = """
import json, pathlib, shutil, sys
here = pathlib.Path(sys.argv[1])
if "head_lr=1e" in here.name:
    (here / "status.json").write_text(json.dumps({"state": "failed", "error": "the loss is not finite"}))
    sys.exit(1)
shutil.copy(here.parents[2] / "result.json", here)
(here / "status.json").write_text(json.dumps({"state": "finished"}))
"""


def check_states(tmp_path: Path, said: str) -> None:
    rows = {path.parent.name: read_json(path) for path in tmp_path.glob("outputs/default/*/status.json")}
    assert {"1e" in name: status["state"] for name, status in rows.items()} == {True: "failed", False: "finished"}
    assert "train.log" in said
    assert "loss" in said
    assert "(failed)" in (tmp_path / "outputs/default/results.md").read_text()


def test_a_study_ends_with_the_table_of_what_finished(train, tmp_path: Path, capsys, monkeypatch):
    write_json(tmp_path / "result.json", result("a", "resnet50", "plateau", "finetuned", 0, 0.5))
    monkeypatch.setattr("artculture.studies.launchers.process.arguments_of", lambda run: ["-c", ENDS, str(run)])
    monkeypatch.setattr("artculture.studies.launchers.local.can_fork", lambda: False)
    assert train("-m", "method.head_lr=1e20,0.01") == 1
    check_states(tmp_path, capsys.readouterr().err)


@pytest.mark.slow
def test_a_failing_row_does_not_stop_the_others(train, tmp_path: Path, capsys):
    # No training comes back from the first row's rate.
    assert train("-m", "method.head_lr=1e20,0.01", "trainer.max_epochs=1") == 1
    check_states(tmp_path, capsys.readouterr().err)


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        (["-m", "scheduler=cosine", "trainer.max_epochs=1", "seed=0,1"], "scheduler.warmup_epochs is 1"),
        (["-m", "seed=0,0"], "the same run"),
        (["study=table2", "architecture=alexnet"], "set `architecture` themselves"),
        (["-m", "seed=0,1", "data=folder", "data.root=nowhere"], "no such folder"),
        (["-m", "seed=0,1", "architecture.weights=nowhere.pth"], "architecture.weights=nowhere.pth"),
        (["-m", "seed=0,1", "trainer=gpu"], "no NVIDIA GPU"),
    ],
)
def test_every_row_is_checked_before_the_first_trains(train, typed, says, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    stub = "architecture" not in " ".join(typed)
    assert train(*typed, stub=stub) == 2
    assert says in capsys.readouterr().err
    assert not list(tmp_path.glob("outputs/*/*/metrics.csv"))


def test_a_row_killed_from_outside_is_recorded(composed_row, monkeypatch):
    row = composed_row()
    monkeypatch.setattr(
        "artculture.studies.launchers.process.arguments_of", lambda *_: ["-c", "import os; os.kill(os.getpid(), 9)"]
    )
    processes = [RunProcess(row)]
    execute_runs(processes, launcher=LocalLauncher([None]), on_change=lambda: None, stop_at_failure=False)
    assert (processes[0].state, processes[0].error) == ("failed", "killed by SIGKILL")
    assert read_json(row.directory.path / "status.json")["state"] == "failed"


def test_a_row_asked_to_stop_before_it_listens_is_interrupted(composed_row, monkeypatch):
    row = composed_row()
    monkeypatch.setattr("artculture.studies.launchers.process.arguments_of", lambda *_: ["-c", "raise SystemExit(75)"])
    processes = [RunProcess(row)]
    execute_runs(processes, launcher=LocalLauncher([None]), on_change=lambda: None, stop_at_failure=False)
    assert (processes[0].state, processes[0].error) == ("interrupted", "by SIGTERM")
    assert read_json(row.directory.path / "status.json")["state"] == "interrupted"


def test_the_run_with_the_most_work_starts_first_and_before_the_next_is_decided(composed_row, monkeypatch):
    monkeypatch.setattr("artculture.studies.launchers.process.arguments_of", lambda *_: ["-c", "raise SystemExit(1)"])
    processes = [RunProcess(composed_row(seed), work=work) for seed, work in enumerate((1.0, 3.0, 1.0, 2.0))]
    launcher, events = LocalLauncher([None, None]), []
    start = launcher.start
    monkeypatch.setattr(launcher, "start", lambda runs: events.append(("start", runs[0].name)) or start(runs))
    monkeypatch.setattr(
        "artculture.studies.executor.decided_by_study",
        lambda config, _: events.append(("decide", f"seed {config.seed}")) or config,
    )
    execute_runs(processes, launcher=launcher, on_change=lambda: None, stop_at_failure=False)
    assert [what for what, _ in events] == ["decide", "start"] * 4
    order = [processes[place].run for place in (1, 3, 0, 2)]
    assert [name for what, name in events if what == "start"] == [run.name for run in order]
    assert [name for what, name in events if what == "decide"] == [f"seed {run.config.seed}" for run in order]


def in_state(row, state, **facts):
    row.directory.make()
    row.directory.set_status(state, **facts)
    if state == "finished":
        row.directory.result.touch()


def run_all(rows, **changes):
    processes = [RunProcess(row) for row in rows]
    usual = {"launcher": LocalLauncher([None]), "on_change": lambda: None, "stop_at_failure": False}
    execute_runs(processes, **{**usual, **changes})
    return processes


# What a row's process does: says that it ran, and ends well.
RAN = "import pathlib, sys; pathlib.Path(sys.argv[1]).open('a').write('ran\\n')"


@pytest.fixture
def ran(monkeypatch, tmp_path):
    """Replaces the rows' processes; tells how many were started."""
    file = tmp_path / "ran"
    monkeypatch.setattr("artculture.studies.launchers.process.arguments_of", lambda *_: ["-c", RAN, str(file)])
    monkeypatch.setattr("artculture.studies.executor.CHECK_ELSEWHERE_SECONDS", 0.1)
    return lambda: len(file.read_text().splitlines()) if file.exists() else 0


@pytest.mark.parametrize(
    ("left", "state", "started"),
    [("finished", "finished", 0), ("failed", "failed", 0), ("interrupted", "finished", 1), ("running", "finished", 1)],
)
def test_a_row_held_elsewhere_is_waited_for_and_taken_over_where_its_owner_died(
    composed_row, ran, left, state, started
):
    held, free = composed_row(0), composed_row(1)
    held.directory.make()
    seen = []

    def on_change():
        seen.append(1)
        if len(seen) == 3:
            in_state(held, left, error="why")
            lock.__exit__(None, None, None)

    lock = held.directory.lock()
    lock.__enter__()
    processes = run_all([held, free], on_change=on_change)
    assert [process.state for process in processes] == [state, "finished"]
    assert ran() == 1 + started


def test_a_row_whose_process_lost_the_race_is_looked_at_again(composed_row, monkeypatch):
    row = composed_row()

    def lose(*_):
        in_state(row, "finished")
        return ["-c", f"raise SystemExit({RUN_LOCKED_EXIT_CODE})"]

    monkeypatch.setattr("artculture.studies.launchers.process.arguments_of", lose)
    monkeypatch.setattr("artculture.studies.executor.CHECK_ELSEWHERE_SECONDS", 0.1)
    assert run_all([row])[0].state == "finished"


SAVES = """
import json, pathlib, signal, sys, time
def save(*_):
    pathlib.Path(sys.argv[1], "status.json").write_text(json.dumps({"state": "interrupted", "error": "by SIGTERM"}))
    raise SystemExit(75)
signal.signal(signal.SIGTERM, save)
pathlib.Path(sys.argv[1], "ready").touch()
time.sleep(600)
"""


def test_a_signal_is_passed_on_to_the_rows_and_waited_for(composed_row, monkeypatch):
    rows = [composed_row(0), composed_row(1)]
    monkeypatch.setattr("artculture.studies.launchers.process.arguments_of", lambda run: ["-c", SAVES, str(run)])
    with listen_for_signals() as listener, listener.deferred():

        def ask():
            if (rows[0].directory.path / "ready").exists() and not listener.received:
                os.kill(os.getpid(), signal.SIGINT)

        processes = run_all(rows, on_change=ask, listener=listener)
    assert [(p.state, p.error) for p in processes] == [
        ("interrupted", "SIGINT, saved"),
        ("skipped", "not started: SIGINT"),
    ]


def test_stop_at_failure_starts_no_further_row(composed_row, monkeypatch):
    processes = [RunProcess(composed_row(seed)) for seed in (0, 1)]
    monkeypatch.setattr("artculture.studies.launchers.process.arguments_of", lambda *_: ["-c", "raise SystemExit(3)"])
    execute_runs(processes, launcher=LocalLauncher([None]), on_change=lambda: None, stop_at_failure=True)
    assert [process.state for process in processes] == ["failed", "skipped"]


# A row's process as far as others see it: holds its directory, begins, ends.
TRAINS = f"""
import pathlib, sys, time
from artculture.training.run_directory import RunDirectory
from artculture.training.run_lock import RunLockedError
run = RunDirectory(pathlib.Path(sys.argv[1]))
try:
    with run.lock(0.0):
        status = run.status()
        if status["state"] != "finished":
            run.set_status("running", launches=status.get("launches", 0) + 1)
            time.sleep(0.5)
            run.result.touch()
            run.set_status("finished")
except RunLockedError:
    sys.exit({RUN_LOCKED_EXIT_CODE})
"""


@pytest.mark.slow
@pytest.mark.parametrize("starts", [2, 4])
def test_several_starts_of_a_study_share_its_rows_out(composed_row, monkeypatch, starts):
    monkeypatch.setattr("artculture.studies.launchers.process.arguments_of", lambda run: ["-c", TRAINS, str(run)])
    monkeypatch.setattr("artculture.studies.executor.CHECK_ELSEWHERE_SECONDS", 0.2)
    rows = [composed_row(seed) for seed in range(5)]
    with ThreadPoolExecutor(starts) as pool:
        views = list(pool.map(lambda _: run_all(rows, launcher=LocalLauncher([None])), range(starts)))
    assert {process.state for view in views for process in view} == {"finished"}
    assert [read_json(row.directory.path / "status.json")["launches"] for row in rows] == [1] * 5
