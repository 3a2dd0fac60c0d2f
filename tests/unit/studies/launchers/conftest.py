from collections.abc import Callable
from pathlib import Path

import pytest

from artculture.config.schema.train import TrainConfig
from artculture.studies.executor import RunProcess, execute_runs
from artculture.studies.grid import PlannedRun
from artculture.studies.launchers.protocol import Launcher
from artculture.training.resume import Plan
from artculture.training.run_directory import RunDirectory
from tests.fixtures.runs import composed

__all__ = ["composed"]


@pytest.fixture
def row_of(composed: Callable[..., TrainConfig], tmp_path: Path) -> Callable[..., PlannedRun]:
    """A row that nothing has been done with, of a study `outputs/s`."""

    def make(name: str, *overrides: str) -> PlannedRun:
        return PlannedRun(
            overrides, composed(*overrides), RunDirectory(tmp_path / "outputs" / "s" / name), Plan("start")
        )

    return make


@pytest.fixture
def row_does(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Replaces what rows' processes do by a script, which gets the row's directory as argument."""

    def replace(script: str) -> None:
        monkeypatch.setattr("artculture.studies.launchers.process.arguments_of", lambda run: ["-c", script, str(run)])

    return replace


@pytest.fixture
def run_all() -> Callable[..., list[RunProcess]]:
    """Runs rows by an open launcher to their end."""

    def run(launcher: Launcher, rows: list[PlannedRun], **changes) -> list[RunProcess]:
        processes = [RunProcess(row) for row in rows]
        execute_runs(processes, launcher=launcher, **{"on_change": lambda: None, "stop_at_failure": False, **changes})
        return processes

    return run
