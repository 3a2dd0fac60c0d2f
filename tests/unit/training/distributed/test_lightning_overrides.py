import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from artculture.cli import main
from artculture.utils.io import read_json
from tests.unit.training.same_run import assert_same_run

# No BatchNorm: the only layer that sees a device's share of a batch instead of the batch.
USUAL = ["architecture=timm", "architecture.name=test_convnext", "architecture.weights=none", "logger=csv"]
USUAL += ["data=folder", "data.image_size=32", "trainer.precision=32", "trainer=ddp", "trainer.accelerator=cpu"]
# Single-precision sums in another order: 1e-7 was measured after 24 steps.
TOLERANCE = 1e-5


@pytest.fixture
def launch(pictures, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    def command(*overrides: str, by: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        usual = [*USUAL, f"data.root={pictures}", "trainer.max_epochs=3", "data.batch_size=17"]
        typed = {text.split("=")[0] for text in overrides}
        rest = ["-m", "artculture", "train", *(text for text in usual if text.split("=")[0] not in typed), *overrides]
        begun.append(subprocess.Popen([sys.executable, *by, *rest], stderr=subprocess.PIPE, text=True))
        return begun[-1]

    begun: list[subprocess.Popen[str]] = []
    yield command
    for process in begun:
        process.kill()
        process.wait()
        process.stderr.close()


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


def wait_for_training(folder: Path, study: str) -> None:
    """Return a few steps after a launch that has just begun has written its first checkpoint."""
    begun = time.time()

    def written() -> bool:
        return any(file.stat().st_mtime > begun for file in folder.glob(f"outputs/{study}/*/checkpoints/last.ckpt"))

    wait_for(written)
    time.sleep(0.3)


@pytest.mark.slow
def test_two_devices_are_as_one(train, pictures, tmp_path):
    # 36 training pictures: 17, 17 and 2, of which the second device gets none; 3 in validation, 3 in test
    usual = [*USUAL, f"data.root={pictures}", "trainer.max_epochs=2", "data.batch_size=17"]
    assert main(["train", *usual, "trainer.devices=1", "study.name=one"]) == 0
    two = train("trainer.devices=2", "trainer.max_epochs=2", study="two")
    assert_nearly_the_same(run_of(tmp_path, "one"), two)
    assert read_json(two / "result.json")["device"] == "2 x cpu"


# 9 steps an epoch
MANY = ["data.batch_size=4", "trainer.max_epochs=60", "trainer.checkpoint_every_steps=5"]


@pytest.mark.slow
@pytest.mark.parametrize("which", ["first", "second"])
def test_a_signal_to_any_process_stops_all_at_one_step(launch, train, tmp_path, which):
    process = launch("trainer.devices=2", *MANY, "trainer.max_epochs=400", "study.name=stopped")
    wait_for_training(tmp_path, "stopped")
    (second,) = children(process.pid)
    os.kill(process.pid if which == "first" else second, signal.SIGTERM)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 75, said
    assert not alive(second)
    assert read_json(run_of(tmp_path, "stopped") / "status.json")["state"] == "interrupted"


@pytest.mark.slow
def test_killed_processes_take_the_others_with_them_and_a_resume_is_bit_exact(launch, train, tmp_path):
    given = ("trainer.devices=2", *MANY, "head.dropout=0.3", "augment=modern")
    whole = train(*given, study="whole")
    for victim in ("second", "first"):
        process = launch(*given, "study.name=killed")
        wait_for_training(tmp_path, "killed")
        (second,) = children(process.pid)
        os.kill(process.pid if victim == "first" else second, signal.SIGKILL)
        said = process.communicate(timeout=60)[1]
        assert process.returncode == (-signal.SIGKILL if victim == "first" else 1), said
        wait_for(lambda second=second: not alive(second), seconds=30)
        if victim == "second":
            error = read_json(run_of(tmp_path, "killed") / "status.json")["error"]
            assert error.startswith("the process of device 1 was killed by SIGKILL")
    assert_same_run(whole, train(*given, study="killed"))


@pytest.mark.slow
def test_the_number_of_devices_may_change_within_an_epoch(launch, train, tmp_path):
    one = train("trainer.devices=1", *MANY, study="one")
    for devices in (1, 2, 1, 2):
        process = launch(f"trainer.devices={devices}", *MANY, "study.name=changed")
        wait_for_training(tmp_path, "changed")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
        assert process.returncode == 75
    assert_nearly_the_same(one, train("trainer.devices=2", *MANY, study="changed"))


TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")


@pytest.mark.slow
def test_torchrun_starts_the_processes_too(train):
    one = train("trainer.devices=1", study="one")
    assert_nearly_the_same(one, train(study="torchrun", by=TORCHRUN))


@pytest.mark.slow
def test_srun_starts_the_processes_too(train, launch, monkeypatch, tmp_path):
    one = train("trainer.devices=1", study="one")
    job = {"SLURM_JOB_ID": str(os.getpid()), "SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "1", "SLURM_NNODES": "2"}
    step = {"SLURM_STEP_NUM_TASKS": "2", "SLURM_STEP_NUM_NODES": "2", "SLURM_LOCALID": "0", "MASTER_ADDR": "127.0.0.1"}
    for name, value in {**job, **step}.items():
        monkeypatch.setenv(name, value)
    tasks = []
    # two machines that share the run's folder, each with a disk of its own for the pixels
    for task in ("0", "1"):
        for name in ("SLURM_PROCID", "SLURM_NODEID"):
            monkeypatch.setenv(name, task)
        monkeypatch.setenv("ARTCULTURE_CACHE", str(tmp_path / f"disk{task}"))
        tasks.append(launch("study.name=srun"))
    said = [process.communicate(timeout=300)[1] for process in tasks]
    assert [process.returncode for process in tasks] == [0, 0], said
    assert_nearly_the_same(one, run_of(tmp_path, "srun"))
    assert all(list(tmp_path.glob(f"disk{task}/pixels/*/index.json")) for task in ("0", "1"))


@pytest.mark.slow
def test_a_killed_study_takes_all_processes_of_its_rows_with_it(launch, tmp_path):
    process = launch("-m", "trainer.devices=2", *MANY, "trainer.max_epochs=400", "seed=0,1", "study.name=many")
    wait_for_training(tmp_path, "many")
    (first,) = children(process.pid)
    (second,) = children(first)
    process.kill()
    process.communicate()
    wait_for(lambda: not alive(first) and not alive(second), seconds=60)
    states = [read_json(file)["state"] for file in tmp_path.glob("outputs/many/*/status.json")]
    assert states == ["interrupted"]


@pytest.mark.slow
def test_cached_features_are_trained_on_one_device(train):
    run = train("trainer.devices=2", "method=transfer", study="cached")
    assert read_json(run / "result.json")["device"] == "cpu"
    assert_nearly_the_same(run, train("method=transfer", study="left", by=TORCHRUN))
    recomputed = ["method=transfer", "method.features=recompute"]
    one = train("trainer.devices=1", *recomputed, study="one")
    assert_nearly_the_same(one, train("trainer.devices=2", *recomputed, study="two"))
