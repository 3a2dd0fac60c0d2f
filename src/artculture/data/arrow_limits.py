"""Check of what parquet pages and Arrow files unpack to, by their headers, before anything is unpacked.

Arrow allocates what a page's header says, and ends the process if there is no memory: a page of 11 kB may say 1.5 GB.
The sums in the file's footer need not be those of the pages.
"""

import struct
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

from artculture.utils.errors import InputError

# Readers cut off the largest pictures at 100 MB; writers end a page of text at 1 MB.
MAX_PAGE_BYTES = 1 << 27
MAX_TEXT_PAGE_BYTES = 1 << 22
MAX_HEADER_BYTES = 1 << 20
MAX_ROWS = 10_000_000  # of a row group; a page of a few bytes may repeat one value as often as it says

# Types of Thrift's compact protocol, in which page headers are written.
STOP, TRUE, FALSE, BYTE, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = 0, 1, 2, 3, 7, 8, 9, 10, 11, 12


SCHEMA_MESSAGE = 1  # in Arrow's schema


class _CutError(Exception):
    """The header is longer than the bytes that were read."""


def check_uncompressed(parquet: Any, name: str, groups: Iterable[int] | None = None) -> None:
    """Check that row groups of a parquet file (None: all) have no compressed column, as no shard of artculture has.

    Raises:
        InputError: one has.
    """
    for group in range(parquet.num_row_groups) if groups is None else groups:
        row_group = parquet.metadata.row_group(group)
        if any(row_group.column(column).compression != "UNCOMPRESSED" for column in range(row_group.num_columns)):
            raise InputError(f"{name} is compressed, as no shard of artculture is: write the shards again")


def check_uncompressed_batches(messages: Iterable[Any], name: str) -> None:
    """Check that the messages of an Arrow file (`pyarrow.ipc.MessageReader`) hold no compressed batch.

    Raises:
        InputError: one is compressed, or can't be read.
    """
    try:
        compressed = any(_batch_is_compressed(message.metadata.to_pybytes()) for message in messages)
    except (struct.error, ValueError, OSError) as error:
        raise InputError(f"{name} is damaged ({error}): write the shards again") from error
    if compressed:
        raise InputError(f"{name} is compressed, as no index of artculture is: write the shards again")


def _batch_is_compressed(message: bytes) -> bool:
    """Return whether a message, a FlatBuffer of Arrow's schema, is a record batch with a `compression` field."""

    def number(form: str, at: int) -> int:
        return int(struct.unpack_from(form, message, at)[0])

    def field(table: int, index: int) -> int:
        layout = table - number("<i", table)
        return number("<H", layout + 4 + 2 * index) if 4 + 2 * index < number("<H", layout) else 0

    root = number("<I", 0)
    header = root + field(root, 2)
    kind = number("<B", root + field(root, 1))
    return kind != SCHEMA_MESSAGE and field(header + number("<I", header), 3) != 0


def check_pages(file: Any, parquet: Any, groups: Collection[int], columns: Collection[str], limit: int) -> None:
    """Check the page headers of some columns.

    Args:
        file: the file opened for reading, positions are changed.
        parquet: `pyarrow.parquet.ParquetFile` of the same file.
        groups: row groups to check.
        columns: names of top-level columns.
        limit: most bytes that a page may unpack to.

    Raises:
        InputError: a page unpacks to more, or has no readable header.
    """
    if any(parquet.metadata.row_group(group).num_rows > MAX_ROWS for group in groups):
        raise InputError(f"a row group has more than {MAX_ROWS:,} rows")
    chunks = [
        parquet.metadata.row_group(group).column(column)
        for group in groups
        for column in range(parquet.metadata.row_group(group).num_columns)
    ]
    wanted = [chunk for chunk in chunks if chunk.path_in_schema.partition(".")[0] in columns]
    read = _windowed(file, _runs([(_start(chunk), _end(chunk)) for chunk in wanted]))
    for chunk in sorted(wanted, key=_start):
        for size in _page_sizes(read, _start(chunk), _end(chunk)):
            if not 0 <= size <= limit:
                raise InputError(
                    f"the column {chunk.path_in_schema} has a page that unpacks to {size / 1e6:,.0f} MB, and at most "
                    f"{limit / 1e6:.0f} MB are read"
                )


