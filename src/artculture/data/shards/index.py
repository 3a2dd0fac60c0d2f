"""Memory-mapped manifest of a folder of shards, which takes little memory for millions of rows."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock
from numpy.typing import NDArray

from artculture.data.arrow_limits import check_uncompressed, check_uncompressed_batches
from artculture.data.cache.folder import make_private
from artculture.data.manifest import COLUMNS, Manifest
from artculture.data.shards.listing import INDEX, INDEX_SCHEMA, LISTING, Listing, Shard, parse_listing
from artculture.data.shards.storage import Storage
from artculture.utils.errors import InputError
from artculture.utils.io import replacing

# Largest index: mostly some hundred bytes for each painting.
INDEX_BYTES, INDEX_BYTES_PER_ROW = 64 << 20, 50_000
# Bytes before the stream in an Arrow file.
STREAM_START = 8
# Columns with few distinct values, kept as pandas categories.
REPEATING = ("source", "culture", "medium", "licence", "split")


@dataclass(frozen=True)
class ShardSet:
    """Shards of a folder.

    Attributes:
        storage: folder or object store that holds them.
        listing: their names, hashes and lengths.
        starts: first row of each in the whole manifest, int64, shards + 1.
    """

    storage: Storage
    listing: Listing
    starts: NDArray[np.int64]

    def shard_of(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the number of the shard that holds each row of the whole manifest."""
        return np.searchsorted(self.starts, rows, side="right") - 1

    def shard(self, number: int) -> Shard:
        return self.listing.shards[number]


@dataclass(frozen=True)
class ShardedManifest(Manifest):
    """Manifest of paintings whose images are in shards.

    Attributes:
        shards: shards that hold the images.
        rows: row of each painting in the whole manifest, int64.
    """

    shards: ShardSet
    rows: NDArray[np.int64]

    @property
    def has_files(self) -> bool:
        return False

    def paths(self) -> list[Path]:
        raise AssertionError("pictures in shards have no files of their own")

    def part(self, table: pd.DataFrame) -> "ShardedManifest":
        return ShardedManifest(self.root, table.reset_index(drop=True), self.shards, self.rows[table.index.to_numpy()])

    def picture(self, row: int) -> bytes:
        """Return the content of an image file; only the row group that holds it is read from its shard."""
        at = int(self.rows[row])
        number = int(self.shards.shard_of(np.array([at]))[0])
        offset = at - int(self.shards.starts[number])

        name = self.shards.shard(number).name

        def read(file: Any) -> bytes:
            shard = pq.ParquetFile(file, page_checksum_verification=True)
            before = 0
            for group in range(shard.num_row_groups):
                length = shard.metadata.row_group(group).num_rows
                if offset < before + length:
                    check_uncompressed(shard, name, [group])
                    column = shard.read_row_group(group, columns=["image.bytes"]).column("image")
                    return bytes(column[offset - before]["bytes"].as_py())
                before += length
            raise AssertionError("the index and the shards hold the same rows")

        return self.shards.storage.read(name, read)


def read_sharded(root: str, cache: Path) -> ShardedManifest:
    """Read the manifest of a folder of shards.

    Args:
        root: the folder's path or address.
        cache: folder for the index of a remote folder.

    Raises:
        InputError: no shards, or an unknown format.
        ShardError: the store does not answer, or the index is corrupt.
    """
    storage = Storage(root)
    try:
        listing = parse_listing(storage.read_text(LISTING), f"{storage}/{LISTING}")
    except FileNotFoundError as error:
        raise InputError(
            f"no {LISTING} in {storage}: `artculture shard data=… shards={storage}` writes shards there, and {LISTING} "
            "when all are whole"
        ) from error
    index = _index_file(storage, listing, cache)
    with pa.memory_map(str(index)) as mapped:
        # The file is read as the stream that it contains, whose batches are the checked ones.
        mapped.seek(STREAM_START)
        check_uncompressed_batches(pa.ipc.MessageReader.open_stream(mapped), f"{storage}/{INDEX}")
        mapped.seek(STREAM_START)
        table = pa.ipc.open_stream(mapped).read_all()
    lengths = [shard.rows for shard in listing.shards]
    if table.schema != INDEX_SCHEMA or len(table) != sum(lengths):
        raise InputError(f"{storage}/{INDEX} does not match {LISTING}: write the shards again")
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    shards = ShardSet(storage, listing, starts)
    return ShardedManifest(index.parent, _frame(table), shards, np.arange(len(table), dtype=np.int64))


def _index_file(storage: Storage, listing: Listing, cache: Path) -> Path:
    if storage.local is not None:
        with storage.fetched(INDEX, listing.index_sha256, storage.local, 0) as file:
            return file
    kept = cache / "shards" / "index" / f"{listing.index_sha256}.arrow"
    if kept.is_file():
        return kept
    make_private(kept.parent)
    with FileLock(kept.with_suffix(".lock")):
        if not kept.is_file():
            largest = INDEX_BYTES + INDEX_BYTES_PER_ROW * sum(shard.rows for shard in listing.shards)
            fetched = storage.fetched(INDEX, listing.index_sha256, kept.parent, largest)
            with fetched as file, replacing(kept) as temporary:
                file.rename(temporary)
    return kept


def _frame(table: pa.Table) -> pd.DataFrame:
    """Convert the table to pandas without copying the mapped text."""
    for name in REPEATING:
        table = table.set_column(table.schema.get_field_index(name), name, table[name].dictionary_encode())
    text = pd.StringDtype("pyarrow")
    frame: pd.DataFrame = table.unify_dictionaries().to_pandas(
        types_mapper=lambda kind: text if pa.types.is_large_string(kind) else None
    )
    return frame[[*COLUMNS, "split"]]
