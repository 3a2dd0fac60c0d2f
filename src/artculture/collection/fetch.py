"""A whole fetch: survey every chosen museum, collect what is claimed, write the manifest."""

import asyncio
import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from artculture.collection.config import FetchConfig
from artculture.collection.cultures import Decision
from artculture.collection.ledger import Ledger
from artculture.collection.museum import Claims, Museum, Visit, museum_class
from artculture.collection.pictures import PictureStore, sweep_temporaries
from artculture.collection.progress import ProgressBoard
from artculture.collection.records import Record, Variant
from artculture.errors import InputError, WorkError


@dataclass(frozen=True)
class Harvest:
    """What one museum gave: its claims, and the museum itself to look records up."""

    museum: Museum
    claims: Claims

    def decision(self, object_id: str, record: Record) -> Decision:
        return self.museum.visit.cultures.decide(self.claims[object_id], record)


@contextmanager
def workplace(root: Path) -> Iterator[Ledger]:
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
        sweep_temporaries(root / "images")
        ledger = Ledger(root / ".fetch" / "ledger.sqlite3")
        try:
            yield ledger
        finally:
            ledger.close()
    finally:
        lock.release()


def collect_all(config: FetchConfig, root: Path, ledger: Ledger, board: ProgressBoard) -> list[Harvest]:
    """Survey and collect from every chosen source, side by side.

    Raises:
        WorkError: a source could not be finished; the others were, and what it gave is kept.
    """
    museums = [_museum(config, name, root, ledger, board) for name in config.museums]
    if config.refresh:
        for museum in museums:
            museum.forget()
    return asyncio.run(_collect_all(museums, config.limit_per_culture))


def _museum(config: FetchConfig, name: str, root: Path, ledger: Ledger, board: ProgressBoard) -> Museum:
    options = config.options(name)
    variant: Variant = options.image
    visit = Visit(ledger, config.gazetteer(), PictureStore(root, ledger, variant), board.stage(name))
    return museum_class(options.kind)(name, options, visit)


async def _collect_all(museums: list[Museum], limit: int | None) -> list[Harvest]:
    ends = await asyncio.gather(*(_harvest(museum, limit) for museum in museums), return_exceptions=True)
    harvests = [end for end in ends if isinstance(end, Harvest)]
    for end in ends:
        if isinstance(end, BaseException) and not isinstance(end, WorkError):
            raise end
    failed = [str(end) for end in ends if isinstance(end, WorkError)]
    if failed:
        raise WorkError("\n  ".join(failed))
    return harvests


async def _harvest(museum: Museum, limit: int | None) -> Harvest:
    try:
        async with museum.opened():
            claims = await museum.survey()
            harvest = Harvest(museum, claims)
            tried: set[str] = set()
            while batch := next_batch(harvest, tried, limit):
                lacking = [object_id for object_id in batch if not museum.settled(object_id)]
                museum.visit.stage.expect(len(lacking))
                await museum.collect(lacking)
                tried.update(batch)
    except Exception as error:
        told = _told(error, museum)
        if told is error:
            raise
        raise told from error
    return harvest


def _told(error: Exception, museum: Museum) -> Exception:
    """What a user is told: of several errors at once, what was understood before what the code stumbled over."""
    if found := first_of(error, WorkError):
        return found
    if found := first_of(error, OSError, sqlite3.Error):
        return WorkError(
            f"{museum.visit.store.root} can't be written: {found}. What is fetched is kept: mend it and "
            "run the same command again"
        )
    if found := first_of(error, KeyError, TypeError, ValueError, AttributeError):
        return WorkError(f"{museum.options.title} answers in an unexpected shape: {found!r}")
    return error


def first_of(error: BaseException, *kinds: type[Exception]) -> Exception | None:
    """The first plain exception of some kinds: the error itself, or one in its nested groups.

    `except*` would do, but Python before 3.11.4 wraps what is raised there in a group of its own
    (python/cpython#103590).
    """
    if isinstance(error, BaseExceptionGroup):
        return next((found for one in error.exceptions if (found := first_of(one, *kinds))), None)
    return error if isinstance(error, kinds) else None


def next_batch(harvest: Harvest, tried: set[str], limit: int | None) -> list[str]:
    """The objects to collect next: all of them, or, under a limit, as many as each culture still lacks."""
    if limit is None:
        return [object_id for object_id in in_order(harvest) if object_id not in tried]
    lacking = dict.fromkeys(harvest.museum.visit.cultures.locations, limit)
    waiting: dict[str, list[str]] = {culture: [] for culture in lacking}
    for object_id in in_order(harvest):
        if object_id in tried:
            culture = kept_culture(harvest, object_id)
            if culture:
                lacking[culture] -= 1
            continue
        for claim in harvest.claims[object_id]:
            waiting[claim.culture].append(object_id)
    return list(dict.fromkeys(o for culture, number in lacking.items() for o in waiting[culture][: max(0, number)]))


def in_order(harvest: Harvest) -> list[str]:
    """The claimed objects, mixed but always the same way, so that a limit takes no run of neighbours."""

    def mixed(object_id: str) -> str:
        return hashlib.sha256(f"{harvest.museum.source}:{object_id}".encode()).hexdigest()

    return sorted(harvest.claims, key=mixed)


def kept_culture(harvest: Harvest, object_id: str) -> str | None:
    """The culture of an object whose picture is at hand and free to use, else None."""
    museum = harvest.museum
    record = museum.known_record(object_id)
    if record is None or not record.is_public_domain or not museum.visit.store.has(museum.source, object_id):
        return None
    return harvest.decision(object_id, record).culture
