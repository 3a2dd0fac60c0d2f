"""Cache of image statistics by file hash: each image is measured once, and an interrupted run resumes."""

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

from artculture.collection.curation.image_stats import VERSION, ImageStats, UnreadableError, measure_image
from artculture.utils.hardware import cores
from artculture.utils.progress import Progress

COLUMNS = ("sha256", "width", "height", "phash", "signature", "chroma", "text", "thumbnail")
BATCH = 128  # images between two commits, which is what a kill can lose


def measure_images(
    paths: Sequence[Path],
    cache: Path,
    thumbnail: int,
    workers: int | None = None,
    on_progress: Progress = lambda *_: None,
) -> list[ImageStats | str]:
    """Measure images, or read their statistics from the cache.

    Args:
        paths: image files.
        cache: an SQLite file, created if it is missing or unreadable.
        thumbnail: longer side of the thumbnails, pixels.
        workers: threads (Pillow and SciPy release the GIL); None for one per core.
        on_progress: called after each batch with the number of finished images and the total.

    Returns:
        For each path its statistics, or the reason why there are none.
    """
    workers = workers or cores()
    found: list[ImageStats | str] = []
    with _opened(cache, thumbnail) as store, ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(paths), BATCH):
            batch = paths[start : start + BATCH]
            # By content: renamed and moved images are found again.
            hashes = list(pool.map(_sha256, batch))
            known = dict(_stored(store, [sha for sha in hashes if not sha.startswith("!")]))
            missing = [path for path, sha in zip(batch, hashes, strict=True) if sha not in known]
            fresh = dict(zip(missing, pool.map(lambda path: _measure(path, thumbnail), missing), strict=True))
            _keep(store, [stats for stats in fresh.values() if isinstance(stats, ImageStats)])
            found += [known[sha] if sha in known else fresh[p] for p, sha in zip(batch, hashes, strict=True)]
            on_progress(len(found), len(paths))
    return found


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return "!"  # no hash: `_measure` finds the reason


def _measure(path: Path, thumbnail: int) -> ImageStats | str:
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
    except sqlite3.DatabaseError:  # a damaged cache is created again
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
        # Statistics of another version or thumbnail size cannot be used.
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
