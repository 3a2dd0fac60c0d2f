"""Folder of the synthetic sample: pictures drawn once, with a manifest like any other."""

import hashlib
import io
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from filelock import FileLock
from PIL import Image

from artculture.data.cache.folder import make_private
from artculture.data.labels import CULTURES
from artculture.data.manifest import Manifest, read_manifest, write_manifest
from artculture.data.sample.picture import draw_picture, series
from artculture.utils.errors import InputError
from artculture.utils.io import read_json, write_json
from artculture.utils.progress import Progress

# Increased when the same arguments draw other pictures, so that old folders are not taken for new ones.
SAMPLE_VERSION = 4
# Names the parameters that the folder was drawn with; written last.
RECIPE = "sample.json"
# The sample is as unbalanced as the Met: Chen & Chen, Table 1, final images.
PROPORTIONS = {
    "American": 1585, "British": 280, "Chinese": 1034, "Dutch": 412, "Flemish": 106, "French": 815,
    "German": 172, "Indian": 372, "Italian": 688, "Japanese": 1084, "Spanish": 115,
}  # fmt: skip
# Every culture has at least this many pictures, so that each split has some of it.
FEWEST = 6


def sample_root(base: Path, *, per_culture: int, seed: int, size: int) -> Path:
    """Return the folder of a sample with these parameters."""
    return base / f"sample-v{SAMPLE_VERSION}-{per_culture}x{size}px-seed{seed}"


def sample_counts(per_culture: int) -> dict[str, int]:
    """Return the number of pictures of each culture: `per_culture` on average, in the proportions of the Met.

    Each culture gets `FEWEST` (all of them where `per_culture` is less), the rest is shared out by `PROPORTIONS`.
    """
    fewest = min(per_culture, FEWEST)
    rest = (per_culture - fewest) * len(CULTURES)
    shares = np.array([PROPORTIONS[culture] for culture in CULTURES])
    # Rounding the running sum keeps the total exact.
    ends = np.round(rest * np.cumsum(shares) / shares.sum()).astype(int)
    return dict(zip(CULTURES, (fewest + np.diff(ends, prepend=0)).tolist(), strict=True))


def make_sample(
    root: Path,
    *,
    per_culture: int = 40,
    seed: int = 0,
    size: int = 160,
    on_progress: Progress | None = None,
) -> Manifest:
    """Return the sample in a folder, drawn first if it is not there yet.

    It is drawn in a temporary folder and renamed when complete; of two processes that ask at once, one draws.

    Args:
        root: the folder, as `sample_root` names it.
        per_culture: mean number of pictures of the 11 cultures; see `sample_counts`.
        seed: of the pictures.
        size: shorter side, pixels.
        on_progress: called with (done, all) while drawing.

    Raises:
        InputError: the folder holds something else, or a sample with other parameters.
    """
    recipe = {"sample_version": SAMPLE_VERSION, "per_culture": per_culture, "seed": seed, "size": size}
    if not _is_whole(root, recipe):
        make_private(root.parent)
        with FileLock(root.with_name(f".{root.name}.lock")):
            if not _is_whole(root, recipe):
                _draw_beside(root, recipe, on_progress or (lambda *_: None))
    return read_manifest(root)


def _is_whole(root: Path, recipe: dict[str, int]) -> bool:
    """Return whether the folder holds this very sample; raise where it holds anything else."""
    if not root.exists() or not any(root.iterdir()):
        return False
    if not (root / RECIPE).is_file():
        raise InputError(f"{root} holds something else than a sample: name another folder, or empty it")
    if (found := read_json(root / RECIPE)) != recipe:
        raise InputError(f"{root} holds the sample {found}, not {recipe}: name another folder, or delete it")
    if not (root / "manifest.csv").is_file():
        return False
    images = read_manifest(root).paths()
    # An empty picture is what a power cut leaves of a file that was not yet on the disk.
    return len(images) == recipe["per_culture"] * len(CULTURES) and all(
        image.is_file() and image.stat().st_size for image in images
    )


def _draw_beside(root: Path, recipe: dict[str, int], on_progress: Progress) -> None:
    per_culture, seed, size = recipe["per_culture"], recipe["seed"], recipe["size"]
    with tempfile.TemporaryDirectory(dir=root.parent, prefix=f".{root.name}.") as temporary:
        folder = Path(temporary) / "sample"
        (folder / "images").mkdir(parents=True)
        rows = []
        for row in _draw(folder, per_culture, seed, size):
            rows.append(row)
            on_progress(len(rows), per_culture * len(CULTURES))
        write_manifest(Manifest(folder, pd.DataFrame(rows)))
        write_json(folder / RECIPE, recipe)
        if root.exists():
            # Empty, or this same sample with pictures missing.
            root.rename(Path(temporary) / "replaced")
        folder.rename(root)


def _draw(folder: Path, per_culture: int, seed: int, size: int) -> Iterator[dict[str, object]]:
    for culture, count in sample_counts(per_culture).items():
        for index in range(count):
            name = f"{culture.lower()}_{index:03d}.png"
            number = series(culture, seed, index)
            picture = Image.fromarray(draw_picture(culture, seed, index, size))
            content = io.BytesIO()
            # PNG is lossless; its fastest level, since somebody waits for the pictures.
            picture.save(content, "PNG", compress_level=1)
            (folder / "images" / name).write_bytes(content.getvalue())
            yield {
                "object_id": f"synthetic-{culture.lower()}-{index}",
                "source": "synthetic",
                "image": f"images/{name}",
                "culture": culture,
                "title": f"Synthetic picture no. {index}",
                "artist": f"Synthetic artist {culture} {number}",
                "date": str(1600 + 7 * (number % 40)),
                "medium": "synthetic (drawn by a program)",
                "licence": "CC0-1.0",
                "sha256": hashlib.sha256(content.getvalue()).hexdigest(),
                "width": picture.width,
                "height": picture.height,
                "group": f"synthetic-{culture.lower()}-series-{number}",
            }
