"""The embedded sample: synthetic pictures drawn once into a folder, with a manifest like any other."""

import hashlib
import io
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
from filelock import FileLock
from PIL import Image

from artculture.data.manifest import CULTURES, Manifest, read_manifest, write_manifest
from artculture.data.painter import hand, paint

# Raised when the same arguments draw other pictures, so that old folders are not taken for new ones.
SAMPLE_VERSION = 1


def sample_root(base: Path, *, per_culture: int, seed: int, size: int) -> Path:
    """The folder of a sample with these parameters."""
    return base / f"sample-v{SAMPLE_VERSION}-{per_culture}x{size}px-seed{seed}"


def make_sample(
    root: Path,
    *,
    per_culture: int = 40,
    seed: int = 0,
    size: int = 160,
    on_progress: Callable[[int, int], None] | None = None,
) -> Manifest:
    """The sample in a folder, drawn first where it is not there yet.

    It is drawn beside its place and renamed into it when whole; of two processes that ask at once, one draws.

    Args:
        root: the folder, as `sample_root` names it.
        per_culture: pictures of each of the 11 cultures.
        seed: what they are drawn from.
        size: shorter side, pixels.
        on_progress: called with (done, all) while drawing.
    """
    root.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(root.with_name(f".{root.name}.lock")):
        if not (root / "manifest.csv").is_file():
            _draw_beside(root, per_culture, seed, size, on_progress or (lambda *_: None))
    return read_manifest(root)


def _draw_beside(root: Path, per_culture: int, seed: int, size: int, on_progress: Callable[[int, int], None]) -> None:
    with tempfile.TemporaryDirectory(dir=root.parent, prefix=f".{root.name}.") as temporary:
        folder = Path(temporary) / "sample"
        (folder / "images").mkdir(parents=True)
        rows = []
        for row in _draw(folder, per_culture, seed, size):
            rows.append(row)
            on_progress(len(rows), per_culture * len(CULTURES))
        write_manifest(Manifest(folder, pd.DataFrame(rows)))
        shutil.rmtree(root, ignore_errors=True)  # what an earlier version or another hand left half-made
        folder.rename(root)


def _draw(folder: Path, per_culture: int, seed: int, size: int) -> Iterator[dict[str, object]]:
    for culture in CULTURES:
        for index in range(per_culture):
            name = f"{culture.lower()}_{index:03d}.png"
            picture = Image.fromarray(paint(culture, seed, index, size))
            content = io.BytesIO()
            # PNG is exact; its fastest level, for these are drawn while somebody waits.
            picture.save(content, "PNG", compress_level=1)
            (folder / "images" / name).write_bytes(content.getvalue())
            yield {
                "object_id": f"synthetic-{culture.lower()}-{index}",
                "source": "synthetic",
                "image": f"images/{name}",
                "culture": culture,
                "title": f"Synthetic picture no. {index}",
                "artist": f"hand {hand(culture, seed, index)} of the program",
                "medium": "pixels drawn by the program",
                "licence": "CC0-1.0",
                "sha256": hashlib.sha256(content.getvalue()).hexdigest(),
                "width": picture.width,
                "height": picture.height,
                "group": f"synthetic-{culture.lower()}-hand-{hand(culture, seed, index)}",
            }
