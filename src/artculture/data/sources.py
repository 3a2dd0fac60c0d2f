"""Data sources: a museum's manifest, a folder, table or function of the user, a dataset of the Hugging Face Hub,
shards, or the synthetic sample.
"""

import logging
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from artculture.data.class_folders import scan_class_folders, scan_split_tables
from artculture.data.embeddings import EmbeddingChoice
from artculture.data.hub.dataset import HubDataset
from artculture.data.image_files import LeftOut, find_pictures, is_hidden
from artculture.data.label_columns import with_first_label
from artculture.data.manifest import Manifest, further_columns, read_manifest, split_name, validate_table
from artculture.data.picture_table import SUFFIXES, ColumnNames, check_header, find_table
from artculture.utils.errors import InputError, WorkError, reason_of
from artculture.utils.shell import command_line
from artculture.utils.targets import TARGET, instantiate

log = logging.getLogger(__name__)

SAMPLE_SIZE = 160


def load_manifest(
    name: str,
    root: str | None,
    *,
    columns: ColumnNames | None = None,
    source: Mapping[str, Any] | None = None,
    dataset: HubDataset | None = None,
    embeddings: EmbeddingChoice | None = None,
    per_culture: int | None = None,
    seed: int = 0,
    cache: Path | None = None,
) -> Manifest:
    """Return the manifest of a data source; what is left out of a folder is logged in one line.

    Args:
        name: `met`, `folder`, `hub`, `embeddings`, `shards`, `sample` or `custom`.
        root: folder of the manifest, of the class folders or of the shards (a path or an address, as in
            `s3://bucket/paintings`), or a table; unused by `sample`.
        columns: names of the columns of a table; None for the known ones.
        source: `_target_` and arguments of a function that returns the table, for `custom`.
        dataset: the dataset, for `hub`.
        embeddings: their files and model, for `embeddings`.
        per_culture: mean number of pictures per culture, for `sample`.
        seed: seed of the sample's pictures.
        cache: folder for the sample, for the index of remote shards and for the manifest of a dataset.

    Raises:
        InputError: no such folder, nothing in it, or a manifest with mistakes.
    """
    if name == "sample":
        from artculture.data.sample import make_sample, sample_root

        assert cache is not None
        assert per_culture is not None
        folder = sample_root(cache, per_culture=per_culture, seed=seed, size=SAMPLE_SIZE)
        return make_sample(folder, per_culture=per_culture, seed=seed, size=SAMPLE_SIZE)
    if name == "custom":
        assert source is not None
        return call_source(source, root, columns)
    if name == "embeddings":
        from artculture.data.embeddings.manifest import read_embeddings

        assert cache is not None
        assert embeddings is not None
        assert root is not None
        return read_embeddings(embeddings, root, columns, cache)
    if name == "hub":
        from artculture.data.hub.manifest import read_hub

        assert cache is not None
        assert dataset is not None
        return read_hub(dataset, columns, cache)
    assert root is not None
    if name == "shards":
        from artculture.data.shards.index import read_sharded

        assert cache is not None
        manifest = read_sharded(root, cache)
        labels = () if columns is None else columns.labels
        return replace(manifest, table=with_first_label(manifest.table, labels, f"the index of {root}"))
    folder = Path(root).expanduser()
    if name == "met" and not (folder / "manifest.csv").is_file():
        raise InputError(
            f"no manifest at {folder / 'manifest.csv'}: `{command_line('artculture', 'fetch', f'root={folder}')}` "
            "collects the museum's paintings there; or name another folder with data.root=…"
        )
    return read_folder(folder, columns)


def check_columns(name: str, root: str | None, columns: ColumnNames) -> None:
    """Check by a table's header that it has the columns that a config names; no picture is looked for.

    Args:
        name: as of `load_manifest`; of other sources than a folder or table nothing is checked.
        root: as of `load_manifest`; one that does not exist is none of this function's business.
        columns: names of columns.

    Raises:
        InputError: the table lacks one of them, or there are class folders in place of a table.
    """
    if name not in ("folder", "met") or root is None:
        return
    folder = Path(root).expanduser()
    file = folder if folder.is_file() else find_table(folder)
    if file is not None:
        check_header(file, columns)
    elif folder.is_dir() and not scan_split_tables(folder):
        _check_no_columns(folder, columns)


