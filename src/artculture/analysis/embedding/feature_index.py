"""Feature index: unit vectors of paintings with what to show of each, for searches for similar paintings."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from artculture.analysis.embedding.search import nearest, unit_vectors
from artculture.analysis.model_under_study import Embeddings, ModelUnderStudy
from artculture.training.result import versions
from artculture.utils.errors import InputError, reason_of
from artculture.utils.io import file_sha256, read_json, replacing, write_json
from artculture.utils.thumbnails import LARGEST, thumbnail

INDEX_FORMAT = 1
FACTS = "index.json"
VECTORS, PAINTINGS, THUMBNAILS, GRAPH = "vectors.npy", "paintings.parquet", "thumbnails.arrow", "vectors.faiss"
FILES = (VECTORS, PAINTINGS, THUMBNAILS, GRAPH, FACTS)
COLUMNS = ("source", "object_id", "title", "artist", "date", "culture", "object_url", "licence")
INSTALL_HINT = "pip install 'artculture[ann]'"
# Links per vector of the approximate index, and candidates that a search keeps: recall 0.9 and more at usual sizes.
LINKS, EXPLORED = 32, 128


@dataclass(frozen=True)
class Similar:
    """Paintings that are similar to some pictures.

    Attributes:
        positions: in the index, int64 M x k, most similar first.
        similarities: of the features' directions, -1..1, float32 M x k.
    """

    positions: NDArray[np.int64]
    similarities: NDArray[np.float32]


@dataclass(frozen=True)
class FeatureIndex:
    """An index in a folder, read from files that are mapped into memory.

    Attributes:
        folder: written by `write_index`.
        facts: content of its `index.json`.
    """

    folder: Path
    facts: dict[str, Any]

    @cached_property
    def vectors(self) -> NDArray[np.float32]:
        """Unit vectors, float32 N x features."""
        loaded: NDArray[np.float32] = np.load(self.folder / VECTORS, mmap_mode="r", allow_pickle=False)
        return loaded

    @cached_property
    def paintings(self) -> pd.DataFrame:
        """`COLUMNS` and `split` of each painting."""
        return pd.read_parquet(self.folder / PAINTINGS)

    @cached_property
    def _thumbnails(self) -> pa.ChunkedArray:
        with pa.memory_map(str(self.folder / THUMBNAILS)) as source:
            return pa.ipc.open_file(source).read_all().column(0)

    @cached_property
    def _graph(self) -> Any:
        import faiss

        graph: Any = faiss.read_index(str(self.folder / GRAPH))
        graph.hnsw.efSearch = EXPLORED
        return graph

    def __len__(self) -> int:
        return int(self.facts["paintings"])

    def search(self, features: NDArray[np.float32], k: int) -> Similar:
        """Return the most similar paintings.

        Args:
            features: of the pictures, float32 M x features, of the classifier that the index was made with.
            k: paintings per picture; at most those of the index are returned.
        """
        queries = unit_vectors(features.astype(np.float32))
        k = min(k, len(self))
        if not self.facts["approximate"]:
            positions, similarities = nearest(self.vectors, queries, k)
        else:
            similarities, positions = self._graph.search(queries, k)
        return Similar(positions.astype(np.int64), similarities.astype(np.float32))

    def thumbnail(self, position: int) -> bytes:
        """Return a small JPEG of a painting."""
        content: bytes = self._thumbnails[position].as_py()
        return content


def check_approximate() -> None:
    """Check that the library of the approximate search is installed.

    Raises:
        InputError: it is not.
    """
    if find_spec("faiss") is None:
        raise InputError(f"approximate=true needs faiss: {INSTALL_HINT}")


def write_index(
    model: ModelUnderStudy, embeddings: Embeddings, split: str, folder: Path, *, approximate: bool = False
) -> FeatureIndex:
    """Write an index of paintings.

    Args:
        model: classifier and paintings.
        embeddings: of the paintings.
        split: of the paintings to keep, or `all`.
        folder: made if missing; files of an earlier index are replaced.
        approximate: search in a graph (HNSW) instead of comparing with every vector.

    Raises:
        InputError: there are no such paintings, or faiss is missing.
    """
    rows = np.arange(len(embeddings.labels)) if split == "all" else embeddings.members(split)
    if len(rows) == 0:
        raise InputError(f"no painting is in the split `{split}`: give split=all, or other paintings by data=…")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FACTS).unlink(missing_ok=True)  # written last: an index with it is whole
    vectors = unit_vectors(embeddings.features[rows].astype(np.float32))
    with replacing(folder / VECTORS) as temporary, temporary.open("wb") as file:
        np.save(file, vectors)
    _write_paintings(model, embeddings, rows, folder)
    (folder / GRAPH).unlink(missing_ok=True)
    if approximate:
        _write_graph(vectors, folder / GRAPH)
    facts = {
        "format": INDEX_FORMAT,
        "checkpoint_sha256": file_sha256(model.checkpoint),
        "data": model.data,
        "split": split,
        "paintings": len(rows),
        "features": int(vectors.shape[1]),
        "classes": list(embeddings.classes),
        "approximate": approximate,
        "versions": versions(),
    }
    write_json(folder / FACTS, facts)
    return FeatureIndex(folder, facts)


def open_index(folder: Path, checkpoint_sha256: str | None = None) -> FeatureIndex:
    """Return the index in a folder.

    Args:
        folder: written by `write_index`.
        checkpoint_sha256: of the classifier whose features are searched; None for no check.

    Raises:
        InputError: there is none, it is of another version or another checkpoint, or it is not whole.
    """
    make = "make one with `artculture index checkpoint=…`"
    if not (folder / FACTS).is_file():
        raise InputError(f"no feature index in {folder}: {make}")
    index = FeatureIndex(folder, read_json(folder / FACTS))
    if index.facts.get("format") != INDEX_FORMAT:
        raise InputError(f"{folder} has format {index.facts.get('format')}, this version reads {INDEX_FORMAT}: {make}")
    if checkpoint_sha256 is not None and index.facts["checkpoint_sha256"] != checkpoint_sha256:
        raise InputError(f"{folder} was made with another checkpoint, whose features can't be compared: {make}")
    if index.facts["approximate"]:
        check_approximate()
    try:
        whole = index.vectors.shape == (len(index), index.facts["features"]) and len(index.paintings) == len(index)
    except Exception as error:  # numpy and pyarrow raise many kinds for files that are not theirs
        raise InputError(f"{folder} is damaged ({reason_of(error)}): {make}") from error
    if not whole:
        raise InputError(f"{folder} is damaged (its files do not belong together): {make}")
    return index


def _write_paintings(model: ModelUnderStudy, embeddings: Embeddings, rows: NDArray[np.int64], folder: Path) -> None:
    selection, cache = model.paintings.selection, model.paintings.cache
    table = selection.manifest.table.iloc[rows][list(COLUMNS)].assign(split=embeddings.split[rows])
    with replacing(folder / PAINTINGS) as temporary:
        table.reset_index(drop=True).to_parquet(temporary, index=False)
    schema = pa.schema([("jpeg", pa.binary())])
    with (
        replacing(folder / THUMBNAILS) as temporary,
        pa.OSFile(str(temporary), "wb") as file,
        pa.ipc.new_file(file, schema) as writer,
    ):
        for part in _parts(rows):
            pictures = [thumbnail(cache.image(int(selection.rows[row])), LARGEST) for row in part]
            writer.write_batch(pa.record_batch([pa.array(pictures, pa.binary())], schema=schema))


def _parts(rows: NDArray[np.int64], size: int = 1000) -> Sequence[NDArray[np.int64]]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _write_graph(vectors: NDArray[np.float32], path: Path) -> None:
    check_approximate()
    import faiss

    graph = faiss.IndexHNSWFlat(vectors.shape[1], LINKS, faiss.METRIC_INNER_PRODUCT)
    graph.add(vectors)
    with replacing(path) as temporary:
        faiss.write_index(graph, str(temporary))
