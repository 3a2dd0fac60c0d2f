"""Parquet files of embeddings: one row per object, with the columns `objectID`, `embedding`, `model` and `dim`."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from artculture.data.arrow_limits import MAX_PAGE_BYTES, check_pages
from artculture.utils.errors import InputError, choices_hint, reason_of

ROWS = 2048  # in memory at once
BUFFER = 4 << 20  # bytes of a column read ahead
IDS = ("objectid", "object_id", "object id")  # names of the column of ids, in lower case
EMBEDDING, MODEL = "embedding", "model"


@dataclass(frozen=True)
class EmbeddingFiles:
    """Files of the embeddings of one model.

    Attributes:
        files: the files, in the order in which they are read.
        id: name of the column of ids.
        model: the model that made them; "" where the files do not say.
        dim: length of a vector.
        rows: rows of this model.
        other_length: rows of vectors of another length, which are left out.
    """

    files: list[Path]
    id: str
    model: str
    dim: int
    rows: int
    other_length: int

    def vectors(self) -> Iterator[tuple[list[str], NDArray[np.float32]]]:
        """Yield ids and vectors (float32, N x dim) of some rows at a time."""
        for batch in _batches(self.files, self.id, self.model):
            lengths = _lengths(batch)
            chosen = batch.filter(pa.array(lengths == self.dim))
            flat = chosen.column(EMBEDDING).flatten().to_numpy(zero_copy_only=False)
            ids = [str(value) for value in chosen.column(self.id).to_pylist()]
            yield ids, np.asarray(flat, dtype=np.float32).reshape(len(ids), self.dim)


@dataclass
class _Found:
    models: Counter[str] = field(default_factory=Counter)
    lengths: Counter[tuple[str, int]] = field(default_factory=Counter)


def find_embeddings(path: str, model: str | None) -> EmbeddingFiles:
    """Return the files of the embeddings in a file or folder, which is searched for `*.parquet`.

    Args:
        path: the file or folder.
        model: the model whose embeddings are meant; None where there is one alone.

    Raises:
        InputError: no such files, a column missing, or several models.
    """
    where, place = f"data.path={path}", Path(path).expanduser()
    files = sorted(place.rglob("*.parquet")) if place.is_dir() else [place]
    if not files or not all(file.is_file() for file in files):
        raise InputError(f"{where}: no parquet file there; give a file of embeddings, or a folder of such files")
    column = _id_column(files[0], where)
    found = _Found()
    for batch in _batches(files, column, None):
        models = batch.column(MODEL).to_pylist() if MODEL in batch.schema.names else [""] * len(batch)
        names = [str(value or "") for value in models]
        found.models.update(names)
        found.lengths.update(zip(names, _lengths(batch).tolist(), strict=True))
    chosen = _chosen_model(found, model, where)
    lengths = Counter({length: n for (name, length), n in found.lengths.items() if name == chosen and length > 0})
    if not lengths:
        raise InputError(f"{where} has no vectors of the model `{chosen}`")
    dim = lengths.most_common(1)[0][0]
    rows = found.models[chosen]
    return EmbeddingFiles(files, column, chosen, dim, rows, rows - lengths[dim])


def _chosen_model(found: _Found, model: str | None, where: str) -> str:
    if not found.models:
        raise InputError(f"{where} has no rows")
    if model is None and len(found.models) > 1:
        names = ", ".join(sorted(found.models))
        raise InputError(f"{where} has embeddings of several models ({names}): choose one with data.model=…")
    if model is not None and model not in found.models:
        raise InputError(f"data.model={model}: {where} has none of it; {choices_hint(model, found.models)}")
    return next(iter(found.models)) if model is None else model


def _id_column(file: Path, where: str) -> str:
    names = _opened(file).schema_arrow.names
    found = next((name for name in names if name.casefold() in IDS), None)
    if found is None or EMBEDDING not in names:
        missing = "objectID" if found is None else EMBEDDING
        raise InputError(f"{where}: {file.name} lacks the column `{missing}`; its columns: {', '.join(names)}")
    return str(found)


def _opened(file: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(file, pre_buffer=False, buffer_size=BUFFER)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{file} is not a readable parquet file ({reason_of(error)})") from error


def _batches(files: list[Path], column: str, model: str | None) -> Iterator[pa.RecordBatch]:
    """Yield the rows of some files, of one model where it is given."""
    for file in files:
        with _opened(file) as parquet:
            names = parquet.schema_arrow.names
            if missing := [name for name in (column, EMBEDDING) if name not in names]:
                raise InputError(f"{file} lacks the column `{missing[0]}`, which {files[0]} has")
            if not pa.types.is_list(kind := parquet.schema_arrow.field(EMBEDDING).type) and not (
                pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
            ):
                raise InputError(f"{file}: `{EMBEDDING}` holds {kind}, not lists of numbers")
            wanted = [column, EMBEDDING, *([MODEL] if MODEL in names else [])]
            with file.open("rb") as opened:
                check_pages(opened, parquet, range(parquet.num_row_groups), wanted, MAX_PAGE_BYTES)
            try:
                for batch in parquet.iter_batches(batch_size=ROWS, columns=wanted):
                    yield batch if model is None or MODEL not in names else _of_model(batch, model)
            except (pa.ArrowException, OSError) as error:
                raise InputError(f"{file} is damaged ({reason_of(error)})") from error


def _of_model(batch: pa.RecordBatch, model: str) -> pa.RecordBatch:
    return batch.filter(pa.array([str(name or "") == model for name in batch.column(MODEL).to_pylist()]))


def _lengths(batch: pa.RecordBatch) -> NDArray[np.int64]:
    """Return the length of each vector; 0 for a missing one, or one that holds a missing number."""
    import pyarrow.compute as pc

    column = batch.column(EMBEDDING)
    lengths: NDArray[np.int64] = (
        pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    )
    if column.flatten().null_count:
        parents = pc.list_parent_indices(column).to_numpy()
        lengths[parents[pc.is_null(column.flatten()).to_numpy(zero_copy_only=False)]] = 0
    return lengths
