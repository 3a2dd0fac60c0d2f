from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from artculture.data.data_choice import DataChoice
from artculture.data.manifest import Manifest, validate_table

Table = Callable[..., pd.DataFrame]


@pytest.fixture
def rows() -> Table:
    """A checked table of paintings: culture -> sizes of its groups (a group of one names none)."""

    def make(**cultures: list[int]) -> pd.DataFrame:
        found = []
        for culture, groups in cultures.items():
            for number, size in enumerate(groups):
                for folio in range(size):
                    ident = f"{culture}-{number}-{folio}"
                    group = f"album {culture} {number}" if size > 1 else ""
                    found.append({"object_id": ident, "image": f"{ident}.jpg", "culture": culture, "group": group})
        return validate_table(pd.DataFrame(found), "test")

    return make


def noise(seed: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture
def gallery(tmp_path: Path) -> Path:
    """Two classes of ten pictures of pure noise, every one of another size."""
    root = tmp_path / "gallery"
    for label, name in enumerate(("calm", "wild")):
        (root / name).mkdir(parents=True)
        for index in range(10):
            pixels = noise(100 * label + index, 40 + index, 60 - 3 * index)
            Image.fromarray(pixels).save(root / name / f"{index}.png")
    return root


@pytest.fixture
def manifest(gallery: Path) -> Manifest:
    images = sorted(path.relative_to(gallery).as_posix() for path in gallery.glob("*/*.png"))
    table = pd.DataFrame({"object_id": images, "image": images, "culture": [i.split("/")[0] for i in images]})
    return Manifest(gallery, validate_table(table, gallery))


@pytest.fixture
def choose(gallery: Path, tmp_path: Path) -> Callable[..., DataChoice]:
    """A `DataChoice` of the gallery, with anything changed."""

    def make(**changes: Any) -> DataChoice:
        usual: dict[str, Any] = {
            "name": "folder",
            "root": str(gallery),
            "split": "stratified",
            "split_seed": 0,
            "fractions": [0.8, 0.1, 0.1],
            "small_cultures": "error",
            "on_bad_image": "error",
            "cultures": None,
            "cache": str(tmp_path / "cache"),
        }
        return DataChoice(**{**usual, **changes})

    return make
