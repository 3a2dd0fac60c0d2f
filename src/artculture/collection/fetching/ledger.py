"""The ledger of a fetch: what was asked, answered, kept and failed; a killed run goes on from it.

An SQLite file: its transactions survive a kill at any moment, and one file replaces thousands of small ones.
"""

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from artculture.collection.fetching.records import Record
from artculture.errors import InputError
from artculture.files import json_text

SCHEMA = """
create table if not exists pages (
  route text, query text, body text not null, at text not null, primary key (route, query));
create table if not exists records (
  route text, object_id text, body text not null, primary key (route, object_id));
create table if not exists pictures (
  source text, object_id text, variant text, image text not null, url text not null, sha256 text not null,
  width integer not null, height integer not null, bytes integer not null,
  primary key (source, object_id, variant));
create table if not exists failures (
  source text, object_id text, title text not null, url text not null, reason text not null,
  tries integer not null, at text not null, primary key (source, object_id));
"""


class Ledger:
    """Safe to use from several threads of the one process that holds the folder's lock.

    What a museum clean_text is kept by route (`met`, `met_csv`, `met_hub`), pictures and failures by the `source`
    of the manifest (`met` for all three).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        try:
            # Exclusive: without shared memory, so that it works on network folders too.
            self._connection.execute("pragma locking_mode=exclusive")
            self._connection.execute("pragma journal_mode=wal")
            self._connection.execute("pragma synchronous=normal")
            self._connection.executescript(SCHEMA)
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise InputError(f"{path} is damaged ({error}); delete it, and the same command starts over") from error

    def close(self) -> None:
        self._connection.close()

    def _all(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        with self._lock:
            return self._connection.execute(sql, values).fetchall()

    def _one(self, sql: str, *values: Any) -> sqlite3.Row | None:
        rows = self._all(sql, *values)
        return rows[0] if rows else None

    def page(self, route: str, query: str) -> Any | None:
        """The answer kept for a question of the survey, or None."""
        row = self._one("select body from pages where route = ? and query = ?", route, query)
        return None if row is None else json.loads(row["body"])

    def add_page(self, route: str, query: str, body: Any) -> None:
        text = json_text(body, compact=True)
        self._all("insert or replace into pages values (?, ?, ?, ?)", route, query, text, _now())

    def surveyed_at(self, route: str) -> str | None:
        """When the oldest answer of the survey was given."""
        row = self._one("select min(at) as at from pages where route = ?", route)
        return None if row is None else row["at"]

    def record(self, route: str, object_id: str) -> Record | None:
        row = self._one("select body from records where route = ? and object_id = ?", route, object_id)
        return None if row is None else Record.from_json(row["body"])

    def add_records(self, route: str, records: Iterable[Record]) -> None:
        rows = [(route, record.object_id, record.to_json()) for record in records]
        with self._lock:
            self._connection.execute("begin")
            self._connection.executemany("insert or replace into records values (?, ?, ?)", rows)
            self._connection.execute("commit")

    def picture(self, source: str, object_id: str, variant: str) -> sqlite3.Row | None:
        """Columns image (relative path), url, sha256, width, height, bytes."""
        return self._one(
            "select * from pictures where source = ? and object_id = ? and variant = ?",
            source,
            object_id,
            variant,
        )

    def picture_url(self, source: str) -> str | None:
        """The address of some picture that was had, or None."""
        row = self._one("select url from pictures where source = ? order by rowid desc limit 1", source)
        return None if row is None else row["url"]

    def add_picture(
        self, source: str, object_id: str, variant: str, image: str, url: str,
        *, sha256: str, width: int, height: int, size: int,
    ) -> None:  # fmt: skip
        self._all(
            "insert or replace into pictures values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            source, object_id, variant, image, url, sha256, width, height, size,
        )  # fmt: skip

    def failures(self) -> Iterator[sqlite3.Row]:
        yield from self._all("select * from failures order by source, object_id")

    def add_failure(self, source: str, object_id: str, title: str, url: str, reason: str) -> None:
        self._all(
            "insert into failures values (?, ?, ?, ?, ?, 1, ?) on conflict do update set "
            "title = excluded.title, url = excluded.url, reason = excluded.reason, at = excluded.at, "
            "tries = tries + 1",
            source, object_id, title, url, reason, _now(),
        )  # fmt: skip

    def clear_failure(self, source: str, object_id: str) -> None:
        self._all("delete from failures where source = ? and object_id = ?", source, object_id)

    def clear_answers(self, route: str) -> None:
        """Drop what the museum clean_text on this route, so that it is asked again; pictures stay."""
        self._all("delete from pages where route = ?", route)
        self._all("delete from records where route = ?", route)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
