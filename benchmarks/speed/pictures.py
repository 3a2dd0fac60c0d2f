"""JPEGs to measure with: smooth synthetic pictures of a museum's web size, or real ones, in class folders."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from artculture.data.labels import CULTURES
from artculture.utils.errors import InputError

WEB_SIDE = 600
# Distinct pictures that are drawn; more files than that are links to these, each with a path of its own.
DRAWN = 64
QUALITY = 90
SUFFIXES = (".jpg", ".jpeg")
# ext4 allows 65,000 links to a file.
LINKS = 60_000


def synthetic(seed: int, shorter_side: int) -> Image.Image:
    """A picture whose detail falls off as in photographs of paintings, 4:3, upright or across.

    At 800 x 600 and quality 90 its JPEG has about 90 KB.
    """
    draw = np.random.default_rng(seed)
    width, height = round(shorter_side * draw.uniform(1.2, 1.45)), shorter_side
    if seed % 2:
        width, height = height, width
    total = np.full((height, width, 3), 128.0, dtype=np.float32)
    side, strength = 3, 70.0
    while side < max(width, height):
        coarse = draw.normal(0, 1, (side, side, 3)).astype(np.float32)
        for channel in range(3):
            layer = Image.fromarray(coarse[..., channel]).resize((width, height), Image.Resampling.BICUBIC)
            total[..., channel] += strength * np.asarray(layer)
        side, strength = side * 2, strength * 0.63
    return Image.fromarray(total.clip(0, 255).astype(np.uint8))


def make_gallery(
    root: Path, train: int, held_out: int = 1, source: Path | None = None, shorter_side: int = WEB_SIDE
) -> Path:
    """`root/<split>/<culture>/<n>.jpg` with a manifest.csv that stores the split.

    Args:
        root: an empty or missing folder.
        train: pictures of the training split.
        held_out: pictures of validation and of test each.
        source: folder of real JPEGs, used instead of synthetic ones.
        shorter_side: of synthetic pictures, pixels.

    Raises:
        InputError: no JPEG in `source`.
    """
    originals = _real(source) if source else list(_drawn(root / "drawn", min(DRAWN, train), shorter_side))
    rows = []
    for split, count in (("train", train), ("val", held_out), ("test", held_out)):
        for index in range(count):
            culture = CULTURES[index % len(CULTURES)]
            image = Path(split) / culture / f"{index}.jpg"
            rows.append({"object_id": f"{split}-{index}", "image": str(image), "culture": culture, "split": split})
            (root / image).parent.mkdir(parents=True, exist_ok=True)
            _link(originals[(len(rows) - 1) % len(originals)], root / image, len(rows) // len(originals) > LINKS)
    pd.DataFrame(rows).to_csv(root / "manifest.csv", index=False)
    return root


def _drawn(folder: Path, count: int, shorter_side: int) -> Iterator[Path]:
    folder.mkdir(parents=True)
    for seed in range(count):
        synthetic(seed, shorter_side).save(folder / f"{seed}.jpg", quality=QUALITY)
        yield folder / f"{seed}.jpg"


def _real(source: Path) -> list[Path]:
    found = sorted(path.resolve() for path in source.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not found:
        raise InputError(f"--images {source}: no JPEG in it")
    return found


def _link(original: Path, path: Path, exhausted: bool) -> None:
    try:
        if exhausted:
            raise OSError
        os.link(original, path)
    except OSError:  # another file system, or too many links
        path.symlink_to(original.resolve())


def kilobytes(root: Path) -> float:
    """Mean size of the training JPEGs."""
    sizes = [path.stat().st_size for path in (root / "train").rglob("*.jpg")]
    return sum(sizes) / len(sizes) / 1024
