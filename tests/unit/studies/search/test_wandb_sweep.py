import pytest
import wandb
import yaml
from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args

from artculture import cli
from artculture.studies.search.space import Dimension
from artculture.studies.search.wandb_sweep import parameter
from artculture.training.callbacks.recorder import Recorder
from tests.conftest import STUB
from tests.fixtures.tracked import inspect, records


def by_agent(sweep, values):
    """The words that a W&B agent executes for values of a sweep."""
    known = create_sweep_command_args({"args": {key: {"value": value} for key, value in values.items()}})
    known |= {"env": ["/usr/bin/env"], "program": [sweep["program"]]}
    words = []
    for word in create_sweep_command(list(sweep["command"])):
        words += known[word[2:-1]] if word.startswith("${") else [word]
    return words


@pytest.fixture
def sweep(pictures, tmp_path, capsys):
    typed = [f"data.root={pictures}", "data=folder", "data.image_size=32", "trainer.max_epochs=2", *STUB]
    typed += ["study.name=tuned", "logger=wandb_offline", "trainer.checkpoint_every_steps=1"]
    assert cli.main(["sweep", "init", *typed, "search.trials=7", "search.pruner=hyperband", "sweep.method=random"]) == 0
    file = tmp_path / "outputs" / "tuned" / "sweep.yaml"
    assert f"wandb sweep {file}" in capsys.readouterr().out
    return yaml.safe_load(file.read_text())


def test_a_sweep_is_the_search_space_and_the_command(sweep):
    assert (sweep["method"], sweep["run_cap"], sweep["project"]) == ("random", 7, "artculture")
    assert sweep["metric"] == {"name": "best_score", "goal": "maximize"}
    assert sweep["early_terminate"] == {"type": "hyperband", "min_iter": 2}
    assert sweep["command"][:3] == ["${env}", "artculture", "train"]
    assert "study.name='tuned'" in sweep["command"] or "study.name=tuned" in sweep["command"]
    assert not any(word.startswith(("search.", "sweep.")) for word in sweep["command"])
    rates = {"distribution": "log_uniform_values", "min": 0.002, "max": 0.2}
    assert sweep["parameters"]["method.head_lr"] == rates
    assert sweep["parameters"]["data.batch_size"] == {"values": [16, 32, 64]}
    assert "trainer.max_epochs" not in sweep["parameters"], "typed"


@pytest.mark.slow
def test_an_agents_run_has_its_id_and_values_and_continues_when_restarted(
    sweep, tmp_path, monkeypatch, read_json, request
):
    words = by_agent(sweep, {"method.head_lr": 0.03, "data.batch_size": 16})
    assert words[:3] == ["/usr/bin/env", "artculture", "train"]
    monkeypatch.setenv("WANDB_SWEEP_ID", "sw33p")
    monkeypatch.setenv("WANDB_RUN_ID", "agents1")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    wandb.teardown()
    request.addfinalizer(wandb.teardown)
    end = Recorder.on_train_epoch_end

    def die(self, trainer, module):
        end(self, trainer, module)
        raise RuntimeError("the machine went down")

    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "on_train_epoch_end", die)
        assert cli.main(words[2:]) == 1
    assert cli.main(words[2:]) == 0
    (run,) = (file.parent for file in tmp_path.glob("outputs/tuned/*/config.yaml"))
    assert read_json(run / "status.json")["launches"] == 2
    (page,) = inspect(run)
    assert (page["run_id"], page["state"]) == ("agents1", "finished")
    assert (page["config"]["method"]["head_lr"], page["config"]["data"]["batch_size"]) == (0.03, 16)
    assert page["summary"]["best_score"] == pytest.approx(read_json(run / "result.json")["best_score"])
    (file,) = run.glob("wandb/offline-run-*/*.wandb")
    assert next(one["run"] for one in records(file) if one["type"] == "run")["sweep_id"] == "sw33p"
    # The same values once more, as a random search may draw them: the finished run is reported under the new id.
    monkeypatch.setenv("WANDB_RUN_ID", "agents2")
    wandb.teardown()  # it reads the environment once a process
    assert cli.main(words[2:]) == 0
    again = next(one for one in inspect(run) if one["run_id"] == "agents2")
    assert again["summary"]["best_score"] == page["summary"]["best_score"]
    assert again["summary"]["test/top1"] == page["summary"]["test/top1"]
    assert read_json(run / "status.json")["wandb_id"] == "agents1"


@pytest.mark.parametrize(
    ("dimension", "wanted"),
    [
        (Dimension("a", choices=("1", "true", '"x"', "null", "[1,2]")), {"values": [1, True, "x", "null", "[1,2]"]}),
        (Dimension("a", low=0.0, high=1.0), {"distribution": "uniform", "min": 0.0, "max": 1.0}),
        (
            Dimension("a", low=0.0, high=1.0, step=0.25),
            {"distribution": "q_uniform", "q": 0.25, "min": 0.0, "max": 1.0},
        ),
        (Dimension("a", low=2, high=12, whole=True), {"distribution": "int_uniform", "min": 2, "max": 12}),
        (Dimension("a", low=2, high=10, step=4, whole=True), {"values": [2, 6, 10]}),
        (Dimension("a", low=1, high=4, log=True, whole=True), {"values": [1, 2, 3, 4]}),
    ],
)
def test_each_kind_of_value_is_a_parameter_of_w_and_b(dimension, wanted):
    assert parameter(dimension) == wanted


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        (["init", "sweep.method=grid"], "sweep.method=grid needs choices: give method.head_lr"),
        (["study.name=a"], "artculture sweep init"),
        (["init", "sweep.methd=grid"], "did you mean `sweep.method`"),
        (["init", "search.space.method.head_lr={low: 1, high: 0.1}"], "low=1 is not below high=0.1"),
    ],
)
def test_mistakes_are_one_message(typed, says, capsys):
    assert cli.main(["sweep", *typed]) == 2
    assert says in capsys.readouterr().err
