"""Data sources: a museum's manifest, a folder or table of the user, shards, or the synthetic sample."""

import logging
from pathlib import Path

import pandas as pd

from artculture.data.class_folders import scan_class_folders, scan_split_tables
from artculture.data.image_files import LeftOut, find_pictures
from artculture.data.manifest import Manifest, read_manifest, split_name, validate_table
from artculture.data.picture_table import SUFFIXES, ColumnNames, find_table
from artculture.utils.errors import InputError
from artculture.utils.shell import command_line

log = logging.getLogger(__name__)

SAMPLE_SIZE = 160


def load_manifest(
    name: str,
    root: str | None,
    *,
    columns: ColumnNames | None = None,
    per_culture: int | None = None,
    seed: int = 0,
    cache: Path | None = None,
) -> Manifest:
    """Return the manifest of a data source; what is left out of a folder is logged in one line.

    Args:
        name: `met`, `folder`, `shards` or `sample`.
        root: folder of the manifest, of the class folders or of the shards (a path or an address, as in
            `s3://bucket/paintings`), or a table; unused by `sample`.
        columns: names of the columns of a table; None for the known ones.
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
            f"no manifest at {folder / 'manifest.csv'}: `{command_line('artculture', 'fetch', f'root={folder}')}` "
            "collects the museum's paintings there; or name another folder with data.root=…"
        )
    return read_folder(folder, columns)


def read_folder(folder: Path, columns: ColumnNames | None = None) -> Manifest:
    """Return the manifest of a folder or table; what is left out is logged in one line.

    Args:
        folder: a folder with a table or class folders, or a table.
        columns: names of the columns of a table; None for the known ones.

    Raises:
        InputError: no such folder, nothing in it, or a table with mistakes.
    """
    if folder.is_file() and folder.suffix.lower() in SUFFIXES:
        return read_manifest(folder, columns)
    if not folder.is_dir():
        raise InputError(f"data.root={folder}: no such folder")
    if (table := find_table(folder)) is not None:
        manifest = read_manifest(table, columns)
        left_out = _unlisted(manifest, table.name)
    elif tables := scan_split_tables(folder):
        manifest = _read_split_tables(folder, tables, columns)
        left_out = _unlisted(manifest, "the tables")
    else:
        manifest, left_out = scan_class_folders(folder)
        _check_no_columns(folder, columns)
    if left_out:
        log.info("left out of %s: %s", folder, left_out)
    return manifest


def _check_no_columns(folder: Path, columns: ColumnNames | None) -> None:
    given = [key for key in ("label", "image", "id") if columns is not None and getattr(columns, key) is not None]
    if given:
        raise InputError(
            f"data.{given[0]} names a column, but {folder} holds no table: the folders are the labels. Give the table, "
            "as in data.root=folder/labels.csv"
        )


def _unlisted(manifest: Manifest, table: str) -> LeftOut:
    """Return the pictures in the folder that its table does not list, and hidden ones."""
    content = find_pictures(manifest.root)
    listed = set(manifest.table["image"])
    content.left_out.kinds.clear()  # other files next to a table are its own business
    content.left_out.add(f"not listed in {table}", [image for image in content.pictures if image not in listed])
    return content.left_out


def _read_split_tables(root: Path, tables: list[tuple[str, Path]], columns: ColumnNames | None) -> Manifest:
    """Return the manifest of `root/train/metadata.csv` and its like: each table holds the pictures of one split."""
    parts = []
    for folder, file in tables:
        table = read_manifest(file, columns).table
        # Paths, and ids that are the same in two splits, are distinguished by the folder.
        paths = {column: f"{folder}/" + table[column] for column in ("image", "object_id")}
        parts.append(table.assign(**paths, split=split_name(folder), group=""))
    return Manifest(root, validate_table(pd.concat(parts, ignore_index=True), root), split_folders=True)
