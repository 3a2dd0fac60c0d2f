"""Manifest of a dataset of the Hugging Face Hub; it is stored in the cache and read from there again."""

import hashlib
import io
import logging
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from filelock import FileLock
from numpy.typing import NDArray
from PIL import Image

from artculture.data.cache.folder import make_private
from artculture.data.cache.pixel_cache import PixelCache, largest_cache
from artculture.data.decoding import BadImageError
from artculture.data.hub import parquet
from artculture.data.hub.dataset import HubDataset, find_files, import_extra, is_pinned, opened, pinned, raise_mapped
from artculture.data.hub.parquet import Columns, file_features
from artculture.data.label_columns import stored_columns
from artculture.data.labels import log_merged_labels
from artculture.data.manifest import Manifest, further_columns, split_name, validate_table
from artculture.data.picture_table import ColumnNames
from artculture.utils.errors import InputError, reason_of
from artculture.utils.io import file_sha256, json_text, read_json, write_json
from artculture.utils.spreadsheets import write_csv
from artculture.utils.tables import read_own_csv

log = logging.getLogger(__name__)

FORMAT = 1
MANIFEST, DATASET = "manifest.csv", "dataset.json"
# Files that decide which files a local dataset has, and their types.
CARDS = ("README.md", ".huggingface.yaml", "dataset_infos.json")


@dataclass(frozen=True)
class HubManifest(Manifest):
    """Manifest of pictures in parquet files; `image` is the file's name and the number of the row.

    Attributes:
        folder: folder of the cache that holds the manifest.
        files: local folder or address that the files' names start from.
        column: column of the pictures.
        rows: row of each painting in the whole manifest, int64.
        whole: the whole manifest; None for itself.
    """

    folder: Path
    files: str
    column: str
    rows: NDArray[np.int64]
    whole: "HubManifest | None" = None

    @property
    def has_files(self) -> bool:
        return False

    @property
    def version(self) -> str:
        return f"{self.files} {self.column} {self.folder.name}"

    def paths(self) -> list[Path]:
        raise AssertionError("pictures in parquet files have no files of their own")

    def part(self, table: pd.DataFrame) -> "HubManifest":
        rows = self.rows[table.index.to_numpy()]
        whole = self.whole or self
        return HubManifest(self.root, table.reset_index(drop=True), self.folder, self.files, self.column, rows, whole)

    def pictures(self, start: int = 0) -> Iterator[bytes]:
        """Yield the content of each image file from a row on; files on the Hub are downloaded one at a time."""
        places = [str(image).rpartition("/") for image in self.table["image"].iloc[start:]]
        with self._downloads() as downloads:
            for name, group in groupby(places, key=lambda place: place[0]):
                rows = [int(row) for _, _, row in group]
                with self._local(name, downloads) as file:
                    yield from parquet.pictures(file, self.column, rows)

    def picture(self, row: int) -> bytes:
        """Return a painting as PNG of its pixels in the cache.

        Raises:
            BadImageError: it is not there.
        """
        cache, at = (self.whole or self)._pixels, int(self.rows[row])
        if cache is None or at in cache.bad:
            raise BadImageError("not in the pixel cache")
        with io.BytesIO() as out:
            Image.fromarray(cache.image(at)).save(out, "PNG")
            return out.getvalue()

    @cached_property
    def _pixels(self) -> PixelCache | None:
        return largest_cache(self, self.folder.parent.parent)

    @contextmanager
    def _downloads(self) -> Iterator[Path | None]:
        """Yield the folder that downloaded files lie in while they are read; None for a local dataset."""
        if not self.files.startswith("hf://"):
            yield None
            return
        folder = self.folder / "downloads"
        make_private(folder)
        with FileLock(self.folder / ".downloads.lock"):  # of several builders, one downloads at a time
            yield folder
            shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def _local(self, name: str, downloads: Path | None) -> Iterator[Path]:
        if downloads is None:
            yield Path(self.files) / name
            return
        repo, _, commit = self.files.removeprefix("hf://datasets/").partition("@")
        hub = import_extra("huggingface_hub")
        hub.utils.disable_progress_bars()
        try:
            file = Path(hub.hf_hub_download(repo, name, repo_type="dataset", revision=commit, local_dir=downloads))
        except Exception as error:  # as in `pinned`
            raise_mapped(error, HubDataset(repo, None, commit))
        yield file
        file.unlink(missing_ok=True)


