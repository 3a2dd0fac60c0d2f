"""Trials whose processes train nothing: what they reach is a function of their learning rate."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest

from artculture import cli
from artculture.training.job import read_job
from artculture.training.run_directory import RunDirectory

ROW = Path(__file__).with_name("stand_in_row.py")
# `artculture search` in a process of its own; `then` happens when the first trial begins.
SEARCH = f"""
import os, sys
sys.path.insert(0, {str(Path(__file__).parents[4])!r})
from tests.unit.studies.search.conftest import standing_in
from artculture import cli
def then(): {{then}}
with standing_in(then):
    sys.exit(cli.main(sys.argv[1:]))
"""


def arguments(study: Path, *overrides: str) -> list[str]:
    """What `search` types, for the same search in another process."""
    usual = ["logger=csv", "data=folder", f"data.root={study.parents[1] / 'pictures'}", "data.image_size=32"]
    usual += ["architecture=timm", "architecture.name=test_resnet", "architecture.weights=none", "data.batch_size=8"]
    usual += ["trainer.max_epochs=3", "search.trials=3", "search.pruner=none", "launcher.parallel=1"]
    usual += [f"search.space.{key}=null" for key in ("method.backbone_lr", "scheduler.gamma", "scheduler.k")]
    typed = {text.split("=")[0] for text in overrides}
    return ["search", *(text for text in usual if text.split("=")[0] not in typed), *overrides]


@contextmanager
def standing_in(then: Callable[[], object] = lambda: None) -> Iterator[None]:
    """A context in which trials are stand-ins, so that nothing needs torch."""

    def command(run: Path) -> list[str]:
        then()
        config = read_job(RunDirectory(run)).config
        return [str(ROW), str(run), str(config.method.head_lr), str(config.trainer.max_epochs)]

    rows = patch("artculture.studies.launchers.process.arguments_of", command)
    quick = patch("artculture.studies.executor.POLL_SECONDS", 0.02)
    # No stand-in is forked: what does that would import for nothing.
    spawned = patch("artculture.studies.launchers.local.can_fork", lambda: False)
    with rows, quick, spawned, patch("artculture.studies.search.search.prepare_runs"):
        yield


@pytest.fixture
def stand_in() -> Iterator[None]:
    with standing_in():
        yield


@pytest.fixture
def search(pictures: Path, tmp_path: Path) -> Callable[..., int]:
    """`artculture search` of the head's learning rate, in this process."""
    return lambda *overrides: cli.main(arguments(tmp_path / "outputs" / "default", *overrides))
