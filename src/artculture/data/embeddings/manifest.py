"""Paintings by the vectors of their pictures: a table joined with embeddings by object id, memory-mapped."""

import hashlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from filelock import FileLock
from numpy.typing import NDArray

from artculture.data.cache.folder import make_private
from artculture.data.decoding import BadImageError
from artculture.data.embeddings import EmbeddingChoice
from artculture.data.embeddings.parquet import EmbeddingFiles, find_embeddings
from artculture.data.labels import log_merged_labels
from artculture.data.manifest import TEXT_COLUMNS, Manifest, further_columns, validate_table
from artculture.data.picture_table import ColumnNames, known_column
from artculture.utils.errors import InputError, choices_hint
from artculture.utils.io import allocate, file_sha256, json_text, read_json, replacing, write_json
from artculture.utils.spreadsheets import write_csv
from artculture.utils.tables import csv_format, first_records, read_csv, read_own_csv

log = logging.getLogger(__name__)

FORMAT = 1
VECTORS, MANIFEST, ABOUT = "vectors.npy", "manifest.csv", "embeddings.json"
# Known names of the column of labels, in any case.
LABELS = ("culture", "label")
# Columns of MetObjects.csv by the manifest's names.
MET = {
    "object_id": "Object ID", "title": "Title", "artist": "Artist Display Name", "date": "Object Date",
    "medium": "Medium", "accession_number": "Object Number", "object_url": "Link Resource",
}  # fmt: skip


@dataclass(frozen=True)
class Vectors:
    """Embeddings of the paintings of a manifest, in place of their pixels.

    Attributes:
        values: float32, n x dim (memory-mapped).
        key: identifies them.
        model: the model that made them; "" where the files do not say.
    """

    values: NDArray[np.float32]
    key: str
    model: str

    @property
    def bad(self) -> dict[int, str]:
        return {}

    @property
    def facts(self) -> dict[str, Any]:
        """What a classifier says of the vectors that it takes."""
        return {"features": int(self.values.shape[1]), "model": self.model}

    def shapes_of(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        raise BadImageError("an embedding has no picture")

    def image(self, row: int) -> NDArray[np.uint8]:
        raise BadImageError("an embedding has no picture")


@dataclass(frozen=True)
class EmbeddingManifest(Manifest):
    """Manifest of paintings that are there as vectors.

    Attributes:
        folder: folder of the cache that holds the vectors and the manifest.
    """

    folder: Path

    @property
    def has_files(self) -> bool:
        return False

    @property
    def version(self) -> str:
        return self.folder.name

    def paths(self) -> list[Path]:
        raise AssertionError("embeddings have no picture files")

    def part(self, table: pd.DataFrame) -> "EmbeddingManifest":
        return EmbeddingManifest(self.root, table.reset_index(drop=True), self.folder)

    def pictures(self, start: int = 0) -> Iterator[bytes]:
        raise AssertionError("embeddings have no pictures")

    def picture(self, row: int) -> bytes:
        raise BadImageError("an embedding has no picture")

    def vectors(self) -> Vectors:
        """Return the vectors of the whole manifest."""
        about = read_json(self.folder / ABOUT)
        values = np.load(self.folder / VECTORS, mmap_mode="r", allow_pickle=False)
        return Vectors(values.view(np.ndarray), self.folder.name, str(about["model"]))


def read_embeddings(choice: EmbeddingChoice, root: str, names: ColumnNames | None, cache: Path) -> EmbeddingManifest:
    """Return the manifest of the paintings of a table that have an embedding.

    Args:
        choice: the embeddings.
        root: table of labels: a manifest, its folder, or MetObjects.csv.
        names: columns that the config names.
        cache: root folder of caches.

    Raises:
        InputError: no such files, a column missing, several models, or no id in common.
    """
    names, table = names or ColumnNames(), _table_file(root)
    place = Path(choice.path).expanduser()
    files = sorted(place.rglob("*.parquet")) if place.is_dir() else [place]
    state = [f"{f.resolve()} {f.stat().st_size} {f.stat().st_mtime_ns}" for f in [table, *files] if f.is_file()]
    facts = [FORMAT, choice.model, repr(names), *state]
    digest = hashlib.sha256(json_text(facts, ensure_ascii=True).encode()).hexdigest()[:24]
    folder = cache / "embeddings" / digest
    found = _stored(folder, names)
    if found is None:
        make_private(folder)
        with FileLock(folder / ".lock"):
            found = _stored(folder, names)
            if found is None:
                embeddings = find_embeddings(choice.path, choice.model)
                _store(embeddings, table, names, folder, f"data.path={choice.path}")
                found = _stored(folder, names)
    if found is None:
        raise InputError(f"{folder} can't be read back: delete it and start again")
    return found


def _table_file(root: str) -> Path:
    path = Path(root).expanduser()
    file = path / "manifest.csv" if path.is_dir() else path
    if not file.is_file():
        raise InputError(f"data.root={root}: no table there; give a manifest.csv or the museum's MetObjects.csv")
    return file


def _stored(folder: Path, names: ColumnNames) -> EmbeddingManifest | None:
    file = folder / MANIFEST
    if not (folder / ABOUT).is_file() or not file.is_file():
        return None
    try:
        about = read_json(folder / ABOUT)
        values = np.load(folder / VECTORS, mmap_mode="r", allow_pickle=False)
        whole = about["sha256"] == file_sha256(file) and list(values.shape) == about["shape"]
        table = read_own_csv(file, "delete it", dtype=str, keep_default_na=False)
    except (InputError, KeyError, OSError, ValueError):
        return None
    if not whole or len(table) != len(values):
        return None
    table, label = validate_table(table, file, further=further_columns(names)), str(about.get("label", ""))
    return EmbeddingManifest(Path(about["table"]), table, folder, label=label)


def _store(embeddings: EmbeddingFiles, file: Path, names: ColumnNames, folder: Path, where: str) -> None:
    """Join a table with embeddings: the vectors are written in the table's order, then the table and the counts."""
    table = _labelled_table(file, names)
    place_of = {object_id: row for row, object_id in enumerate(table["object_id"])}
    counts = {"in the files": embeddings.rows, "of another length": embeddings.other_length}
    counts |= dict.fromkeys(("without a finite value", "of an object listed before", "of no object in the table"), 0)
    hashes = [""] * len(table)
    with replacing(folder / "joined.npy") as temporary:
        shape = (len(table), embeddings.dim)
        joined = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float32, shape=shape)
        allocate(temporary)
        for ids, vectors in embeddings.vectors():
            for object_id, vector in zip(ids, vectors, strict=True):
                row = place_of.get(object_id.strip())
                if row is None:
                    counts["of no object in the table"] += 1
                elif not np.isfinite(vector).all():
                    counts["without a finite value"] += 1
                elif hashes[row]:
                    counts["of an object listed before"] += 1
                else:
                    joined[row] = vector
                    hashes[row] = hashlib.sha256(vector.tobytes()).hexdigest()
        kept = np.flatnonzero([bool(value) for value in hashes])
        if not len(kept):
            raise InputError(f"no object of {file} has an embedding in {where}: {_listed(counts)}")
        _write_rows(folder / VECTORS, joined, kept)
    (folder / "joined.npy").unlink(missing_ok=True)
    missing = len(table) - len(kept)
    table = table.assign(sha256=hashes).iloc[kept].reset_index(drop=True)
    write_csv(validate_table(table, file, further=further_columns(names)), folder / MANIFEST)
    log.info("%d paintings with an embedding, %d without one; embeddings %s", len(kept), missing, _listed(counts))
    about = {
        "model": embeddings.model,
        "label": names.label or known_column(LABELS, next(first_records(file, 1), [])) or "",
        "shape": [len(kept), embeddings.dim],
        "table": str(file.resolve().parent),
        "files": [str(path) for path in embeddings.files],
        "counts": {**counts, "paintings without an embedding": missing},
        "sha256": file_sha256(folder / MANIFEST),
    }
    write_json(folder / ABOUT, about)


