"""Data sources: a museum's manifest, a folder of the user, shards, or the synthetic sample."""

from pathlib import Path

import pandas as pd

from artculture.data.manifest import CULTURES, Manifest, read_manifest, validate_table
from artculture.utils.errors import InputError, choices_hint

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif"})


def load_manifest(
    name: str, root: str | None, *, per_culture: int | None = None, seed: int = 0, cache: Path | None = None
) -> Manifest:
    """Return the manifest of a data source.

    Args:
        name: `met`, `folder`, `shards` or `sample`.
        root: folder of the manifest, of the class folders or of the shards (a path or an address, as in
            `s3://bucket/paintings`); unused by `sample`.
        per_culture: mean number of pictures per culture, for `sample`.
        seed: seed of the sample's pictures.
        cache: folder for the sample, and for the index of remote shards.

    Raises:
        InputError: no such folder, nothing in it, or a manifest with mistakes.
    """
    if name == "sample":
        from artculture.data.sample import make_sample, sample_root

        assert cache is not None
        assert per_culture is not None
        folder = sample_root(cache, per_culture=per_culture, seed=seed, size=SAMPLE_SIZE)
        return make_sample(folder, per_culture=per_culture, seed=seed, size=SAMPLE_SIZE)
    assert root is not None
    if name == "shards":
        from artculture.data.shards.index import read_sharded

        assert cache is not None
        return read_sharded(root, cache)
    folder = Path(root).expanduser()
    if name == "met" and not (folder / "manifest.csv").is_file():
        raise InputError(
            f"no manifest at {folder / 'manifest.csv'}: `artculture fetch root={folder}` collects the museum's "
            f"paintings there; or name another folder with data.root=…"
        )
    if not folder.is_dir():
        raise InputError(f"data.root={root}: no such folder")
    return read_manifest(folder) if (folder / "manifest.csv").is_file() else scan_class_folders(folder)


SAMPLE_SIZE = 160


def scan_class_folders(root: Path) -> Manifest:
    """Return the manifest of `root/<class>/**/*.jpg`: the folder's name is the label, the path the object id.

    Raises:
        InputError: no class folders, or an empty one.
    """
    folders = sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith((".", "_")))
    if not folders:
        raise InputError(f"data.root={root}: it has neither a manifest.csv nor one folder per class")
    images = {folder.name: find_images(folder) for folder in folders}
    empty = [name for name, found in images.items() if not found]
    if empty:
        raise InputError(
            f"no pictures in {', '.join(str(root / name) for name in empty)}: "
            f"put some there ({', '.join(sorted(IMAGE_SUFFIXES))}) or remove the folder"
        )
    nameless = [image for found in images.values() for image in found if not _is_text(image)]
    if nameless:
        raise InputError(f"{str(nameless[0])!a}: its name is not valid UTF-8 text; rename it")
    rows = [
        {"object_id": image.with_suffix("").as_posix(), "image": image.as_posix(), "culture": name}
        for name, found in images.items()
        for image in (path.relative_to(root) for path in found)
    ]
    table = pd.DataFrame(rows)
    # a.jpg and a.png in one folder would have the same id without the suffix.
    same_stem = table.duplicated("object_id", keep=False)
    table.loc[same_stem, "object_id"] = table.loc[same_stem, "image"]
    return Manifest(root, validate_table(table, root))


def _is_text(path: Path) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return str(path).isprintable()


def find_images(folder: Path) -> list[Path]:
    """Return all paths with an image suffix, sorted; broken links and pipes are included, so that they are reported."""
    found = (p for p in folder.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES and not p.is_dir())
    return sorted(p for p in found if not p.name.startswith("."))


def label_order(table: pd.DataFrame, cultures: list[str] | None) -> tuple[str, ...]:
    """Return the classes in label order: the given list, else the canonical cultures present, else sorted names.

    Raises:
        InputError: a culture that has no painting, or fewer than two classes.
    """
    present = set(table["culture"])
    if not present:
        raise InputError("not one painting is left to use; a classifier needs at least two classes of them")
    if cultures is not None:
        unknown = [name for name in cultures if name not in present]
        if unknown:
            raise InputError(f"data.cultures: no painting of {unknown[0]}; {choices_hint(unknown[0], present)}")
        return tuple(cultures)
    order = tuple(c for c in CULTURES if c in present) if present <= set(CULTURES) else tuple(sorted(present))
    if len(order) < 2:
        raise InputError(f"only one class ({order[0]}) in the data; a classifier needs at least two")
    return order
