import pytest

from artculture.training.distributed.context import DistributedContext, find_context
from artculture.utils import hardware
from artculture.utils.errors import InputError

TORCHRUN = {"TORCHELASTIC_RUN_ID": "x", "RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}
SRUN = {
    "SLURM_STEP_NUM_TASKS": "8",
    "SLURM_STEP_NUM_NODES": "2",
    "SLURM_PROCID": "5",
    "SLURM_LOCALID": "1",
}


@pytest.fixture(autouse=True)
def _no_gpus(monkeypatch):
    monkeypatch.setattr(hardware, "visible_gpus", list)


@pytest.fixture
def config(composed):
    return composed


@pytest.fixture
def gpus(monkeypatch):
    return lambda count: monkeypatch.setattr(hardware, "visible_gpus", lambda: [str(i) for i in range(count)])


def started_by(monkeypatch, environment):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


def test_one_device_is_alone_whoever_started_it(config, monkeypatch):
    started_by(monkeypatch, TORCHRUN)
    assert find_context(config()) == DistributedContext()


def test_all_gpus_are_taken(config, gpus):
    gpus(4)
    assert find_context(config("trainer=ddp")) == DistributedContext(world_size=4, local_world_size=4)


def test_a_cpu_is_one_device_unless_a_number_is_given(config):
    assert find_context(config("trainer=ddp")).world_size == 1
    assert find_context(config("trainer=ddp", "trainer.devices=3")).world_size == 3


def test_torchrun_says_who_is_who(config, monkeypatch):
    started_by(monkeypatch, TORCHRUN)
    context = find_context(config("trainer=ddp"))
    assert (context, context.num_nodes) == (DistributedContext(3, 4, 1, 2, "torchrun"), 2)


def test_srun_says_who_is_who(config, monkeypatch):
    started_by(monkeypatch, SRUN)
    context = find_context(config("trainer=ddp", "trainer.num_nodes=2", "data.batch_size=64"))
    assert (context, context.num_nodes) == (DistributedContext(5, 8, 1, 4, "srun"), 2)


def test_a_row_of_a_study_stays_on_its_machine(config, monkeypatch):
    started_by(monkeypatch, {**SRUN, "ARTCULTURE_RUN_OF_STUDY": "1"})
    assert find_context(config("trainer=ddp", "trainer.devices=2")) == DistributedContext(
        world_size=2, local_world_size=2
    )


def test_cached_features_need_one_device(config, monkeypatch):
    cached = ["trainer=ddp", "trainer.devices=2", "method=transfer"]
    assert find_context(config(*cached)) == DistributedContext()
    assert find_context(config(*cached, "method.features=recompute")).world_size == 2
    started_by(monkeypatch, {**TORCHRUN, "WORLD_SIZE": "4"})
    assert not find_context(config("trainer=ddp", "method=transfer")).participates


@pytest.mark.parametrize(
    ("overrides", "environment", "said"),
    [
        (["trainer.devices=3"], TORCHRUN, "torchrun started 2 processes on each of 2 machines, but trainer.devices=3"),
        (["trainer.num_nodes=2"], {}, "trainer.num_nodes=2: start one process per device"),
        (["trainer.devices=4", "data.batch_size=7"], {}, "leaves fewer than two images .* at least 8"),
        (["trainer.devices=2", "trainer.sync_batchnorm=true"], {}, "trainer.sync_batchnorm=true needs GPUs"),
        (["trainer.accelerator=gpu", "trainer.devices=2"], {}, r"0 GPU\(s\) are visible"),
    ],
)
def test_what_can_not_be_is_said(config, monkeypatch, overrides, environment, said):
    started_by(monkeypatch, environment)
    with pytest.raises(InputError, match=said):
        find_context(config("trainer=ddp", *overrides))


def test_more_devices_than_gpus_is_said(config, gpus):
    gpus(2)
    with pytest.raises(InputError, match=r"trainer\.devices=4, but 2 GPU\(s\) are visible"):
        find_context(config("trainer=ddp", "trainer.devices=4"))
