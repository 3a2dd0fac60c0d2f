"""Each of several loggers gets every epoch and the result once, wherever the launches before were killed."""

import json

import pandas as pd
import pytest
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.loggers.logger import DummyLogger

from artculture.training.result import result_numbers
from artculture.training.run_directory import RunDirectory
from artculture.training.tracking.lightning_loggers import TrackedRun, open_logger

CONFIG = {"method": {"name": "finetuned"}, "seed": 0}
RESULT = {"epochs": 3, "test_top1": 0.5, "val_top1": 0.75, "synthetic": True, "device": "cpu"}
RESULT["per_culture"] = {"Dutch": {"recall": 0.25}, "French": {"recall": None}}
ROWS = [{"epoch": float(epoch), "val/top1": 0.25 * epoch} for epoch in range(3)]
WANTED = [(0, 0.0), (1, 0.25), (2, 0.5)]


class Server(DummyLogger):
    """A logger of one's own that keeps its numbers elsewhere, for all launches."""

    kept: list = []  # noqa: RUF012

    def __init__(self, project: str, broken: bool = False) -> None:
        super().__init__()
        self.project, self.broken = project, broken

    def log_metrics(self, metrics, step=None):
        if self.broken:
            raise OSError("the server is gone")
        self.kept.append((self.project, step, dict(metrics)))


class Csv(CSVLogger):
    """One that writes into the folder that it gets."""


def mine(name, **arguments):
    return {"_target_": f"{__name__}.{name}", **arguments}


LIGHTNING = "lightning.pytorch.loggers"
NODES = {
    "server": mine("Server", project="mine"),
    "csv": mine("Csv"),
    "tensorboard": {"_target_": f"{LIGHTNING}.TensorBoardLogger", "name": "", "version": ""},
    "mlflow": {"_target_": f"{LIGHTNING}.MLFlowLogger"},
}


def read(name, run):
    """What a logger holds: (step, value) of the metric, and of the result, in the order of their logging."""
    if name == "server":
        found = [(step, row) for _, step, row in Server.kept]
        return [(s, row["val/top1"]) for s, row in found if "val/top1" in row], [
            (s, row["test/top1"]) for s, row in found if "test/top1" in row
        ]
    if name == "csv":
        (file,) = (run.path / "logs").rglob("metrics.csv")
        table = pd.read_csv(file)
        return [list(table[["step", key]].dropna().itertuples(index=False, name=None)) for key in KEYS]
    if name == "tensorboard":
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        events = EventAccumulator(str(run.path / "logs" / "tensorboard")).Reload()
        return [[(event.step, event.value) for event in events.Scalars(key)] for key in KEYS]
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{run.path.parent / 'mlflow.db'}")
    (experiment,) = (one for one in client.search_experiments() if one.name == "study")
    (found,) = client.search_runs([experiment.experiment_id])
    assert (found.info.status, found.info.run_name) == ("FINISHED", run.path.name)
    assert found.data.params == {"method/name": "finetuned", "seed": "0"}
    histories = [client.get_metric_history(found.info.run_id, key) for key in KEYS]
    return [[(metric.step, metric.value) for metric in history] for history in histories]


KEYS = ("val/top1", "test/top1")


@pytest.mark.filterwarnings("default")  # MLflow's use of SQLAlchemy
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name == "mlflow" else []) for name in NODES]
)
def test_a_logger_has_every_epoch_and_the_result_once_after_kills(tmp_path, name, monkeypatch):
    if name in ("tensorboard", "mlflow"):
        pytest.importorskip(name)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(Server, "kept", [])
    run = RunDirectory(tmp_path / "study" / "run")
    run.make()
    for known, trained in ((0, 1), (1, 3), (3, 3)):  # epochs in metrics.csv at a launch, and at its end
        logger = open_logger(name, NODES[name], TrackedRun(run, "id", "study", CONFIG))
        for row in [*ROWS[:known], *ROWS[known:trained]]:
            logger.log(row)
        if trained == len(ROWS):
            logger.log_result(result_numbers(RESULT), 3)
            logger.close(0)
        else:  # killed: nothing is finished, and what was given to it is logged
            logger._worker.shutdown()
    metric, result = read(name, run)
    assert metric == WANTED
    assert result == [(3, 0.5)]


def test_numbers_of_a_result():
    wanted = {"result/epochs": 3.0, "test/top1": 0.5, "result/val_top1": 0.75, "test/recall/Dutch": 0.25}
    assert result_numbers(RESULT) == wanted


def test_a_logger_that_fails_or_can_t_be_opened_ends_no_training_and_says_so_once(train, only_run, caplog):
    node = f"logger.mine._target_={__name__}.Server"
    assert train("trainer.max_epochs=2", node, "logger.mine.project=a", "logger.mine.broken=true") == 0
    assert caplog.text.count("logger.mine failed (the server is gone): training continues") == 1
    assert json.loads((only_run() / "status.json").read_text())["state"] == "finished"


@pytest.mark.slow
def test_several_loggers_follow_a_run_that_is_killed_and_resumed(train, only_run, at_step):
    def die():
        raise RuntimeError("the machine went down")

    pytest.importorskip("tensorboard")
    typed = ["trainer.checkpoint_every_steps=2", f"logger.csv._target_={__name__}.Csv", "logger.off=null"]
    with at_step(7, die):
        assert train(*typed, logger="[wandb_offline,tensorboard]") == 1
    assert train(*typed, logger="[wandb_offline,tensorboard]") == 0
    metrics = pd.read_csv(only_run() / "metrics.csv")
    test = json.loads((only_run() / "result.json").read_text())["test_top1"]
    for name in ("tensorboard", "csv"):
        metric, result = read(name, RunDirectory(only_run()))
        assert [step for step, _ in metric] == [0, 1, 2]
        assert [value for _, value in metric] == pytest.approx(list(metrics["val/top1"]))
        assert result == [(3, pytest.approx(test))]
    assert len(list(only_run().glob("wandb/offline-run-*"))) == 1
