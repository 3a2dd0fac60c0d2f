"""Trainings on a dataset of the Hugging Face Hub, and on a folder of its layout."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import yaml

from artculture.data.hub import dataset
from artculture.report.paintings import find_manifest
from tests.conftest import STUB
from tests.fixtures.hub import rows, wikiart, write
from tests.unit.museum_servers import Answer, HubServer, serving
from tests.unit.training.same_run import assert_same_run

COMMITS = ("a" * 40, "b" * 40)


def test_a_folder_of_the_hub_s_layout_trains_with_its_splits(train, only_run, tmp_path, monkeypatch):
    wikiart(tmp_path / "wikiart")
    command = ("data=hub", f"data.path={tmp_path / 'wikiart'}", "data.label=style", "trainer.max_epochs=1")
    assert train(*command, "data.root=null") == 0
    split = pd.read_csv(only_run() / "split.csv")
    assert (split["split"] == "test").tolist() == split["object_id"].str.startswith("data/test-").tolist()
    config = yaml.safe_load((only_run() / "config.yaml").read_text())
    monkeypatch.setattr(dataset, "import_extra", lambda name: pytest.fail(f"imports {name}"))
    manifest = find_manifest(config)
    assert manifest is not None
    assert manifest.picture(0).startswith(b"\x89PNG")


class Hub(HubServer):
    """A dataset whose `main` moves from its first commit to its second."""

    def __init__(self, repo, first, second):
        super().__init__(repo, {})
        self.commits = {commit: HubServer(repo, files) for commit, files in zip(COMMITS, (first, second), strict=True)}
        for commit, server in self.commits.items():
            server.commit = commit
        self.main = COMMITS[0]

    def answer(self, path, query, headers):
        named = next((commit for commit in COMMITS if commit in path), self.main)
        return self.commits[named].answer(path, query, headers)


def files(root: Path) -> dict[str, bytes]:
    return {f"data/{file.name}": file.read_bytes() for file in (root / "data").iterdir()}


@pytest.fixture
def command(tmp_path):
    """Start `artculture train` on the Hub's dataset in a process of its own."""

    def start(server, outputs):
        arguments = ["data=hub", "data.path=huggan/wikiart", "data.label=style", "logger=csv", "trainer.max_epochs=6"]
        arguments += [*STUB, "data.image_size=32", "data.batch_size=8", f"study.root={tmp_path / outputs}"]
        environment = {
            **os.environ, "HF_ENDPOINT": server.base, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_DISABLE_XET": "1",
            "ARTCULTURE_CACHE": str(tmp_path / outputs / "cache"),
        }  # fmt: skip
        line = [sys.executable, "-m", "artculture", "train", *arguments]
        return subprocess.Popen(line, env=environment, stderr=subprocess.PIPE if outputs == "none" else None, text=True)

    return start


@pytest.mark.slow
def test_a_killed_run_continues_on_its_commit_exactly(tmp_path, command):
    first = files(wikiart(tmp_path / "first"))
    write(tmp_path / "second" / "data" / "train-00000-of-00001.parquet", rows(60, 500))
    with serving(Hub("huggan/wikiart", first, files(tmp_path / "second"))) as server:
        assert command(server, "whole").wait() == 0
        killed = command(server, "killed")
        deadline = time.monotonic() + 300
        while not list((tmp_path / "killed").glob("*/*/checkpoints/last.ckpt")) and time.monotonic() < deadline:
            time.sleep(0.05)
        killed.send_signal(signal.SIGKILL)
        assert killed.wait() == -signal.SIGKILL
        server.main = COMMITS[1]
        assert command(server, "killed").wait() == 0
    whole, resumed = (next((tmp_path / name).glob("*/*/config.yaml")).parent for name in ("whole", "killed"))
    assert yaml.safe_load((resumed / "config.yaml").read_text())["data"]["revision"] == COMMITS[0]
    assert_same_run(whole, resumed)
    assert not list((tmp_path / "killed" / "cache" / "hub").glob("*/downloads"))


@pytest.mark.slow
def test_a_dataset_that_is_not_on_the_hub_says_so(tmp_path, command):
    class Empty(HubServer):
        def answer(self, path, query, headers):
            return Answer(404, b"{}", headers={"X-Error-Code": "RepoNotFound"})

    with serving(Empty("another/dataset", {})) as server:
        started = command(server, "none")
        _, said = started.communicate()
    assert started.returncode == 2
    assert "set the environment variable HF_TOKEN" in said
