"""Fetch from several museums at once: list the objects of each culture, then download their records and images."""

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
from artculture.collection.fetching.records import BAD_RECORD_ERRORS, Record, Variant, check_object_id, stored_text
from artculture.utils.errors import InputError, WorkError


@dataclass(frozen=True)
class MuseumResult:
    """A museum and the claims of its objects."""

    museum: Museum
    claims: Claims

    def decision(self, object_id: str, record: Record) -> Decision:
        """Return the culture of one object."""
        return self.museum.context.cultures.decide(self.claims[object_id], record)


@contextmanager
def open_ledger(root: Path) -> Iterator[Ledger]:
    """Open the folder's ledger, for one process at a time, and delete temporary files of a killed run.

    Raises:
        InputError: the folder can't be written, or another process fetches into it.
    """
    try:
        (root / ".fetch").mkdir(parents=True, exist_ok=True)
        # Two fetches in one folder would delete each other's temporary files.
        lock = FileLock(root / ".fetch" / "lock")
        lock.acquire(timeout=0)
    except Timeout as error:
        raise InputError(f"another fetch is running in {root}; wait for it, or give another root=…") from error
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
    """Fetch from all chosen sources concurrently.

    Raises:
        WorkError: a source could not be finished; the others were finished, and everything downloaded is kept.
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
        ledger, config.culture_matcher(), PictureStore(root, ledger, variant), progress.add_task(name),
        config.limits, config.allow_private,
    )  # fmt: skip
    return config.museum_class(name)(name, options, context)


async def _collect_all(museums: list[Museum], limit: int | None) -> list[MuseumResult]:
    # One museum's failure must not cancel the others.
    outcomes = await asyncio.gather(*(_collect_museum(museum, limit) for museum in museums), return_exceptions=True)
    results = [outcome for outcome in outcomes if isinstance(outcome, MuseumResult)]
    for outcome in outcomes:
        if isinstance(outcome, BaseException) and not isinstance(outcome, WorkError):
            raise outcome
    failed = [str(outcome) for outcome in outcomes if isinstance(outcome, WorkError)]
    if failed:
        raise WorkError("\n  ".join(failed))
    return results


async def _collect_museum(museum: Museum, limit: int | None) -> MuseumResult:
    try:
        async with museum.connect():
            result = MuseumResult(museum, _usable(museum, await museum.list_claims()))
            tried: set[str] = set()
            # Without a limit there is one batch; with one, objects that could not be kept are replaced by others.
            while batch := next_batch(result, tried, limit):
                lacking = [object_id for object_id in batch if not museum.is_complete(object_id)]
                museum.context.task.expect(len(lacking))
                await museum.collect(lacking)
                tried.update(batch)
    except Exception as error:
        user_error = _user_error(error, museum)
        if user_error is error:
            raise
        raise user_error from error
    return result


def _usable(museum: Museum, claims: Claims) -> Claims:
    """Return the claims of objects with a possible id; the others are entered into the failures."""
    usable = {}
    for object_id, claimed in claims.items():
        try:
            check_object_id(object_id)
        except ValueError as error:
            museum.reject(stored_text(object_id), str(error))
        else:
            usable[object_id] = claimed
    return usable


def _user_error(error: Exception, museum: Museum) -> Exception:
    """Return the error to show to the user; of several errors at once, the one with the clearest cause."""
    if found := find_error(error, WorkError):
        return found
    # A full disk shows up as OSError or as SQLite's own error, whichever is written first.
    if found := find_error(error, OSError, sqlite3.Error):
        return WorkError(
            f"{museum.context.store.root} can't be written: {found}. Everything fetched so far is kept: "
            "free the disk or change the permissions, then run the same command again"
        )
    if found := find_error(error, *BAD_RECORD_ERRORS):
        return WorkError(f"{museum.options.title} sent data of an unexpected structure: {found!r}")
    return error


def find_error(error: BaseException, *kinds: type[Exception]) -> Exception | None:
    """Return the first exception of the given types: the error itself, or one in its nested groups.

    Not `except*`, because Python before 3.11.4 wraps an exception raised inside it in another group
    (python/cpython#103590).
    """
    if isinstance(error, BaseExceptionGroup):
        return next((found for one in error.exceptions if (found := find_error(one, *kinds))), None)
    return error if isinstance(error, kinds) else None


def next_batch(result: MuseumResult, tried: set[str], limit: int | None) -> list[str]:
    """Return the objects to download next: all of them, or, with a limit, as many as each culture still lacks.

    A culture needs several batches when some of its objects turn out to have no usable image.
    """
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
    """Return the claimed objects in a pseudo-random but fixed order.

    Object ids follow acquisitions: in their own order, a limit would take the paintings of a single gift.
    """

    def digest(object_id: str) -> str:
        return hashlib.sha256(f"{result.museum.source}:{object_id}".encode()).hexdigest()

    return sorted(result.claims, key=digest)


def kept_culture(result: MuseumResult, object_id: str) -> str | None:
    """Return the culture of an object whose image is downloaded and in the public domain, else None."""
    museum = result.museum
    record = museum.known_record(object_id)
    if record is None or not record.is_public_domain or not museum.context.store.has(museum.source, object_id):
        return None
    return result.decision(object_id, record).culture
