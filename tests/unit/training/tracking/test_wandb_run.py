import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from artculture.models.classifier import CultureClassifier
from artculture.studies.launchers.process import run_environment
from artculture.training.callbacks.recorder import Recorder
from artculture.training.run_directory import RunDirectory
from artculture.training.tracking import wandb_run
from artculture.training.tracking.wandb_run import History, id_of, sync_hint
from tests.conftest import STUB
from tests.unit.training.wandb_server import serving


def leet(page: Path, *flags: str) -> str:
    wandb = Path(sys.executable).parent / "wandb"
    command = str(wandb) if wandb.exists() else shutil.which("wandb") or "wandb"
    argv = [command, "leet", "inspect", "--json", *flags, str(page)]
    return subprocess.run(argv, capture_output=True, check=True, text=True).stdout


def inspect(run: Path) -> list[dict[str, Any]]:
    """What each offline W&B run of a run directory really holds, by W&B's own reader."""
    return [json.loads(leet(page, "--summary")) for page in sorted(run.glob("wandb/offline-run-*"))]


def test_a_runs_page_holds_config_best_and_last_and_predictions(train, only_run, read_json):
    assert train(logger="wandb_offline") == 0
    (page,) = inspect(only_run())
    result = read_json(only_run() / "result.json")
    assert (page["state"], page["exit_code"], page["name"]) == ("finished", 0, only_run().name)
    assert page["config"]["method"]["name"] == "finetuned"
    assert page["config"]["architecture"]["name"] == "test_resnet"
    summary = page["summary"]
    assert summary["test/top1"] == pytest.approx(result["test_top1"])
    assert summary["val/top1"]["max"] == pytest.approx(result["best_score"])
    assert set(summary["val/loss"]) == {"min", "last"}
    assert summary["test/predictions"]["nrows"] == result["counts"]["test"]
    assert summary["test/confusion_table"]["nrows"] == 9
    assert summary["lr/head"] > 0


def test_a_failed_run_is_failed_there_too_and_goes_on_under_the_same_id(train, only_run, monkeypatch):
    def fail(self, trainer, pl_module):
        raise RuntimeError("the machine went down")

    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "on_train_epoch_start", fail)
        assert train(logger="wandb_offline") == 1
    (failed,) = inspect(only_run())
    assert (failed["exit_code"], failed["state"]) == (1, "failed")
    assert failed["summary"]["error"] == "the machine went down"
    assert train(logger="wandb_offline") == 0
    (second,) = inspect(only_run())
    assert second["summary"].get("error") is None
    assert failed["run_id"] == second["run_id"]
    assert train("resume=never", logger="wandb_offline") == 0
    assert inspect(only_run())[-1]["run_id"] != failed["run_id"]


class Run:
    """As much of a W&B run as a history needs."""

    def __init__(self, step=0, broken=False):
        self.step, self.broken, self.logged = step, broken, []
        self.id, self.dir = "id", "/nowhere/run-1-id/files"

    def log(self, row, step, commit):
        if self.broken:
            raise BrokenPipeError("the service died")
        assert commit
        self.logged.append((step, row["train/loss"]))
        self.step = step + 1


LOSSES = [2.5, 1.25, 0.5, 0.25]
ROWS = [{"epoch": epoch, "train/loss": loss} for epoch, loss in enumerate(LOSSES)]


@pytest.mark.parametrize(("reached", "logged"), [(0, [0, 1, 2, 3]), (2, [2, 3]), (3, [3]), (4, [])])
def test_a_page_gets_each_epoch_once_wherever_it_stood(reached, logged):
    run = Run(step=reached)
    history = History(lambda: run)
    for row in ROWS:
        history.log(row)
    assert [step for step, _ in run.logged] == logged
    assert all(loss == LOSSES[step] for step, loss in run.logged)


def test_a_page_that_breaks_stops_nothing_and_says_so_once(caplog):
    run = Run(broken=True)
    history = History(lambda: run)
    for row in ROWS:
        history.log(row)
    history.remove_superseded()
    assert caplog.text.count("training continues without it") == 1


def test_a_page_that_can_t_be_opened_stops_nothing_and_says_so_once(train, only_run, read_json, monkeypatch, caplog):
    def fail(*_):
        raise OSError("no space left for a page")

    monkeypatch.setattr(wandb_run, "_init", fail)
    assert train(logger="wandb_offline") == 0
    assert caplog.text.count("no space left for a page): training continues without it") == 1
    assert read_json(only_run() / "status.json")["state"] == "finished"


def test_training_does_not_wait_for_a_page(train, monkeypatch):
    opened = threading.Event()
    real_init, real_begin = wandb_run._init, CultureClassifier.on_train_epoch_start
    begun = []

    def init(*given):
        assert opened.wait(30)
        return real_init(*given)

    def begin(module):
        begun.append(opened.is_set())
        opened.set()
        real_begin(module)

    monkeypatch.setattr(wandb_run, "_init", init)
    monkeypatch.setattr(CultureClassifier, "on_train_epoch_start", begin)
    assert train(logger="wandb_offline") == 0
    assert begun[0] is False


def test_a_resumed_page_has_the_whole_history_in_one_place(train, only_run, at_step):
    def die():
        raise RuntimeError("the machine went down")

    with at_step(7, die):
        assert train("trainer.checkpoint_every_steps=2", logger="wandb_offline") == 1
    assert train(logger="wandb_offline") == 0
    (page,) = only_run().glob("wandb/offline-run-*/*.wandb")
    metrics = pd.read_csv(only_run() / "metrics.csv")
    steps = history_of(page)
    assert [row["_step"] for row in steps] == [0, 1, 2, 3]
    assert [row["train/loss"] for row in steps[:3]] == pytest.approx(list(metrics["train/loss"]), abs=0)


