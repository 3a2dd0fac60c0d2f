"""The Metropolitan Museum's own table, MetObjects.csv, instead of its search; pictures still by its API.

The table says which paintings belong to which culture and which are in the public domain, but holds no
picture addresses: those are asked for, one request an object that is kept.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from artculture.collection.fetching import museum
from artculture.collection.fetching.download import download_file
from artculture.collection.fetching.museum import Claims, claims_of
from artculture.collection.fetching.records import Record
from artculture.collection.museums.met import api_record
from artculture.collection.museums.met_table import COLUMNS, REQUIRED, is_painting, table_record
from artculture.errors import InputError

ROWS = 20_000  # rows of the table in memory at once
API_ROUTE = "met"  # records of the API are kept under its own route, and shared with it


class Options(museum.Options):
    """`path` is the table's address or its place on this machine; `words` make an object a painting."""

    path: str
    words: list[str]


class Museum(museum.Museum):
    source: ClassVar[str] = "met"
    options_class = Options
    options: Options

    async def list_claims(self) -> Claims:
        table = await self._table()
        stamp = table.stat()
        key = f"{table} {stamp.st_size} {stamp.st_mtime_ns} {self.options.words}"
        object_ids: list[str] | None = self.ledger.page(self.name, key)
        if object_ids is None:
            object_ids = await asyncio.to_thread(self._read, table)
            self.ledger.add_page(self.name, key, object_ids)
        records = (self.ledger.record(self.name, object_id) for object_id in object_ids)
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
        """Put the paintings of the table into the ledger; their ids in the table's order."""
        object_ids = []
        for records in read_paintings(table, self.options.words):
            self.ledger.add_records(self.name, records)
            object_ids += [record.object_id for record in records]
        return object_ids

    def known_record(self, object_id: str) -> Record | None:
        row = self.ledger.record(self.name, object_id)
        if row is not None and not row.is_public_domain:
            return row
        return self.ledger.record(API_ROUTE, object_id)

    async def record(self, object_id: str) -> Record:
        known = self.known_record(object_id)
        if known is not None:
            return known
        record = await self.fetch_record(object_id)
        self.ledger.add_records(API_ROUTE, [record])
        return record

    async def fetch_record(self, object_id: str) -> Record:
        return api_record(await self.http.json(f"{self.options.base_url.rstrip('/')}/objects/{object_id}"))

    def clear_cache(self) -> None:
        super().clear_cache()
        self.ledger.clear_answers(API_ROUTE)
        self.ledger.path.with_name("MetObjects.csv").unlink(missing_ok=True)


def read_paintings(table: Path, words: list[str]) -> Iterator[list[Record]]:
    """The paintings of MetObjects.csv, a piece of the table at a time.

    Raises:
        InputError: it is not that table.
    """
    with table.open("rb") as file:
        if file.read(40).startswith(b"version https://git-lfs"):
            raise InputError(f"{table} is only a Git LFS pointer to the table: download the file itself")
    try:
        have = set(pd.read_csv(table, nrows=0, encoding="utf-8-sig").columns)
        missing = [column for column in REQUIRED if column not in have]
        if missing:
            raise InputError(f"{table} is not MetObjects.csv: it lacks {', '.join(f'`{name}`' for name in missing)}")
        pieces = pd.read_csv(
            table, dtype=str, keep_default_na=False, encoding="utf-8-sig", chunksize=ROWS,
            usecols=[column for column in COLUMNS if column in have],
        )  # fmt: skip
        for piece in pieces:
            rows: list[dict[Any, Any]] = piece.to_dict("records")
            records = [table_record(row) for row in rows]
            yield [record for record in records if record.object_id and is_painting(record, words)]
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InputError(f"{table} is not a readable table: {error}; download it anew") from error
