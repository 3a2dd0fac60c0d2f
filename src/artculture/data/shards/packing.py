"""Writing of one shard and of the index of all shards."""

import hashlib
import io
import threading
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from artculture.data.decoding import BadImageError, check_file, read_pixels, upright_size
from artculture.data.manifest import SIZE_COLUMNS
from artculture.data.selection import Selection
from artculture.data.shards.listing import INDEX_SCHEMA, TEXTS, Shard, shard_schema
from artculture.data.shards.storage import Storage
from artculture.utils.errors import InputError, WorkError

# Images held in memory at once, and read at once when a single one is requested.
ROW_GROUP = 64
# Rows of the index written at a time.
INDEX_ROWS = 65_536
# Size, in pixels, at which an image is decoded to check it: JPEG then skips most arithmetic but reads all data.
PROBE = 64


@dataclass(frozen=True)
class Packing:
    """Options of storing images.

    Attributes:
        shorter_side: pixels of the shorter side of re-encoded JPEGs; None keeps each file unchanged.
        quality: Pillow's quality of re-encoded JPEGs.
        skip_bad: leave out unreadable images instead of raising.
    """

    shorter_side: int | None
    quality: int
    skip_bad: bool

    def facts(self) -> tuple[Any, ...]:
        return astuple(self)


def write_shard(
    file: Path, selection: Selection, rows: NDArray[np.int64], packing: Packing, stopped: threading.Event
) -> dict[str, str]:
    """Write a shard and return the reason per unreadable image.

    Args:
        file: file to write.
        selection: paintings.
        rows: rows of this shard, in its order.
        packing: options of storing images.
        stopped: stops the work with an error when set.

    Raises:
        InputError: an image is unreadable and `skip_bad` is false.
    """
    bad: dict[str, str] = {}
    schema = shard_schema()
    options: dict[str, Any] = {"compression": "none", "use_dictionary": list(TEXTS), "write_statistics": False}
    with pq.ParquetWriter(file, schema, write_page_checksum=True, **options) as writer:
        for start in range(0, len(rows), ROW_GROUP):
            if stopped.is_set():
                raise WorkError("stopped, for another shard could not be written")
            part = rows[start : start + ROW_GROUP]
            group = _group(selection, part, packing, bad)
            if bad and not packing.skip_bad:
                image, why = next(iter(bad.items()))
                raise InputError(
                    f"{image} can't be read ({why}): repair or remove it, or leave such pictures out with "
                    "data.on_bad_image=skip"
                )
            writer.write_table(group)
    return bad


def _group(selection: Selection, rows: NDArray[np.int64], packing: Packing, bad: dict[str, str]) -> pa.Table:
    manifest = selection.manifest
    images, sizes, contents, kept = [], [], [], []
    for row in rows.tolist():
        path = str(manifest.table["image"].iat[row])
        try:
            picture, size, content = _encode(manifest.picture(row), packing)
        except BadImageError as error:
            bad[path] = str(error)
            continue
        images.append({"bytes": picture, "path": path})
        sizes.append(size)
        # An image that comes from other shards keeps the hash of its original file.
        contents.append(content or str(manifest.table["sha256"].iat[row]))
        kept.append(row)
    table = manifest.table.iloc[kept].assign(split=selection.split[kept])
    height, width = np.array(sizes, dtype=np.int64).reshape(-1, 2).T
    table = table.assign(height=height, width=width, sha256=contents)
    schema = shard_schema()
    columns = {"image": pa.array(images, schema.field("image").type)}
    columns |= {name: pa.array(table[name].astype(str), pa.string()) for name in TEXTS}
    columns |= {name: pa.array(table[name].to_numpy(), pa.int64()) for name in SIZE_COLUMNS}
    return pa.table(columns, schema=schema)


def _encode(source: Path | bytes, packing: Packing) -> tuple[bytes, tuple[int, int], str]:
    """Return the bytes to store, height and width, and the SHA-256 of the file ("" if `source` is bytes)."""
    if isinstance(source, Path):
        check_file(source)
    picture = source if isinstance(source, bytes) else source.read_bytes()
    content = hashlib.sha256(picture).hexdigest() if isinstance(source, Path) else ""
    if packing.shorter_side is None:
        read_pixels(picture, PROBE, "bilinear")
        return picture, upright_size(picture), content
    pixels = read_pixels(picture, packing.shorter_side, "bicubic")
    with io.BytesIO() as out:
        Image.fromarray(pixels).save(out, "JPEG", quality=packing.quality, subsampling=0)
        return out.getvalue(), (pixels.shape[0], pixels.shape[1]), content


def write_index(storage: Storage, shards: list[Shard], file: Path) -> None:
    """Write the index of some shards from their own columns, without reading images."""
    with pa.OSFile(str(file), "wb") as out, pa.ipc.new_file(out, INDEX_SCHEMA) as writer:
        for table in _index_tables(storage, shards):
            writer.write_table(table.combine_chunks())


def _index_tables(storage: Storage, shards: list[Shard]) -> Iterator[pa.Table]:
    """Yield the shards' rows in large tables, because an index of many small batches is slow to read."""
    held: list[pa.Table] = []
    for shard in shards:
        held.append(storage.read(shard.name, _index_table))
        if sum(len(table) for table in held) >= INDEX_ROWS:
            yield pa.concat_tables(held)
            held = []
    if held:
        yield pa.concat_tables(held)


def _index_table(file: Any) -> pa.Table:
    columns = ["image.path", *TEXTS, *SIZE_COLUMNS]
    table = pq.ParquetFile(file, page_checksum_verification=True).read(columns=columns)
    image = table.column("image").combine_chunks().field("path")
    return table.drop_columns("image").append_column("image", image).select(INDEX_SCHEMA.names).cast(INDEX_SCHEMA)
