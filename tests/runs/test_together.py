import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from artculture.files import read_json
from tests.runs.same_run import assert_same_run

# No BatchNorm: the only layer that sees a device's share of a batch instead of the batch.
USUAL = ["architecture=timm", "architecture.name=test_convnext", "architecture.weights=none", "logger=csv"]
USUAL += ["data=folder", "data.image_size=32", "trainer.precision=32", "trainer=ddp", "trainer.accelerator=cpu"]
# Single-precision sums in another order: 1e-7 was measured after 27 steps.
TOLERANCE = 1e-5


@pytest.fixture
def launch(pictures, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    def command(*overrides: str, by: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        usual = [*USUAL, f"data.root={pictures}", "trainer.max_epochs=3", "data.batch_size=17"]
        typed = {text.split("=")[0] for text in overrides}
        rest = ["-m", "artculture", "train", *(text for text in usual if text.split("=")[0] not in typed), *overrides]
        # a session of its own, so that nothing that a test leaves behind can go unseen
        return subprocess.Popen([sys.executable, *by, *rest], stderr=subprocess.PIPE, text=True, start_new_session=True)

    return command


@pytest.fixture
def train(launch, tmp_path):
    def command(*overrides: str, study: str, code: int = 0, by: tuple[str, ...] = ()) -> Path:
        process = launch(*overrides, f"study.name={study}", by=by)
        said = process.communicate(timeout=300)[1]
        assert process.returncode == code, said
        return run_of(tmp_path, study)

    return command


def run_of(folder: Path, study: str) -> Path:
    (found,) = folder.glob(f"outputs/{study}/*/config.yaml")
    return found.parent


def assert_nearly_the_same(one: Path, other: Path) -> None:
    for name in ("metrics.csv", "predictions.csv"):
        left, right = (pd.read_csv(run / name).drop(columns="seconds", errors="ignore") for run in (one, other))
        pd.testing.assert_frame_equal(left, right, rtol=TOLERANCE, atol=TOLERANCE, check_exact=False)
    results = [read_json(run / "result.json") for run in (one, other)]
    for key in ("counts", "test_top1", "test_top3", "confusion", "val_top1"):
        assert results[0][key] == results[1][key]


def wait_for(found, seconds=120.0):
    deadline = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return value


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def amid_training(process, folder: Path, study: str) -> int:
    """Once it trains: the process id of its second device."""
    wait_for(lambda: list(folder.glob(f"outputs/{study}/*/checkpoints/last.ckpt")))
    return children(process.pid)[0]


def test_two_devices_are_as_one_then_stop_together_and_go_on_alone(train, launch, tmp_path):
    # 36 training pictures: 17, 17 and 2, of which the second device gets none; 3 in validation, 3 in test
    one = train("trainer.devices=1", study="one")
    two = train("trainer.devices=2", study="two")
    assert_nearly_the_same(one, two)
    assert read_json(two / "result.json")["device"] == "2 x cpu"


@pytest.mark.parametrize("which", ["first", "second"])
@pytest.mark.slow
def test_a_signal_to_any_process_stops_all_at_one_step(train, launch, tmp_path, which):
    many = ["data.batch_size=4", "trainer.max_epochs=400", "trainer.checkpoint_every_steps=5"]
    process = launch("trainer.devices=2", *many, "study.name=told")
    second = amid_training(process, tmp_path, "told")
    os.kill(process.pid if which == "first" else second, signal.SIGTERM)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 75, said
    assert not alive(second)
    assert read_json(run_of(tmp_path, "told") / "status.json")["state"] == "interrupted"
