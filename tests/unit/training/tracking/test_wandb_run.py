import json
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from artculture.config.schema.train import plain
from artculture.models.classifier import CultureClassifier
from artculture.studies.launchers.process import run_environment
from artculture.training.callbacks.recorder import Recorder
from artculture.training.result import result_numbers
from artculture.training.run_directory import RunDirectory
from artculture.training.tracking import wandb_run
from artculture.training.tracking.wandb_files import has_unsynced_runs
from artculture.training.tracking.wandb_history import History
from artculture.training.tracking.wandb_settings import WandbRun, folder_of, id_of, wandb_run_of
from artculture.utils.errors import InputError
from tests.conftest import STUB
from tests.fixtures.tracked import inspect, leet, records
from tests.unit.training.wandb_server import serving


def test_a_runs_page_holds_config_best_and_last_and_predictions(tracked, read_json):
    (page,) = inspect(tracked.path)
    result = read_json(tracked.result)
    assert (page["state"], page["exit_code"], page["name"]) == ("finished", 0, tracked.path.name)
    assert page["config"]["method"]["name"] == "finetuned"
    assert page["config"]["architecture"]["name"] == "test_resnet"
    assert page["config"]["row"].startswith("test_resnet finetuned plateau pictures")
    assert page["config"]["weights_label"] == result["weights"]
    assert (page["config"]["data_label"], page["config"]["manifest"]) == (result["data"], result["manifest"])
    assert page["config"]["git_commit"] == result["git_commit"]
    summary = page["summary"]
    assert summary["val/top1"]["max"] == summary["best_score"] == pytest.approx(result["best_score"])
    assert set(summary["val/loss"]) == {"min", "last"}
    assert summary["test/predictions"]["nrows"] == result["counts"]["test"]
    assert summary["test/confusion_table"]["nrows"] == 9
    assert summary["test/recall_by_class"]["nrows"] == 3
    assert summary["lr/head"] > 0
    for name, value in result_numbers(result).items():
        assert summary[name] == pytest.approx(value), name
    assert [summary["test/top1_low"], summary["test/top1_high"]] == pytest.approx(result["intervals"]["test_top1"])
    assert {"result/chance", "result/majority", "test/ece", "test/ece_calibrated"} <= set(summary)


