from dataclasses import replace

import pytest

from artculture.studies import side_by_side
from artculture.studies.executor import RunProcess
from artculture.studies.launchers.local import LocalLauncher
from artculture.studies.side_by_side import run_side_by_side
from artculture.training.acceleration.measured_format import RunSize

GB = 1 << 30


@pytest.fixture
def study(composed_row, composed, monkeypatch):
    """Run a study of two runs on a machine; return runs at a time and threads."""

    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)

    def run(*overrides, memory=4 * GB, total=16 * GB, available=12 * GB, cores=2, runs=2, gpus=(None,), free=None):
        monkeypatch.setattr(side_by_side.hardware, "free_gpu_memory", lambda gpu: None if free is None else free[gpu])
        monkeypatch.setattr(side_by_side, "expected_size", lambda _: None if memory is None else RunSize(memory, 1e9))
        monkeypatch.setattr(side_by_side, "_total_memory", lambda: total)
        monkeypatch.setattr(side_by_side.hardware, "available_memory", lambda: available)
        monkeypatch.setattr(side_by_side.hardware, "cores", lambda: cores)
        config, launcher = composed(*overrides), LocalLauncher(list(gpus))
        processes = [RunProcess(replace(composed_row(seed), config=config)) for seed in range(runs)]
        run_side_by_side(processes, launcher)
        return launcher.capacity, processes[0].run.config.trainer.threads

    return run


def test_two_runs_share_the_cores_where_memory_has_room(study):
    assert study() == (2, 1)
    assert study(cores=9) == (2, 4)


def test_free_memory_decides_how_many_run_at_a_time_but_not_their_threads(study):
    assert study(available=7 * GB) == (1, 1)


@pytest.mark.parametrize(
    "machine",
    [{"total": 9 * GB}, {"memory": None}, {"total": None}, {"cores": 1}, {"runs": 1}, {"gpus": ("0",)}],
)
def test_one_run_at_a_time_has_all_cores(study, machine):
    assert study(**machine) == (1, "auto")


def test_the_users_numbers_stay(study):
    assert study("launcher.parallel=1") == (1, "auto")
    assert study("trainer.threads=2") == (2, 2)


@pytest.mark.parametrize(
    ("machine", "at_once"),
    [
        ({"free": {"0": 80 * GB}}, 3),
        ({"free": {"0": 80 * GB}, "runs": 2}, 2),
        ({"free": {"0": 40 * GB}}, 2),
        ({"free": {"0": 32 * GB}}, 1),
        ({"free": {"0": None}}, 1),
        ({"free": {"0": 80 * GB}, "memory": None}, 1),
        ({"free": {"0": 80 * GB, "1": 40 * GB}, "gpus": ("0", "1")}, 4),
        ({"free": {"0": 80 * GB, "1": 80 * GB}, "gpus": ("0", "1"), "runs": 3}, 2),
    ],
)
def test_runs_share_a_gpu_whose_free_memory_has_room_for_them(study, machine, at_once):
    assert study(**{"runs": 6, "gpus": ("0",), **machine}) == (at_once, "auto")


def test_the_users_number_of_runs_on_a_gpu_stays(study):
    assert study("launcher.parallel=1", runs=6, gpus=("0",), free={"0": 80 * GB}) == (1, "auto")


@pytest.mark.parametrize(
    ("overrides", "passes"),
    [
        (["method=finetuned"], 15),
        (["method=transfer", "method.views=4"], 4),
        (["method=transfer", "method.views=9"], 5),
        (["method=transfer", "method.features=recompute"], 5),
    ],
)
def test_the_largest_of_several_runs_starts_first(composed_row, composed, monkeypatch, overrides, passes):
    monkeypatch.setattr(side_by_side, "_total_memory", lambda: 1000 * GB)
    monkeypatch.setattr(side_by_side.hardware, "available_memory", lambda: 1000 * GB)
    monkeypatch.setattr(side_by_side.hardware, "cores", lambda: 2)
    launcher = LocalLauncher([None])
    typed = [*overrides, "trainer.max_epochs=5", "data.image_size=224"]
    small, large = (composed(f"architecture={name}", *typed) for name in ("alexnet", "vgg16_bn"))
    processes = [RunProcess(replace(composed_row(0), config=config)) for config in (small, large)]
    run_side_by_side(processes, launcher)
    assert processes[0].work < processes[1].work == pytest.approx(passes * 31e9, rel=0.02)