def read_hub(dataset: HubDataset, names: ColumnNames | None, cache: Path, *, stored_only: bool = False) -> HubManifest:
    """Return the manifest of a dataset.

    Args:
        dataset: which; the newest commit of its revision is read, if it names none.
        names: columns that the config names.
        cache: root folder of caches.
        stored_only: read only what is stored in the cache.

    Raises:
        InputError: no such dataset, no pictures or labels in it, or not stored with `stored_only`.
        WorkError: the Hub can't be reached.
    """
    names = names or ColumnNames()
    if stored_only and not is_pinned(dataset):
        raise InputError(f"data.path={dataset.path}: which commit was read is not known")
    dataset = pinned(dataset)
    state = _state(dataset)
    facts = {"format": FORMAT, **asdict(dataset), **asdict(names), "state": state}
    if dataset.local is not None:
        facts["path"] = str(dataset.local.resolve())
    digest = hashlib.sha256(json_text(facts, sort_keys=True, ensure_ascii=True).encode()).hexdigest()[:24]
    folder = cache / "hub" / digest
    found = _stored(folder, names)
    if found is None and stored_only:
        raise InputError(f"data.path={dataset.path} is not in the cache {cache}")
    if found is None:
        make_private(folder)
        with FileLock(folder / ".lock"):
            found = _stored(folder, names)
            if found is None:
                _store(dataset, names, folder, facts)
                found = _stored(folder, names)
    if found is None:
        raise InputError(f"{folder} can't be read back: delete it and start again")
    return found


def _state(dataset: HubDataset) -> list[str]:
    """Return names, sizes and times of the files of a local dataset; a commit never changes."""
    local = dataset.local
    if local is None:
        return []
    files = [local] if local.is_file() else sorted(file for file in local.rglob("*") if _decides(file))
    return [f"{file} {file.stat().st_size} {file.stat().st_mtime_ns}" for file in (path.resolve() for path in files)]


def _decides(file: Path) -> bool:
    return (file.suffix == ".parquet" or file.name in CARDS) and file.is_file()


def _stored(folder: Path, names: ColumnNames) -> HubManifest | None:
    """Return the manifest that is stored in a folder; None if there is none, or a damaged one."""
    file = folder / MANIFEST
    if not (folder / DATASET).is_file() or not file.is_file():
        return None
    try:
        facts = read_json(folder / DATASET)
        if facts["sha256"] != file_sha256(file):
            return None
        table = read_own_csv(file, "delete it", dtype=str, keep_default_na=False)
        root, column, stored = Path(facts["shown"]), str(facts["column"]), bool(facts["stored_split"])
        label = str(facts["columns"]["culture"])
    except (InputError, KeyError):
        return None
    table = validate_table(table, file, further=further_columns(names))
    rows = np.arange(len(table), dtype=np.int64)
    return HubManifest(root, table, folder, str(facts["files"]), column, rows, split_folders=stored, label=label)


def _store(dataset: HubDataset, names: ColumnNames, folder: Path, facts: dict[str, Any]) -> None:
    """Read labels and texts of all rows of a dataset and store them, with what they were read from."""
    where = f"data.path={dataset.path}"
    files = find_files(dataset, folder / "datasets")
    log.info("reading the labels in %d parquet file(s) of %s", len(files.splits), files.root)
    columns: Columns | None = None
    tables = []
    for name, split in files.splits.items():
        try:
            with opened(f"{files.root}/{name}") as file:
                columns = columns or Columns(files.features or file_features(file), names, where)
                table = columns.table(file, name)
        except InputError:
            raise
        except Exception as error:  # of Arrow, or of the Hub's HTTP library
            if dataset.local is not None:
                raise InputError(f"{where}: {name} is not a readable parquet file ({reason_of(error)})") from error
            raise_mapped(error, dataset)
        images = [f"{name}/{row}" for row in range(len(table))]
        tables.append(table.assign(image=images, split=split_name(split) or split))
    table = _labelled(pd.concat(tables, ignore_index=True), where)
    if len(set(files.splits.values())) == 1:
        table = table.drop(columns="split")
    if "object_id" not in table:
        table = table.assign(object_id=table["image"])
    if dataset.local is None:
        table = table.assign(source=dataset.path)
    log_merged_labels(table["culture"], where)
    table = validate_table(table, where, further=further_columns(names))
    write_csv(table, folder / MANIFEST)
    known = {split_name(split) for split in files.splits.values()}
    assert columns is not None
    about = {
        "shown": files.root if dataset.local is not None else f"{dataset.path}@{str(dataset.revision)[:10]}",
        "files": files.root,
        "splits": files.splits,
        "column": columns.image,
        "columns": columns.texts,
        "classes": columns.classes.get(columns.texts["culture"]),
        "stored_split": None not in known and len(known) > 1,
        "sha256": file_sha256(folder / MANIFEST),
    }
    write_json(folder / DATASET, {**facts, **about})
    shutil.rmtree(folder / "datasets", ignore_errors=True)


def _labelled(table: pd.DataFrame, where: str) -> pd.DataFrame:
    """Return the rows that have a label, if of several columns; how many have none is logged."""
    labels = table[["culture", *stored_columns(table)]]
    blank = labels.apply(lambda cells: cells.str.strip() == "").all(axis=1)
    if blank.any():
        counts = ", ".join(f"{split} {n}" for split, n in Counter(table["split"][blank]).items())
        log.info("left out of %s: %d without a label (%s)", where, blank.sum(), counts)
    if blank.all():
        raise InputError(f"{where}: no row has a label; name their column with data.label=…")
    kept: pd.DataFrame = table[~blank].reset_index(drop=True)
    return kept