def _write_rows(path: Path, joined: NDArray[np.float32], kept: NDArray[np.int64]) -> None:
    """Write the rows of the joined vectors that are there, some at a time."""
    with replacing(path) as temporary:
        shape = (len(kept), joined.shape[1])
        out = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float32, shape=shape)
        allocate(temporary)
        for start in range(0, len(kept), 4096):
            out[start : start + 4096] = joined[kept[start : start + 4096]]
        out.flush()


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{what}: {count}" for what, count in counts.items() if count) or "none"


def _labelled_table(file: Path, names: ColumnNames) -> pd.DataFrame:
    """Return id, label and texts of the objects of a table that have a label, all as text."""
    header = [name.strip() for name in next(first_records(file, 1), [])]
    own = {column: met for column, met in MET.items() if met in header and column not in header}
    own |= {column: column for column in TEXT_COLUMNS if column in header}
    label = names.label or known_column(LABELS, header)
    for key, name in (("label", label), ("id", names.id or own.get("object_id")), ("disjoint", names.disjoint)):
        if name is None and key != "disjoint":
            missing = "culture" if key == "label" else "object_id"
            raise InputError(f"{file} has no column `{missing}`: name it with data.{key}=…")
        if name is not None and name not in header and name not in own:
            raise InputError(f"data.{key}={name}: {file} has no such column; {choices_hint(name, header)}")
    own |= {"culture": str(label), "object_id": names.id or own["object_id"]}
    further = [name for name in further_columns(names) if name not in own]
    wanted = dict.fromkeys([*own.values(), *further, *(["split"] if "split" in header else [])])
    text: dict[str, Any] = {"dtype": str, "keep_default_na": False, **csv_format(file).options()}
    read = read_csv(file, usecols=lambda name: name.strip() in wanted, **text)
    read = read.set_axis([str(name).strip() for name in read.columns], axis=1).apply(lambda cells: cells.str.strip())
    table = pd.DataFrame({column: read[name] for column, name in own.items()})
    table = table.assign(**{name: read[name] for name in wanted if name in further or name == "split"})
    blank = table["culture"] == ""
    if blank.any():
        log.info("left out of %s: %d without a label", file, blank.sum())
    repeated = table["object_id"].duplicated() & ~blank
    if repeated.any():
        log.warning("%s lists %d object(s) again; the first row of each is used", file, repeated.sum())
    table = table[~blank & ~repeated & (table["object_id"] != "")].reset_index(drop=True)
    museums = sorted(set(table["source"])) if "source" in table else []
    if len(museums) > 1:
        raise InputError(
            f"{file} lists objects of several museums ({', '.join(museums)}), which may have the same ids, and "
            "embeddings are joined by the id alone: keep the rows of the embeddings' museum"
        )
    log_merged_labels(table["culture"], file)
    # Without pictures, a painting's place is its id.
    return table.assign(image=table["object_id"].str.replace("/", "_"))