def call_source(source: Mapping[str, Any], root: str | None, columns: ColumnNames | None = None) -> Manifest:
    """Return the manifest of the table that a function of the user's own returns.

    Args:
        source: `_target_` and arguments of the function. Its table has the manifest's columns, at least `object_id`,
            `image` and `culture`.
        root: folder that the images are in and that relative paths start from; None where all paths are absolute.
        columns: names a further column of the table to keep.

    Raises:
        InputError: the function can't be called, fails, or returns something else than such a table.
    """
    where = f"data.source: `{source[TARGET]}`"
    try:
        table = instantiate(source)
    except (InputError, WorkError):
        raise
    except Exception as error:  # whatever code of the user's own raises
        raise InputError(f"{where} failed ({reason_of(error)})") from error
    if not isinstance(table, pd.DataFrame):
        raise InputError(f"{where} returned a {type(table).__name__}, not a pandas DataFrame")
    table = table.astype(object).where(table.notna(), "").reset_index(drop=True)
    table = with_first_label(table, () if columns is None else columns.labels, where)
    if "image" in table and len(table):
        folder, table["image"] = _below_one_folder(table["image"].map(os.fspath), root, where)
    else:
        folder = Path()  # validation lists what the table lacks
    return Manifest(folder, validate_table(table, where, further=further_columns(columns)))


def _below_one_folder(images: pd.Series, root: str | None, where: str) -> tuple[Path, pd.Series]:
    """Return a folder and the images' paths from there, which name the same files on a machine with other folders."""
    absolute = images.map(os.path.isabs)
    if root is None:
        if not absolute.all():
            raise InputError(
                f"{where} returned the image `{images[~absolute].iloc[0]}`: return absolute paths, or give the folder "
                "that the paths start from as data.root=…"
            )
        folder = Path(os.path.commonpath([os.path.dirname(image) for image in images]))  # noqa: PTH120
    else:
        folder = Path(root).expanduser().resolve()
    paths = images.where(~absolute, images.map(lambda image: os.path.relpath(image, folder)))
    return folder, paths.map(lambda image: Path(image).as_posix())


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
        left_out = unlisted(manifest, table.name)
    elif tables := scan_split_tables(folder):
        manifest = _read_split_tables(folder, tables, columns)
        left_out = unlisted(manifest, "the tables")
    else:
        manifest, left_out = scan_class_folders(folder)
        _check_no_columns(folder, columns)
    log_left_out(folder, left_out)
    return manifest


def is_collection(folder: Path) -> bool:
    """Return whether a folder has a table or folders, so that `read_folder` may read it."""
    if not folder.is_dir():
        return False
    return find_table(folder) is not None or any(p.is_dir() and not is_hidden(p.name) for p in folder.iterdir())


def log_left_out(folder: Path, left_out: LeftOut) -> None:
    """Log in one line what is left out of a folder."""
    if left_out:
        log.info("left out of %s: %s", folder, left_out)


def _check_no_columns(folder: Path, columns: ColumnNames | None) -> None:
    keys = ("label", "labels", "image", "id")
    given = [key for key in keys if columns is not None and getattr(columns, key)]
    if given:
        raise InputError(
            f"data.{given[0]} names a column, but {folder} holds no table: the folders are the labels. Give the table, "
            "as in data.root=folder/labels.csv"
        )


def unlisted(manifest: Manifest, table: str) -> LeftOut:
    """Return the pictures in the folder that its table does not list, and hidden ones."""
    content = find_pictures(manifest.root)
    listed = set(manifest.table["image"])
    content.left_out.kinds.clear()  # other files next to a table are its own business
    content.left_out.add(f"not listed in {table}", [image for image in content.pictures if image not in listed])
    return content.left_out


def _read_split_tables(root: Path, tables: list[tuple[str, Path]], columns: ColumnNames | None) -> Manifest:
    """Return the manifest of `root/train/metadata.csv` and its like: each table holds the pictures of one split."""
    parts, label = [], ""
    for folder, file in tables:
        manifest = read_manifest(file, columns)
        table, label = manifest.table, manifest.label
        # Paths, and ids that are the same in two splits, are distinguished by the folder.
        paths = {column: f"{folder}/" + table[column] for column in ("image", "object_id")}
        parts.append(table.assign(**paths, split=split_name(folder), group=""))
    table = validate_table(pd.concat(parts, ignore_index=True), root, further=further_columns(columns))
    return Manifest(root, table, split_folders=True, label=label)
