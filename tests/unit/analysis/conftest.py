from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from artculture.data.data_choice import DataChoice


@pytest.fixture
def choose(pictures: Path, tmp_path: Path) -> Callable[..., DataChoice]:
    """A factory of `DataChoice` objects for the pictures."""

    def make(**changes: Any) -> DataChoice:
        usual = DataChoice(
            name="folder", root=str(pictures), split="stratified", split_seed=0, fractions=[0.4, 0.3, 0.3],
            small_cultures="error", on_bad_image="error", cultures=None, cache=str(tmp_path / "cache"),
        )  # fmt: skip
        return replace(usual, **changes)

    return make
