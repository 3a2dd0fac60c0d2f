"""Entries of the cache folder: what they hold, how large they are, when they were last changed."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

# Folders of the cache, each with one folder per entry, and what their entries hold.
KINDS = {
    "pixels": "decoded pictures of a collection",
    "shards": "decoded pictures of shards",
    "hub": "datasets of the Hugging Face Hub",
    "embeddings": "published embeddings",
    "wandb": "models downloaded from W&B",
    "features": "vectors of a frozen backbone",
    "compiled": "code of torch.compile",
    "steps": "measured speed of training steps",
    "sample": "drawn pictures of data=sample",
}
# Where the folders of a kind lie, if not directly in one of its name.
INSIDE = {"shards": "shards/pixels"}


@dataclass(frozen=True)
class CacheEntry:
    """A folder of the cache that can be deleted by itself.

    Attributes:
        path: of the folder.
        kind: key of `KINDS`.
        size: bytes.
        changed: latest modification of its files, seconds since the epoch.
    """

    path: Path
    kind: str
    size: int
    changed: float


def cache_entries(folder: Path) -> list[CacheEntry]:
    """Return the entries of a cache folder, the largest first; none where there is no such folder.

    Anything else in the folder is no entry, so that a wrong folder loses nothing.
    """
    return sorted(_entries(folder), key=lambda entry: (-entry.size, entry.path))


def delete_entry(entry: CacheEntry) -> bool:
    """Delete an entry; return False where another process is writing it.

    Raises:
        OSError: it can't be deleted.
    """
    for lock in (entry.path / ".lock", entry.path.parent / ".locks" / entry.path.name):
        if lock.exists():
            try:
                with FileLock(lock, timeout=0):
                    pass
            except Timeout:
                return False
    shutil.rmtree(entry.path)
    return True


def _entries(folder: Path) -> Iterator[CacheEntry]:
    for kind in KINDS:
        paths = folder.glob("sample-*") if kind == "sample" else (folder / INSIDE.get(kind, kind)).glob("[!.]*")
        for path in paths:
            if path.is_dir() and not path.is_symlink():
                yield _entry(path, kind)


def _entry(path: Path, kind: str) -> CacheEntry:
    states = [file.lstat() for file in path.rglob("*") if not file.is_dir()]
    changed = max((state.st_mtime for state in states), default=path.stat().st_mtime)
    return CacheEntry(path, kind, sum(state.st_size for state in states), changed)
