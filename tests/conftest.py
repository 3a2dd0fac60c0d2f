import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from artculture import cli
from artculture.training.run_directory import RunDirectory

os.environ["WANDB_MODE"] = "offline"

# timm's own test models: a few thousand parameters, whole in every other way.
STUB = ("architecture=timm", "architecture.name=test_resnet", "architecture.weights=none")


pytest_plugins = ["tests.fixtures.report", "tests.fixtures.runs"]


@pytest.fixture(autouse=True)
def _own_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTCULTURE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return make_pictures(tmp_path / "pictures")


def make_pictures(root: Path) -> Path:
    """Three classes of 14 noisy pictures, told apart by a tint that a small network has to learn."""
    rng = np.random.default_rng(0)
    for name, tint in {"red": (40, -20, -20), "green": (-20, 40, -20), "blue": (-20, -20, 40)}.items():
        (root / name).mkdir(parents=True)
        for index in range(14):
            noise = rng.normal(110, 70, (48, 50 + index, 3)) + np.array(tint)
            Image.fromarray(noise.clip(0, 255).astype("uint8")).save(root / name / f"{index}.png")
    return root


@pytest.fixture
def train(pictures: Path) -> Callable[..., int]:
    """`artculture train` in this process, on the pictures, with a stub backbone unless told otherwise."""

    def command(*overrides: str, logger: str = "csv", stub: bool = True) -> int:
        usual = [f"logger={logger}", "data=folder", f"data.root={pictures}", "data.image_size=32"]
        usual += ["data.batch_size=8", "trainer.max_epochs=3", *(STUB if stub else ())]
        typed = {text.split("=")[0] for text in overrides}
        return cli.main(["train", *(text for text in usual if text.split("=")[0] not in typed), *overrides])

    return command


@pytest.fixture
def only_run(tmp_path: Path) -> Callable[[], Path]:
    """The one run directory under outputs/."""

    def find() -> Path:
        (found,) = tmp_path.glob("outputs/*/*/config.yaml")
        return found.parent

    return find


@pytest.fixture(scope="session")
def kept_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the first `run` of a session is kept for the next ones."""
    return tmp_path_factory.mktemp("kept")


@pytest.fixture
def run(train: Callable[..., int], only_run: Callable[[], Path], tmp_path: Path, kept_run: Path) -> RunDirectory:
    """A finished run of one epoch, in float32, with enough held-out pictures to fit a temperature; trained once."""
    here = tmp_path / "outputs" / "kept"
    if not any(kept_run.iterdir()):
        fractions = "data.fractions=[0.4,0.3,0.3]"
        only = ["trainer.max_epochs=1", "trainer.precision=32", "method.head_lr=0.05", "study.name=kept"]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("artculture.evaluation.calibration.MIN_VALIDATION_IMAGES", 10)
            assert train(fractions, *only) == 0
        shutil.copytree(here, kept_run, dirs_exist_ok=True)
        (kept_run / "place").write_text(str(tmp_path))
    else:
        shutil.copytree(kept_run, here)
    directory = RunDirectory(only_run())
    # Pictures and cache are made anew in every test, elsewhere.
    before = (kept_run / "place").read_text()
    directory.config.write_text(directory.config.read_text().replace(before, str(tmp_path)))
    return directory


@pytest.fixture
def read_json() -> Callable[[Path], dict[str, Any]]:
    return lambda path: json.loads(path.read_text())


@pytest.fixture(autouse=True)
def _our_loggers_speak() -> None:
    """Whatever a library or an earlier test did to logging, `caplog` hears our loggers."""
    logging.disable(logging.NOTSET)
    for name in list(logging.root.manager.loggerDict):
        if name == "artculture" or name.startswith("artculture."):
            logger = logging.getLogger(name)
            logger.disabled, logger.propagate = False, True
    logging.getLogger("artculture").setLevel(logging.INFO)


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