def history_of(page: Path) -> list[dict[str, Any]]:
    """Every row of an offline file, by W&B's own reader."""
    records = [json.loads(line) for line in leet(page).splitlines()]
    return [record["history"]["item"] for record in records if record["type"] == "history"]


@pytest.mark.slow
def test_a_server_that_resets_midway_stops_nothing(pictures, only_run, tmp_path, read_json):
    typed = ["data=folder", f"data.root={pictures}", "data.image_size=32", "trainer.max_epochs=4", *STUB]
    with serving() as server:
        environment = {
            **os.environ,
            "WANDB_MODE": "online",
            "WANDB_BASE_URL": server.url,
            "WANDB_API_KEY": "x" * 40,
            "ARTCULTURE_WANDB_TIMEOUT": "300",
            "ARTCULTURE_WANDB_FINISH_TIMEOUT": "1",
        }
        argv = [sys.executable, "-m", "artculture", "train", *typed]
        with subprocess.Popen(argv, env=environment, stderr=subprocess.PIPE, text=True) as process:
            while not list(tmp_path.glob("outputs/*/*/metrics.csv")) and process.poll() is None:
                time.sleep(0.02)
            server.broken.set()
            said = process.stderr.read()
        assert process.returncode == 0, said
        assert "logging offline" not in said, said
        assert server.dropped > 0
    assert read_json(only_run() / "status.json")["state"] == "finished"
    assert len(pd.read_csv(only_run() / "metrics.csv")) == 4
    # The epochs that the server did not take are whole on disk, for `wandb sync`. A table of pictures is none of
    # them: the client makes an artifact of it, which needs the server.
    (page,) = only_run().glob("wandb/run-*/*.wandb")
    assert [row["_step"] for row in history_of(page)] == [0, 1, 2, 3], said
    assert "W&B could not take the result" in said


def test_group_job_type_and_tags(tmp_path, train, only_run, monkeypatch):
    asked: list[dict[str, Any]] = []
    real = wandb_run._init
    monkeypatch.setattr(wandb_run, "_init", lambda w, page, *rest: (asked.append(page), real(w, page, *rest))[1])
    train("study.name=mine", "logger.wandb.tags=[first-try]", logger="wandb_offline")
    (page,) = asked
    assert (page.group, page.job_type, page.project) == ("mine", "finetuned", "artculture")
    assert {"test_resnet", "plateau", "finetuned", "pictures", "first-try"} <= set(page.tags)


def test_no_account_means_offline(monkeypatch, caplog):
    class Wandb:
        @staticmethod
        def setup() -> SimpleNamespace:
            return SimpleNamespace(settings=SimpleNamespace(base_url="https://localhost"))

        @staticmethod
        def login(prompt: bool) -> bool:  # noqa: ARG004
            return False

    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setattr(wandb_run, "_answers", lambda *_: True)
    assert wandb_run._mode(Wandb, RunDirectory(Path("outputs/s/r")), offline=False) == "offline"
    assert "wandb login" in caplog.text
    assert "`wandb sync outputs/s/r/wandb/offline-run-*` uploads it later" in caplog.text


def test_no_answer_means_offline(pictures, only_run):
    # A port that nobody listens on: the real client asks it, and gives up.
    environment = {
        **os.environ,
        "WANDB_MODE": "online",
        "WANDB_BASE_URL": "http://127.0.0.1:9",
        "WANDB_API_KEY": "x" * 40,
        "ARTCULTURE_WANDB_TIMEOUT": "2",
    }
    typed = ["data=folder", f"data.root={pictures}", "data.image_size=32", "trainer.max_epochs=1", *STUB]
    argv = [sys.executable, "-m", "artculture", "train", *typed]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "W&B does not answer (127.0.0.1:9)" in done.stderr
    assert len(inspect(only_run())) == 1


def test_the_documented_commands_find_the_offline_runs(train, only_run, tmp_path):
    assert train("study.name=mine", logger="wandb_offline") == 0
    run = only_run()
    root = Path(__file__).parents[4]
    texts = [(root / name).read_text() for name in ("README.md", "docs/resume.md", "conf/logger/wandb_offline.yaml")]
    texts.append(sync_hint(RunDirectory(run.relative_to(tmp_path))))
    patterns = re.findall(r"`wandb (?:sync|leet run) ([^`]*offline-run-\*)`", "\n".join(texts))
    assert len(patterns) >= 5
    for pattern in patterns:
        here = str(run.relative_to(tmp_path)) if pattern.startswith("<run>") else run.name
        found = tmp_path.glob(pattern.replace("<study>", "mine").replace("<run>", here))
        assert list(found) == list(run.glob("wandb/offline-run-*")), pattern


def test_an_id_is_made_once_moves_with_its_folder_and_ends_with_a_restart(tmp_path, monkeypatch):
    monkeypatch.delenv("WANDB_SWEEP_ID", raising=False)
    directory = RunDirectory(tmp_path / "study" / "run")
    directory.make()
    first = id_of(directory)
    directory.set_status("running", wandb_id=first)
    moved = RunDirectory((tmp_path / "study").rename(tmp_path / "elsewhere") / "run")
    assert id_of(moved) == first
    moved.clear()
    assert id_of(moved) != first
    assert id_of(moved) != id_of(moved)


def test_a_run_of_an_agent_has_its_id_and_the_runs_of_a_study_have_their_own(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_SWEEP_ID", "sweep")
    monkeypatch.setenv("WANDB_RUN_ID", "given")
    assert id_of(RunDirectory(tmp_path)) == "given"
    monkeypatch.setattr("os.environ", run_environment({}, {}))
    assert id_of(RunDirectory(tmp_path)) != "given"
