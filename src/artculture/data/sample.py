"""The embedded sample: synthetic pictures drawn once into a folder, with a manifest like any other."""

import hashlib
import io
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
from filelock import FileLock
from PIL import Image

from artculture.data.manifest import CULTURES, Manifest, read_manifest, write_manifest
from artculture.data.painter import hand, paint
from artculture.errors import InputError
from artculture.files import read_json, write_json

# Raised when the same arguments draw other pictures, so that old folders are not taken for new ones.
SAMPLE_VERSION = 2
# Names what the folder was drawn from; written last.
RECIPE = "sample.json"


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

    Raises:
        InputError: the folder holds something else, or a sample with other parameters.
    """
    recipe = {"sample_version": SAMPLE_VERSION, "per_culture": per_culture, "seed": seed, "size": size}
    if not _is_whole(root, recipe):
        root.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(root.with_name(f".{root.name}.lock")):
            if not _is_whole(root, recipe):
                _draw_beside(root, recipe, on_progress or (lambda *_: None))
    return read_manifest(root)


def _is_whole(root: Path, recipe: dict[str, int]) -> bool:
    """Whether the folder holds this very sample; never true of another's folder, which is refused."""
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


def _draw_beside(root: Path, recipe: dict[str, int], on_progress: Callable[[int, int], None]) -> None:
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
