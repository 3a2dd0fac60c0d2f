"""Ledger of a fetch, an SQLite file: cached answers, downloaded images and failures, from which a run resumes.

SQLite transactions survive a kill at any moment, and one file replaces thousands of small ones.
"""

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from artculture.collection.fetching.records import Record, stored_text
from artculture.utils.addresses import stored_address, without_user_info
from artculture.utils.errors import InputError
from artculture.utils.io import json_text
from artculture.utils.secrets import hidden

SCHEMA = """
create table if not exists pages (
  name text, query text, body text not null, at text not null, primary key (name, query));
create table if not exists records (
  name text, object_id text, body text not null, primary key (name, object_id));
create table if not exists pictures (
  source text, object_id text, variant text, image text not null, url text not null, sha256 text not null,
  width integer not null, height integer not null, bytes integer not null,
  primary key (source, object_id, variant));
create table if not exists failures (
  source text, object_id text, title text not null, url text not null, reason text not null,
  tries integer not null, at text not null, primary key (source, object_id));
"""


class Ledger:
    """Persistent state of a fetch, safe to use from several threads of the process that holds the folder's lock.

    Cached answers are kept by name of the config (`met`, `met_csv`, `met_hub`), images and failures by the `source` of
    the manifest (`met` for all three). Addresses are stored without user info, those of downloaded images and failures
    also without query values that may give access.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        # Autocommit makes each statement a transaction; the lock above serializes threads.
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        try:
            # Exclusive locking needs no shared memory, which network file systems lack.
            self._connection.execute("pragma locking_mode=exclusive")
            self._connection.execute("pragma journal_mode=wal")
            # In WAL mode, `normal` loses nothing when the process is killed, and does not sync at every commit.
            self._connection.execute("pragma synchronous=normal")
            self._connection.executescript(SCHEMA)
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise InputError(f"{path} is damaged ({error}); delete it to start the fetch again") from error

    def close(self) -> None:
        self._connection.close()

    def _all(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        with self._lock:
            return self._connection.execute(sql, values).fetchall()

    def _one(self, sql: str, *values: Any) -> sqlite3.Row | None:
        rows = self._all(sql, *values)
        return rows[0] if rows else None

    def page(self, name: str, query: str) -> Any | None:
        """Return the cached answer to a search query, or None."""
        row = self._one("select body from pages where name = ? and query = ?", name, without_user_info(query))
        return None if row is None else json.loads(row["body"])

    def add_page(self, name: str, query: str, body: Any) -> None:
        # Escaped, because answers may hold text that is not valid Unicode, which SQLite refuses.
        text = json_text(body, compact=True, ensure_ascii=True)
        self._all("insert or replace into pages values (?, ?, ?, ?)", name, without_user_info(query), text, _now())

    def surveyed_at(self, name: str) -> str | None:
        """Return the time of the oldest cached search answer."""
        row = self._one("select min(at) as at from pages where name = ?", name)
        return None if row is None else row["at"]

    def record(self, name: str, object_id: str) -> Record | None:
        row = self._one("select body from records where name = ? and object_id = ?", name, object_id)
        return None if row is None else Record.from_json(row["body"])

    def add_records(self, name: str, records: Iterable[Record]) -> None:
        rows = [(name, record.object_id, without_user_info(record.to_json())) for record in records]
        with self._lock:
            self._connection.execute("begin")
            try:
                self._connection.executemany("insert or replace into records values (?, ?, ?)", rows)
                self._connection.execute("commit")
            except BaseException:
                self._connection.execute("rollback")
                raise

    def picture(self, source: str, object_id: str, variant: str) -> sqlite3.Row | None:
        """Return the row of an image: image (relative path), url, sha256, width, height, bytes."""
        return self._one(
            "select * from pictures where source = ? and object_id = ? and variant = ?",
            source,
            object_id,
            variant,
        )

    def picture_url(self, source: str) -> str | None:
        """Return the address of the latest downloaded image of a source, or None."""
        row = self._one("select url from pictures where source = ? order by rowid desc limit 1", source)
        return None if row is None else row["url"]

    def add_picture(
        self, source: str, object_id: str, variant: str, image: str, url: str,
        *, sha256: str, width: int, height: int, size: int,
    ) -> None:  # fmt: skip
        self._all(
            "insert or replace into pictures values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            source, object_id, variant, image, stored_address(url), sha256, width, height, size,
        )  # fmt: skip

    def failures(self) -> Iterator[sqlite3.Row]:
        yield from self._all("select * from failures order by source, object_id")

    def add_failure(self, source: str, object_id: str, title: str, url: str, reason: str) -> None:
        self._all(
            "insert into failures values (?, ?, ?, ?, ?, 1, ?) on conflict do update set "
            "title = excluded.title, url = excluded.url, reason = excluded.reason, at = excluded.at, "
            "tries = tries + 1",
            source, stored_text(object_id), stored_text(title), stored_address(stored_text(url)),
            hidden(stored_text(reason)), _now(),
        )  # fmt: skip

    def clear_failure(self, source: str, object_id: str) -> None:
        self._all("delete from failures where source = ? and object_id = ?", source, stored_text(object_id))

    def clear_answers(self, name: str) -> None:
        """Delete cached search answers and records, so that they are downloaded again; images are kept."""
        self._all("delete from pages where name = ?", name)
        self._all("delete from records where name = ?", name)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
