"""Metropolitan Museum by its table of all objects, MetObjects.csv, instead of its search.

The table has culture and rights of every object but no image addresses: those come from the API, one request for each
object that is kept.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

import pandas as pd

from artculture.collection.fetching import museum
from artculture.collection.fetching.download import download_file
from artculture.collection.fetching.museum import Claims, claims_of
from artculture.collection.fetching.records import Record
from artculture.collection.museums.met import api_record
from artculture.collection.museums.met_table import COLUMNS, REQUIRED, is_painting, table_record
from artculture.utils.errors import InputError
from artculture.utils.tables import csv_error, csv_format

ROWS = 20_000  # rows of the table in memory at once
API_NAME = "met"  # records of the API are cached under the name of its own config, and shared with it


class Options(museum.Options):
    """Options of the table.

    Attributes:
        path: local file or address of MetObjects.csv.
        words: an object is a painting if its classification or name contains one of them.
    """

    path: str
    words: list[str]


class Museum(museum.Museum):
    """The Metropolitan Museum's table."""

    source: ClassVar[str] = "met"
    options_class = Options
    options: Options

    async def list_claims(self) -> Claims:
        table = await self._table()
        # The key changes with the file, so that a new table is read again.
        stamp = table.stat()
        key = f"{table} {stamp.st_size} {stamp.st_mtime_ns} {self.options.words}"
        read: dict[str, Any] | None = self.ledger.page(self.name, key)
        if read is None:
            read = {"object_ids": await asyncio.to_thread(self._read, table), "rejected": self.rejected}
            self.ledger.add_page(self.name, key, read)
        self.rejected = read["rejected"]
        records = (self.ledger.record(self.name, object_id) for object_id in read["object_ids"])
        return claims_of((record for record in records if record), self.context.cultures)

    async def _table(self) -> Path:
        path = self.options.path
        if not path.startswith(("http://", "https://")):
            if not Path(path).is_file():
                raise InputError(f"no table at {path}; give MetObjects.csv or its address as source.path=…")
            return Path(path)
        target = self.ledger.path.with_name("MetObjects.csv")
        if not target.is_file():
            await download_file(self.http, path, target, self.context.task)
        return target

    def _read(self, table: Path) -> list[str]:
        """Add the table's paintings to the ledger; return their ids in the table's order."""
        object_ids = []
        for rows in read_rows(table):
            parsed = (self.parsed(row, f"row {number} of {table.name}", table_record) for number, row in rows)
            records = [record for record in parsed if record and is_painting(record, self.options.words)]
            self.ledger.add_records(self.name, records)
            object_ids += [record.object_id for record in records]
        return object_ids

    def known_record(self, object_id: str) -> Record | None:
        # The table's record has no image address, so it only counts where none is needed.
        row = self.ledger.record(self.name, object_id)
        if row is not None and not row.is_public_domain:
            return row
        return self.ledger.record(API_NAME, object_id)

    async def record(self, object_id: str) -> Record:
        known = self.known_record(object_id)
        if known is not None:
            return known
        record = await self.fetch_checked_record(object_id)
        self.ledger.add_records(API_NAME, [record])
        return record

    async def fetch_record(self, object_id: str) -> Record:
        return api_record(
            await self.http.json(f"{self.options.base_url.rstrip('/')}/objects/{quote(object_id, safe='')}")
        )

    def clear_cache(self) -> None:
        super().clear_cache()
        self.ledger.clear_answers(API_NAME)
        self.ledger.path.with_name("MetObjects.csv").unlink(missing_ok=True)


def read_rows(table: Path) -> Iterator[Iterator[tuple[int, dict[Any, Any]]]]:
    """Yield the rows of MetObjects.csv that have an id, in chunks, each as (number, counted from 1, values).

    Raises:
        InputError: the file is another table, or cannot be read.
    """
    with table.open("rb") as file:
        # A clone of the museum's repository without Git LFS has a pointer of three lines instead of the table.
        if file.read(40).startswith(b"version https://git-lfs"):
            raise InputError(f"{table} is only a Git LFS pointer to the table: download the file itself")
    try:
        form = csv_format(table)
        have = set(pd.read_csv(table, nrows=0, sep=form.delimiter, encoding=form.encoding).columns)
        missing = [column for column in REQUIRED if column not in have]
        if missing:
            raise InputError(f"{table} is not MetObjects.csv: it lacks {', '.join(f'`{name}`' for name in missing)}")
        # All columns are text: `NA` is a value, and numbers keep their zeros. The file begins with a byte-order mark.
        pieces = pd.read_csv(
            table, dtype=str, keep_default_na=False, chunksize=ROWS, sep=form.delimiter, encoding=form.encoding,
            usecols=[column for column in COLUMNS if column in have],
        )  # fmt: skip
        for piece in pieces:
            rows: list[dict[Any, Any]] = piece.to_dict("records")
            numbered = zip(piece.index + 1, rows, strict=True)
            yield ((int(number), row) for number, row in numbered if row["Object ID"].strip())
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InputError(f"{table} is not a readable table: {csv_error(error, table)}; download it again") from error
