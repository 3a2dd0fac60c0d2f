from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import hydra
import pytest

from artculture.checking import config_folder, validated
from artculture.config import TrainConfig
from artculture.hydra_app import resolved
from artculture.runs.callbacks import Recorder
from artculture.runs.directory import RunDirectory
from artculture.runs.grid import Row
from artculture.runs.resume import Plan


@pytest.fixture
def composed() -> Callable[..., TrainConfig]:
    """The checked config of some overrides."""

    def compose(*overrides: str) -> TrainConfig:
        with hydra.initialize_config_dir(str(config_folder()), version_base="1.3"):
            return validated(TrainConfig, resolved(hydra.compose("train", overrides=list(overrides))))

    return compose


@pytest.fixture
def composed_row(composed: Callable[..., TrainConfig], tmp_path: Path) -> Callable[..., Row]:
    """A row of a grid that nothing has been done with yet."""

    def compose(seed: int = 0) -> Row:
        overrides = (f"seed={seed}", "logger=csv")
        return Row(overrides, composed(*overrides), RunDirectory(tmp_path / f"run{seed}"), Plan("start"))

    return compose


@pytest.fixture
def at_step(monkeypatch):
    """Do something at the start of a step, in one launch."""

    @contextmanager
    def doing(step: int, act: Callable[[], None]) -> Iterator[None]:
        def on_train_batch_start(self, trainer, *_):
            if trainer.global_step == step:
                act()

        with monkeypatch.context() as patch:
            patch.setattr(Recorder, "on_train_batch_start", on_train_batch_start, raising=False)
            yield

    return doing
