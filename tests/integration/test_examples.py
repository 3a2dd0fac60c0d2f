"""The package in `examples/` and the commands of docs/extending.md, started in a folder that nothing installs."""

import json
import re
import shlex
import shutil
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import timm

from artculture.cli import main
from tests.conftest import make_pictures
from tests.fixtures.tracked import inspect

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
SMALL = ["data.image_size=32", "data.batch_size=8", "trainer.max_epochs=1"]
RUNS = ("narrow_resnet", "small_convnet")


def commands() -> list[list[str]]:
    """The arguments of every command on the page, in order."""
    blocks = "\n".join(re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)).replace("\\\n", " ")
    return [shlex.split(line)[1:] for line in blocks.splitlines() if line.startswith("artculture ")]


(SWEEP,) = [words for words in commands() if "study.name=own" in words]
CHECKED = [words for words in commands() if words[0] == "train" and words != SWEEP]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of `examples/` with pictures; what is imported from it is forgotten afterwards."""
    path = tmp_path_factory.mktemp("copy") / "examples"
    shutil.copytree(ROOT / "examples", path, ignore=shutil.ignore_patterns("__pycache__", "outputs"))
    (path / "my-pictures").mkdir()
    for file in make_pictures(path / "by-culture").glob("*/*.png"):
        shutil.copy(file, path / "my-pictures" / f"{file.parent.name}_{file.name}")
    import_path = list(sys.path)
    yield path
    sys.path[:] = import_path
    forget()


def forget() -> None:
    """Undo imports of the package, as in a new process."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "my_artculture"]:
        del sys.modules[name]
    timm.models._registry._model_entrypoints.pop("narrow_resnet", None)


@pytest.fixture(autouse=True)
def _started_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("ARTCULTURE_CACHE", str(folder.parent / "cache"))


def train(folder: Path, words: list[str]) -> dict[str, Path]:
    """Train, and return the run directories of the study by the names of their backbones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("ARTCULTURE_CACHE", str(folder.parent / "cache"))
        assert main([*words, *SMALL]) == 0
    (study,) = [word.removeprefix("study.name=") for word in words if word.startswith("study.name=")]
    return {file.parent.name.partition("-")[0]: file.parent for file in folder.glob(f"outputs/{study}/*/config.yaml")}


@pytest.fixture(scope="module")
def run(folder: Path) -> Path:
    """The run directory of one entry of the page's sweep, trained in this process."""
    left = [word for word in SWEEP if not word.startswith(("-m", "architecture=", "launcher", "study.name="))]
    return train(folder, [*left, "architecture=small_convnet", "study.name=one"])["small_convnet"]


@pytest.fixture(scope="module")
def runs(folder: Path) -> dict[str, Path]:
    """The run directories of the page's sweep, in two processes, by name of the backbone."""
    found = train(folder, SWEEP)
    assert sorted(found) == sorted(RUNS)
    return found


def check_record(run: Path, result: dict[str, Any]) -> None:
    assert {"OneCycleLR", "focal", "soft_focus", "named_files"} <= set(run.name.split("-"))
    (epoch,) = pd.read_csv(run / "metrics.csv").to_dict("records")
    assert 0 <= epoch["val/worst_recall"] <= epoch["val/top1"]
    assert epoch["head/norm"] > 0
    assert 0 < epoch["lr/head"] < 0.01  # the cycle falls from method.head_lr
    assert {"val_worst_recall", "test_worst_recall"} <= result.keys()
    (page,) = inspect(run)
    assert page["summary"]["val/worst_recall"] == pytest.approx(epoch["val/worst_recall"])
    assert any((run / "logs" / "tensorboard").glob("events*"))
    assert page["config"]["loss"] == {"_target_": "my_artculture.losses.FocalLoss", "gamma": 2.0}


def check_trust(run: Path, command: str, capfd: pytest.CaptureFixture[str]) -> None:
    (typed,) = [words for words in commands() if words[0] == command]
    (trust,) = [word for word in typed if word.startswith("trust=")]
    forget()
    words = [word.replace("outputs/own/RUN", str(run)) for word in typed]
    assert main([word for word in words if word != trust]) == 2
    assert trust in capfd.readouterr().err
    assert "my_artculture" not in sys.modules
    assert main(words) == 0


def test_parts_of_one_s_own_train_and_are_recorded(run, read_json):
    check_record(run, read_json(run / "result.json"))


@pytest.mark.parametrize("command", ["evaluate", "predict"])
def test_a_checkpoint_runs_foreign_code_only_of_a_trusted_package(run, command, capfd):
    check_trust(run, command, capfd)


@pytest.mark.slow
def test_the_sweep_of_the_page_trains_in_two_processes(runs, read_json, capfd):
    for run in runs.values():
        check_record(run, read_json(run / "result.json"))
        for command in ("evaluate", "predict"):
            check_trust(run, command, capfd)


@pytest.mark.parametrize("words", CHECKED, ids=" ".join)
def test_commands_of_the_page_are_accepted(words):
    planned = [] if "plan=true" in words else ["plan=true"]
    sample = [] if any(word.startswith("data.source") for word in words) else ["data.per_culture=12"]
    named = any(word.startswith(("architecture=small", "architecture=timm")) for word in words)
    weights = [] if named else ["architecture=alexnet", "architecture.weights=none"]
    assert main([*words, *planned, *sample, *weights, "logger=csv", "data.image_size=64"]) == 0


def test_the_page_s_python_is_that_of_the_package():
    source = "\n".join(file.read_text(encoding="utf-8") for file in sorted((ROOT / "examples").rglob("*.py")))
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    lines = [line.strip().removesuffix(" ...") for block in blocks for line in block.splitlines() if line.strip()]
    assert len(lines) > 5
    assert [line for line in lines if line not in source] == []


def test_a_museum_of_one_s_own_is_fetched(folder):
    museum = folder / "museum"
    museum.mkdir()
    objects = []
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=museum)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        for number, school in enumerate(["Dutch", "French", "unknown"]):
            shutil.copy(folder / "my-pictures" / f"red_{number}.png", museum / f"{number}.png")
            common = {"licence": "CC0", "title": f"No. {number}", "technique": "oil", "school": school}
            objects.append({"id": number, "image": f"{address}/{number}.png", **common})
        (museum / "collection.json").write_text(json.dumps({"objects": objects}))
        (words,) = [words for words in commands() if words[0] == "fetch"]
        try:
            assert main([*words, f"source.base_url={address}"]) == 0
        finally:
            server.shutdown()
    manifest = pd.read_csv(folder / "data" / "town" / "manifest.csv")
    assert list(manifest[["source", "culture"]].itertuples(index=False, name=None)) == [
        ("town", "Dutch"),
        ("town", "French"),
    ]
