"""Looks kept by the files' own hashes, so that each picture is measured once and a stopped run goes on."""

import hashlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

from artculture.collection.curation.image_stats import VERSION, ImageStats, UnreadableError, measure_image
from artculture.runs.hardware import cores

COLUMNS = ("sha256", "width", "height", "phash", "signature", "chroma", "text", "thumbnail")
BATCH = 128  # pictures measured between two commits: what a kill can cost


def measure_images(
    paths: Sequence[Path],
    cache: Path,
    thumbnail: int,
    workers: int | None = None,
    on_step: Callable[[int], None] = lambda _: None,
) -> list[ImageStats | str]:
    """Measure pictures, or take them from the cache.

    Args:
        paths: image files.
        cache: an SQLite file, made when absent and anew when it can't be read.
        thumbnail: longer side of the thumbnails, pixels.
        workers: threads (Pillow and SciPy let go of the lock); None for one a core.
        on_step: told how many are done, after each batch.

    Returns:
        One stats a path, or the reason why the file has none.
    """
    workers = workers or cores()
    found: list[ImageStats | str] = []
    with _opened(cache, thumbnail) as store, ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(paths), BATCH):
            batch = paths[start : start + BATCH]
            hashes = list(pool.map(_sha256, batch))
            known = dict(_stored(store, [sha for sha in hashes if not sha.startswith("!")]))
            missing = [path for path, sha in zip(batch, hashes, strict=True) if sha not in known]
            fresh = dict(zip(missing, pool.map(lambda path: _look(path, thumbnail), missing), strict=True))
            _keep(store, [stats for stats in fresh.values() if isinstance(stats, ImageStats)])
            found += [known[sha] if sha in known else fresh[p] for p, sha in zip(batch, hashes, strict=True)]
            on_step(len(found))
    return found


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return "!"  # told apart by `_look`, which says why


def _look(path: Path, thumbnail: int) -> ImageStats | str:
    try:
        return measure_image(path.read_bytes(), thumbnail)
    except FileNotFoundError:
        return "the file is not there"
    except (OSError, UnreadableError) as error:
        return f"the file can't be decoded: {error}"


@contextmanager
def _opened(cache: Path, thumbnail: int) -> Iterator[sqlite3.Connection]:
    cache.parent.mkdir(parents=True, exist_ok=True)
    settings = f"{VERSION}:{thumbnail}"
    try:
        connection = _connected(cache, settings)
    except sqlite3.DatabaseError:  # it is a cache: what can't be read is made again
        cache.unlink()
        connection = _connected(cache, settings)
    with closing(connection):
        yield connection


def _connected(cache: Path, settings: str) -> sqlite3.Connection:
    connection = sqlite3.connect(cache, timeout=60)
    try:
        if connection.execute("PRAGMA user_version").fetchone() is None:
            raise sqlite3.DatabaseError("no header")
        connection.execute("CREATE TABLE IF NOT EXISTS made (settings TEXT)")
        made = connection.execute("SELECT settings FROM made").fetchone()
        if made is None or made[0] != settings:
            connection.execute("DROP TABLE IF EXISTS image_stats")
            connection.execute("DELETE FROM made")
            connection.execute("INSERT INTO made VALUES (?)", (settings,))
        connection.execute(f"CREATE TABLE IF NOT EXISTS image_stats ({COLUMNS[0]} TEXT PRIMARY KEY, {_rest()})")
        connection.commit()
    except sqlite3.DatabaseError:
        connection.close()
        raise
    return connection


def _rest() -> str:
    return ", ".join(COLUMNS[1:])


def _stored(store: sqlite3.Connection, hashes: Sequence[str]) -> Iterator[tuple[str, ImageStats]]:
    marks = ", ".join("?" * len(hashes))
    query = f"SELECT {', '.join(COLUMNS)} FROM image_stats WHERE sha256 IN ({marks})"
    for row in store.execute(query, list(hashes)):
        yield row[0], ImageStats(**dict(zip(COLUMNS, row, strict=True)))


def _keep(store: sqlite3.Connection, image_stats: Sequence[ImageStats]) -> None:
    marks = ", ".join("?" * len(COLUMNS))
    rows = [tuple(getattr(stats, column) for column in COLUMNS) for stats in image_stats]
    store.executemany(f"INSERT OR REPLACE INTO image_stats VALUES ({marks})", rows)
    store.commit()
