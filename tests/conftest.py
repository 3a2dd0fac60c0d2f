import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from filelock import FileLock

from artculture import cli
from artculture.utils.garbage import collect_garbage_rarely

if TYPE_CHECKING:
    from artculture.training.run_directory import RunDirectory

os.environ["WANDB_MODE"] = "offline"
# The processes of the tests share the cores: several threads each would wait for one another in every small operation.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# timm's own test models: a few thousand parameters, whole in every other way.
STUB = ("architecture=timm", "architecture.name=test_resnet", "architecture.weights=none")

# What the finished run of `run` is trained with.
AS_KEPT = (
    *("data.fractions=[0.4,0.3,0.3]", "trainer.max_epochs=1", "trainer.precision=32"),
    *("method.head_lr=0.05", "study.name=kept"),
)

pytest_plugins = ["tests.fixtures.report", "tests.fixtures.runs", "tests.fixtures.tracked"]


def pytest_configure() -> None:
    # Importing for the tests makes millions of objects, which stay.
    collect_garbage_rarely()


@pytest.fixture(autouse=True)
def _own_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTCULTURE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def original_pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pictures(tmp_path_factory.mktemp("originals") / "pictures")


@pytest.fixture
def pictures(tmp_path: Path, original_pictures: Path) -> Path:
    """A copy of the pictures, which the test may change."""
    return shutil.copytree(original_pictures, tmp_path / "pictures", copy_function=shutil.copyfile)


def make_pictures(root: Path) -> Path:
    """Three classes of 14 noisy pictures, each with a tint that a small network has to learn."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    for name, tint in {"red": (40, -20, -20), "green": (-20, 40, -20), "blue": (-20, -20, 40)}.items():
        (root / name).mkdir(parents=True)
        for index in range(14):
            noise = rng.normal(110, 70, (48, 50 + index, 3)) + np.array(tint)
            Image.fromarray(noise.clip(0, 255).astype("uint8")).save(root / name / f"{index}.png")
    return root


@pytest.fixture
def train(pictures: Path) -> Callable[..., int]:
    """`artculture train` in this process, on the pictures, with a stub backbone unless given otherwise."""

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
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that all test processes of a session share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def kept_run(shared_folder: Path) -> Path:
    """Where the first `run` is kept for the next ones, of all test processes."""
    return shared_folder / "kept"


@pytest.fixture
def run(train: Callable[..., int], only_run: Callable[[], Path], tmp_path: Path, kept_run: Path) -> "RunDirectory":
    """A finished run of one epoch, in float32, with enough held-out pictures to fit a temperature; trained once."""
    from artculture.training.run_directory import RunDirectory

    here = tmp_path / "outputs" / "kept"
    with FileLock(kept_run.with_suffix(".lock")):
        if not kept_run.is_dir():
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("artculture.evaluation.calibration.MIN_VALIDATION_IMAGES", 10)
                assert train(*AS_KEPT) == 0
            (here / "place").write_text(str(tmp_path))
            shutil.move(here, kept_run)
    shutil.copytree(kept_run, here, ignore=shutil.ignore_patterns("place"))
    directory = RunDirectory(only_run())
    # Pictures and cache are made in every test, elsewhere.
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
def _composed_once() -> Iterator[None]:
    """Skip Hydra's first composition, which only asks for `hydra.mode`, where no option can set it."""
    from hydra._internal.hydra import Hydra

    get_mode = Hydra.get_mode

    def mode(self: Hydra, config_name: str | None, overrides: list[str]) -> Any:
        may_set = config_name == "search" or any(text.lstrip("+").startswith(("study=", "hydra")) for text in overrides)
        return get_mode(self, config_name, overrides) if may_set else None

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Hydra, "get_mode", mode)
        yield


@pytest.fixture(autouse=True, scope="session")
def _config_files_read_once() -> Iterator[None]:
    """Parse each config file once per process; a composition reads dozens of them."""
    from hydra._internal.core_plugins.file_config_source import FileConfigSource

    load, kept = FileConfigSource.load_config, {}

    def load_once(self: FileConfigSource, config_path: str) -> Any:
        state = (Path(self.path) / self._normalize_file_name(config_path)).stat()
        key = (self.provider, self.path, config_path, state.st_mtime_ns, state.st_size)
        if key not in kept:
            kept[key] = load(self, config_path)
        # The defaults list is taken out of what is returned.
        return replace(kept[key], config=deepcopy(kept[key].config))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FileConfigSource, "load_config", load_once)
        yield


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True, scope="session")
def _unmeasured() -> Iterator[None]:
    """In place of a measurement, `trainer.precision=auto` takes bf16 where the CPU has it, and stores nothing."""
    from artculture.training import numeric_choice
    from artculture.utils import hardware

    def choose(config: Any) -> Any:
        from artculture.training.acceleration.measured_format import Choice, NumericFormat

        precision = numeric_choice.config_precision(hardware.best_precision("cpu"))
        return Choice(NumericFormat(precision, numeric_choice.channels_last(config)), {}, 0)

    with pytest.MonkeyPatch.context() as patch:
        choose.measured = numeric_choice._measure  # type: ignore[attr-defined]
        patch.setattr(numeric_choice, "_measure", choose)
        yield