def _start(chunk: Any) -> int:
    dictionary = chunk.dictionary_page_offset
    return int(dictionary if dictionary and dictionary < chunk.data_page_offset else chunk.data_page_offset)


def _end(chunk: Any) -> int:
    return _start(chunk) + int(chunk.total_compressed_size)


def _runs(parts: list[tuple[int, int]]) -> list[int]:
    """Return the ends of the contiguous runs that parts of a file (start, end) form, ascending."""
    ends: list[int] = []
    for start, end in sorted(parts):
        if ends and start <= ends[-1]:
            ends[-1] = max(end, ends[-1])
        else:
            ends.append(end)
    return ends


def _windowed(file: Any, ends: list[int], block: int = 1 << 16) -> Callable[[int, int], bytes]:
    """Return a function that reads (offset, length), with one read for neighbouring headers, not beyond `ends`."""
    held_at, held = 0, b""

    def read(offset: int, length: int) -> bytes:
        nonlocal held_at, held
        end = next((end for end in ends if end > offset), offset)
        length = min(length, end - offset)
        if not held_at <= offset <= offset + length <= held_at + len(held):
            file.seek(offset)
            held_at, held = offset, file.read(min(max(length, block), end - offset))
        return held[offset - held_at : offset - held_at + length]

    return read


def _page_sizes(read: Callable[[int, int], bytes], start: int, end: int) -> Iterator[int]:
    """Yield the unpacked size of each page between two offsets."""
    at = start
    while at < end:
        length, fields = _header(read, at)
        unpacked, packed = fields.get(2, -1), fields.get(3, -1)
        if packed < 0:
            raise InputError("a page has no size in its header: the file is damaged")
        yield unpacked
        at += length + packed


def _header(read: Callable[[int, int], bytes], at: int) -> tuple[int, dict[int, int]]:
    """Return the length of a page header, and its integers by field number."""
    size = 256
    while size <= MAX_HEADER_BYTES:
        data = read(at, size)
        try:
            parser = _Parser(data)
            fields = parser.struct()
            return parser.at, fields
        except _CutError:
            if len(data) < size:
                break
            size *= 8
    raise InputError("a page has no readable header: the file is damaged")


class _Parser:
    """Parser of Thrift's compact protocol that keeps the integers of the outer struct."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def struct(self, depth: int = 0) -> dict[int, int]:
        if depth > 16:
            raise _CutError
        fields: dict[int, int] = {}
        number = 0
        while (byte := self._byte()) != STOP:
            delta, kind = byte >> 4, byte & 15
            number = number + delta if delta else self._integer()
            value = self._value(kind, depth)
            if value is not None:
                fields[number] = value
        return fields

    def _value(self, kind: int, depth: int) -> int | None:
        if kind in (TRUE, FALSE):
            return None
        if BYTE < kind < DOUBLE:
            return self._integer()
        if kind == STRUCT:
            self.struct(depth + 1)
        elif kind in (LIST, SET):
            size, item = self._sized()
            for _ in range(size):
                self._item(item, depth)
        else:
            self._skip({BYTE: 1, DOUBLE: 8}.get(kind) or (self._varint() if kind == BINARY else len(self.data) + 1))
        return None

    def _item(self, kind: int, depth: int) -> None:
        if kind in (TRUE, FALSE):  # inside a list they take a byte
            self._skip(1)
        else:
            self._value(kind, depth)

    def _sized(self) -> tuple[int, int]:
        byte = self._byte()
        return (byte >> 4 if byte >> 4 < 15 else self._varint()), byte & 15

    def _byte(self) -> int:
        if self.at >= len(self.data):
            raise _CutError
        self.at += 1
        return self.data[self.at - 1]

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
            if shift > 63:
                raise _CutError

    def _integer(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)

    def _skip(self, length: int) -> None:
        self.at += length
        if self.at > len(self.data):
            raise _CutError
