"""A whole fetch: survey every chosen museum, collect what is claimed, write the manifest."""

import asyncio
import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from artculture.collection.fetching.config import FetchConfig
from artculture.collection.fetching.cultures import Decision
from artculture.collection.fetching.ledger import Ledger
from artculture.collection.fetching.museum import Claims, FetchContext, Museum
from artculture.collection.fetching.pictures import PictureStore, remove_temporaries
from artculture.collection.fetching.progress import FetchProgress
from artculture.collection.fetching.records import Record, Variant
from artculture.errors import InputError, WorkError


@dataclass(frozen=True)
class MuseumResult:
    """What one museum gave: its claims, and the museum itself to look records up."""

    museum: Museum
    claims: Claims

    def decision(self, object_id: str, record: Record) -> Decision:
        return self.museum.context.cultures.decide(self.claims[object_id], record)


@contextmanager
def open_ledger(root: Path) -> Iterator[Ledger]:
    """The folder's ledger, for one process at a time; leftovers of a killed run are swept away.

    Raises:
        InputError: the folder can't be written, or another fetch works in it.
    """
    try:
        (root / ".fetch").mkdir(parents=True, exist_ok=True)
        lock = FileLock(root / ".fetch" / "lock")
        lock.acquire(timeout=0)
    except Timeout as error:
        raise InputError(f"another fetch works in {root}; wait for it, or give another root=…") from error
    except OSError as error:
        raise InputError(f"{root} can't be written ({error.strerror}); give another folder as root=…") from error
    try:
        remove_temporaries(root / "images")
        ledger = Ledger(root / ".fetch" / "ledger.sqlite3")
        try:
            yield ledger
        finally:
            ledger.close()
    finally:
        lock.release()


def collect_all(config: FetchConfig, root: Path, ledger: Ledger, progress: FetchProgress) -> list[MuseumResult]:
    """Survey and collect from every chosen source, side by side.

    Raises:
        WorkError: a source could not be finished; the others were, and what it gave is kept.
    """
    museums = [_museum(config, name, root, ledger, progress) for name in config.museums]
    if config.refresh:
        for museum in museums:
            museum.clear_cache()
    return asyncio.run(_collect_all(museums, config.limit_per_culture))


def _museum(config: FetchConfig, name: str, root: Path, ledger: Ledger, progress: FetchProgress) -> Museum:
    options = config.options(name)
    variant: Variant = options.image
    context = FetchContext(
        ledger, config.culture_matcher(), PictureStore(root, ledger, variant), progress.add_task(name)
    )
    return config.museum_class(name)(name, options, context)


async def _collect_all(museums: list[Museum], limit: int | None) -> list[MuseumResult]:
    ends = await asyncio.gather(*(_collect_museum(museum, limit) for museum in museums), return_exceptions=True)
    results = [end for end in ends if isinstance(end, MuseumResult)]
    for end in ends:
        if isinstance(end, BaseException) and not isinstance(end, WorkError):
            raise end
    failed = [str(end) for end in ends if isinstance(end, WorkError)]
    if failed:
        raise WorkError("\n  ".join(failed))
    return results


async def _collect_museum(museum: Museum, limit: int | None) -> MuseumResult:
    try:
        async with museum.connect():
            claims = await museum.list_claims()
            result = MuseumResult(museum, claims)
            tried: set[str] = set()
            while batch := next_batch(result, tried, limit):
                lacking = [object_id for object_id in batch if not museum.is_complete(object_id)]
                museum.context.task.expect(len(lacking))
                await museum.collect(lacking)
                tried.update(batch)
    except Exception as error:
        told = _user_error(error, museum)
        if told is error:
            raise
        raise told from error
    return result


def _user_error(error: Exception, museum: Museum) -> Exception:
    """What a user is told: of several errors at once, what was understood before what the code stumbled over."""
    if found := find_error(error, WorkError):
        return found
    if found := find_error(error, OSError, sqlite3.Error):
        return WorkError(
            f"{museum.context.store.root} can't be written: {found}. What is fetched is kept: mend it and "
            "run the same command again"
        )
    if found := find_error(error, KeyError, TypeError, ValueError, AttributeError):
        return WorkError(f"{museum.options.title} answers in an unexpected shape: {found!r}")
    return error


def find_error(error: BaseException, *kinds: type[Exception]) -> Exception | None:
    """The first plain exception of some kinds: the error itself, or one in its nested groups.

    `except*` would do, but Python before 3.11.4 wraps what is raised there in a group of its own
    (python/cpython#103590).
    """
    if isinstance(error, BaseExceptionGroup):
        return next((found for one in error.exceptions if (found := find_error(one, *kinds))), None)
    return error if isinstance(error, kinds) else None


def next_batch(result: MuseumResult, tried: set[str], limit: int | None) -> list[str]:
    """The objects to collect next: all of them, or, under a limit, as many as each culture still lacks."""
    if limit is None:
        return [object_id for object_id in in_order(result) if object_id not in tried]
    lacking = dict.fromkeys(result.museum.context.cultures.locations, limit)
    waiting: dict[str, list[str]] = {culture: [] for culture in lacking}
    for object_id in in_order(result):
        if object_id in tried:
            culture = kept_culture(result, object_id)
            if culture:
                lacking[culture] -= 1
            continue
        for claim in result.claims[object_id]:
            waiting[claim.culture].append(object_id)
    return list(dict.fromkeys(o for culture, number in lacking.items() for o in waiting[culture][: max(0, number)]))


def in_order(result: MuseumResult) -> list[str]:
    """The claimed objects, mixed but always the same way, so that a limit takes no run of neighbours."""

    def mixed(object_id: str) -> str:
        return hashlib.sha256(f"{result.museum.source}:{object_id}".encode()).hexdigest()

    return sorted(result.claims, key=mixed)


def kept_culture(result: MuseumResult, object_id: str) -> str | None:
    """The culture of an object whose picture is at hand and free to use, else None."""
    museum = result.museum
    record = museum.known_record(object_id)
    if record is None or not record.is_public_domain or not museum.context.store.has(museum.source, object_id):
        return None
    return result.decision(object_id, record).culture
