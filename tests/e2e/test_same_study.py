"""One study through each launcher, disturbed on its way: the same results."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from artculture.utils.io import read_json
from tests.conftest import STUB
from tests.unit.training.same_run import assert_same_run

GRID = ("seed=0,1", "trainer=cpu", "trainer.max_epochs=4", "trainer.checkpoint_every_steps=1")
TIMES = ["seconds", "images_per_second"]


def command(pictures: Path, *overrides: str) -> list[str]:
    usual = ["logger=csv", "data=folder", f"data.root={pictures}", "data.image_size=32", "data.batch_size=8", *STUB]
    return [sys.executable, "-m", "artculture", "train", "-m", *usual, *GRID, *overrides]


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each launcher would give a row its own number of threads, and sums in another order."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("whole")


@pytest.fixture
def whole(pictures: Path, tmp_path: Path, kept: Path) -> Path:
    """The study by the local launcher, two rows at a time, undisturbed; trained once."""
    if not any(kept.iterdir()):
        subprocess.run(command(pictures, "launcher.parallel=2", "study.name=whole"), check=True, capture_output=True)
        shutil.copytree(tmp_path / "outputs" / "whole", kept, dirs_exist_ok=True)
    return kept


def started(study: Path, epoch: int) -> dict[str, Any]:
    """The status of the study's first row once it has ended an epoch."""
    deadline = time.monotonic() + 400
    while time.monotonic() < deadline:
        for file in sorted(study.glob("*/status.json")):
            status = read_json(file)
            if status.get("epoch", 0) >= epoch and status["state"] == "running":
                return status
        time.sleep(0.02)
    raise AssertionError("no row began")


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def kill_worker(study: Path) -> None:
    os.kill(parent(started(study, 1)["pid"]), signal.SIGKILL)


def preempt(study: Path) -> None:
    pid = started(study, 1)["pid"]
    for process in (pid, parent(pid)):  # as SLURM does: every process of the job
        os.kill(process, signal.SIGUSR2)


LAUNCHERS: dict[str, tuple[list[str], Callable[[Path], None]]] = {
    "slurm": (["launcher=slurm", "launcher.cluster=local", "launcher.parallel=2"], preempt),
    "ray": (["launcher=ray", "launcher.cpus=1"], kill_worker),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LAUNCHERS)
def test_disturbed_rows_end_as_they_do_on_one_machine(name, pictures, tmp_path, whole):
    overrides, disturb = LAUNCHERS[name]
    study = tmp_path / "outputs" / name
    process = subprocess.Popen(command(pictures, *overrides, f"study.name={name}"), stderr=subprocess.PIPE, text=True)
    disturb(study)
    _, said = process.communicate(timeout=600)
    assert process.returncode == 0, said
    launches = [read_json(file)["launches"] for file in study.glob("*/status.json")]
    assert sorted(launches) == [1, 2]
    for run in whole.glob("*/result.json"):
        assert_same_run(run.parent, study / run.parent.name)
    tables = [pd.read_csv(folder / "results.csv").drop(columns=TIMES) for folder in (whole, study)]
    pd.testing.assert_frame_equal(*tables)


@pytest.mark.slow
def test_two_starts_of_one_study_share_its_rows(pictures, tmp_path):
    rows = ["seed=0,1,2", "trainer.max_epochs=2"]
    starts = [
        subprocess.Popen(command(pictures, *rows), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [start.communicate(timeout=600) for start in starts]
    assert [start.returncode for start in starts] == [0, 0], said
    statuses = [read_json(file) for file in tmp_path.glob("outputs/*/*/status.json")]
    assert [(status["state"], status["launches"]) for status in statuses] == [("finished", 1)] * 3
    # Each trained some of the rows and left the others to its twin, and both show the whole table.
    assert all(": elsewhere" in errors and ": running" in errors for _, errors in said)
    assert all("3 seeds" in table for table, _ in said)