def test_a_moved_study_is_synced_whole_from_its_folder(tracked, tmp_path):
    (page,) = tracked.path.glob("wandb/offline-run-*")
    (link,) = (tracked.path.parent / "wandb").iterdir()
    assert link.resolve() == page.resolve()
    assert leet(link, "--summary") == leet(page, "--summary")
    metrics = pd.read_csv(tracked.metrics)
    study = tracked.path.parent.rename(tmp_path / "moved")
    assert has_unsynced_runs(study)
    with serving() as server:
        # Without WANDB_SERVICE, the W&B process of these tests, which has another working folder.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
        environment |= {"WANDB_BASE_URL": server.url, "WANDB_API_KEY": "x" * 40}
        argv = [sys.executable, "-m", "wandb", "sync", "wandb"]
        done = subprocess.run(argv, cwd=study, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Syncing 1 run(s)" in done.stderr
    assert not has_unsynced_runs(study)
    history = [json.loads(line) for line in server.streams["wandb-history.jsonl"]]
    assert [row["train/loss"] for row in history[:2]] == pytest.approx(list(metrics["train/loss"]))
    assert [row["_step"] for row in history] == [0, 1, 2]
    table = json.loads(server.uploads["artifact/test/predictions.table.json"])
    place = table["columns"].index("picture")
    assert len(table["data"]) == 3
    for row in table["data"]:
        assert server.uploads[f"artifact/{row[place]['path']}"].startswith(b"\xff\xd8"), "a JPEG"
    assert {one["name"] for one in server.variables("upsertBucket")} == {page.name.rpartition("-")[2]}
    made = {one["input"]["artifactTypeName"]: one["input"] for one in server.variables("createArtifact")}
    assert made.keys() == {"run_table", "dataset", "model", "predictions"}
    name = tracked.path.name.replace("=", "_")
    assert made["model"]["artifactCollectionName"] == f"model-tracked-{name}"
    assert {alias["alias"] for alias in made["model"]["aliases"]} == {"latest", "best"}
    assert made["dataset"]["artifactCollectionName"] == "dataset-pictures"
    facts = json.loads(made["dataset"]["metadata"])
    assert facts["classes"] == {"red": 14, "green": 14, "blue": 14}
    assert sum(facts["splits"].values()) == facts["paintings"] == 42
    # The dataset is an input of the run, the others are its outputs.
    assert [kind for kind, one in made.items() if one["runName"] is None] == ["dataset"]
    (used,) = server.variables("useArtifact")
    assert used["input"]["runName"] == made["model"]["runName"] == page.name.rpartition("-")[2]
    best = next((study / tracked.path.name).glob("checkpoints/best.ckpt"))
    assert server.uploads["artifact/checkpoints/best.ckpt"] == best.read_bytes(), "and the file is still there"
    assert b"culture" in server.uploads["artifact/manifest.csv"]
    assert {"artifact/split.csv", "artifact/config.yaml", "artifact/predictions.csv"} <= server.uploads.keys()


def test_the_config_wins_over_w_and_bs_variables(composed, tmp_path, monkeypatch):
    def run_of(*overrides: str) -> WandbRun | None:
        values = plain(composed("logger=wandb", "study.name=mine", *overrides))
        return wandb_run_of(values, RunDirectory(tmp_path / "mine" / "a"), "id", ["x=1"])

    for name in ("WANDB_MODE", "WANDB_SWEEP_ID"):
        monkeypatch.delenv(name, raising=False)
    plainly = run_of()
    assert (plainly.project, plainly.entity, plainly.group, plainly.job_type, plainly.name, plainly.notes) == (
        "artculture", None, "mine", "finetuned", "a", None
    )  # fmt: skip
    assert (plainly.mode, plainly.folder) == ("online", tmp_path / "mine" / "a")
    variables = {
        "PROJECT": "p", "ENTITY": "e", "RUN_GROUP": "123", "JOB_TYPE": "j", "NAME": "n", "NOTES": "a, b=c",
        "TAGS": "one, two", "DIR": str(tmp_path / "there"), "MODE": "dryrun",
    }  # fmt: skip
    for name, value in variables.items():
        monkeypatch.setenv(f"WANDB_{name}", value)
    found = run_of()
    assert (found.project, found.entity, found.group, found.job_type, found.name, found.notes) == (
        "p", "e", "123", "j", "n", "a, b=c"
    )  # fmt: skip
    assert (found.mode, found.folder, found.tags[-3:]) == ("offline", tmp_path / "there", ("x=1", "one", "two"))
    own = ("project=q", "entity=f", "group=g", "name=m", "notes=b", "tags=[t]", "mode=online", f"dir={tmp_path}")
    typed = run_of(*(f"logger.wandb.{text}" for text in own))
    assert (typed.project, typed.entity, typed.group, typed.name, typed.notes) == ("q", "f", "g", "m", "b")
    assert (typed.mode, typed.folder, typed.tags[-2:]) == ("online", tmp_path, ("x=1", "t"))
    monkeypatch.setenv("WANDB_DISABLED", "true")
    assert run_of() is None
    assert run_of("logger.wandb.mode=online") is not None
    monkeypatch.delenv("WANDB_DISABLED")
    monkeypatch.setenv("WANDB_MODE", "ofline")
    with pytest.raises(InputError, match="WANDB_MODE=ofline: did you mean `offline`"):
        run_of()


def test_an_agents_own_folder_is_not_the_users_choice(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_DIR", str(Path.cwd()))
    directory = RunDirectory(tmp_path / "run")
    assert folder_of(None, directory) == Path.cwd()
    monkeypatch.setenv("WANDB_SWEEP_ID", "sweep")
    assert folder_of(None, directory) == directory.path


@pytest.mark.slow
def test_a_failed_run_is_failed_there_too_and_continues_under_the_same_id(train, only_run, monkeypatch):
    def fail(self, trainer, pl_module):
        raise RuntimeError("the machine went down")

    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "on_train_epoch_start", fail)
        assert train("logger.wandb.alerts=true", logger="wandb_offline") == 1
    (failed,) = inspect(only_run())
    (page,) = only_run().glob("wandb/offline-run-*/*.wandb")
    (alert,) = (record["alert"] for record in records(page) if record["type"] == "alert")
    assert (alert["title"], alert["level"]) == ("default: run failed", "ERROR")
    assert alert["text"].endswith("the machine went down")
    assert (failed["exit_code"], failed["state"]) == (1, "failed")
    assert failed["summary"]["error"] == "the machine went down"
    assert train(logger="wandb_offline") == 0
    (second,) = inspect(only_run())
    assert second["summary"].get("error") is None
    assert failed["run_id"] == second["run_id"]


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
    history = History(lambda: run, "val/top1", Path("/nowhere"))
    for row in ROWS:
        history.log(row)
    assert [step for step, _ in run.logged] == logged
    assert all(loss == LOSSES[step] for step, loss in run.logged)


def test_a_page_that_breaks_stops_nothing_and_says_so_once(caplog):
    run = Run(broken=True)
    history = History(lambda: run, "val/top1", Path("/nowhere"))
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


@pytest.mark.slow
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
    return [record["history"]["item"] for record in records(page) if record["type"] == "history"]


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


def test_group_job_type_and_tags(composed, tmp_path):
    typed = (
        "logger=wandb_offline",
        "study.name=mine",
        "logger.wandb.tags=[first-try]",
        "data=folder",
        "data.root=pictures",
    )
    page = wandb_run_of(plain(composed(*typed)), RunDirectory(tmp_path / "mine" / "a"), "id", [])
    assert (page.group, page.job_type, page.project) == ("mine", "finetuned", "artculture")
    assert {"resnet50", "plateau", "finetuned", "pictures", "first-try"} <= set(page.tags)


def test_no_account_means_offline(composed, monkeypatch, caplog):
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
    info = wandb_run_of(plain(composed("logger=wandb")), RunDirectory(Path("outputs/s/r")), "id", [])
    assert wandb_run._reachable_mode(Wandb, info) == "offline"
    assert "wandb login" in caplog.text
    assert "`cd outputs/s && wandb sync wandb` uploads it later" in caplog.text


@pytest.mark.slow
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


def test_the_documented_commands_find_the_offline_runs(tracked, tmp_path):
    root = Path(__file__).parents[4]
    names = ("README.md", "docs/resume.md", "docs/wandb.md", "conf/logger/wandb_offline.yaml")
    texts = "\n".join((root / name).read_text() for name in names)
    folders = re.findall(r"wandb leet (?:run |inspect --summary --json )?(outputs/\S*[\w>])", texts)
    folders += [f"{study}/{folder}" for study, folder in re.findall(r"cd (outputs/\S+) && wandb sync (\w+)", texts)]
    assert len(folders) >= 7
    for folder in folders:
        here = re.sub("<study>|table2", "tracked", folder)
        found = tmp_path / here.replace("<run>", tracked.path.name)
        assert len(list(found.glob("offline-run-*/*.wandb"))) == 1, folder


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
