"""What every museum offers to a fetch, and the way most of them are walked through.

A museum is one module in `artculture.collection.museums` with a class `Museum` (and, where it takes more than
the common options, a class `Options`) and one file in `conf/source/` whose `kind` is the module's name.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat

from artculture.collection import museums
from artculture.collection.fetching.client import Client, GaveUpError, GoneError, RequestPolicy
from artculture.collection.fetching.cultures import Claim, CultureMatcher
from artculture.collection.fetching.ledger import Ledger
from artculture.collection.fetching.pictures import PictureStore
from artculture.collection.fetching.progress import ProgressTask
from artculture.collection.fetching.records import Record, Variant
from artculture.config import Section
from artculture.errors import WorkError

Claims = dict[str, list[Claim]]


class Options(Section):
    """The common options of a museum; times in seconds, rates in requests a second."""

    kind: str
    title: str
    base_url: str
    image: Literal["small", "original"]
    rate: PositiveFloat
    start_rate: PositiveFloat
    rate_limit: PositiveFloat
    concurrency: Annotated[int, Field(ge=1, le=64)]
    retries: NonNegativeInt
    timeout: PositiveFloat
    backoff: PositiveFloat
    patience: PositiveFloat
    contact: str

    def policy(self) -> RequestPolicy:
        return RequestPolicy(**{name: getattr(self, name) for name in RequestPolicy.__dataclass_fields__})


@dataclass(frozen=True)
class FetchContext:
    """What a museum works with: the ledger, the culture groups, the pictures, the progress shown."""

    ledger: Ledger
    cultures: CultureMatcher
    store: PictureStore
    task: ProgressTask


class Museum(ABC):
    """A route to one museum's paintings.

    Args:
        route: the name of its config, under which the ledger keeps what it clean_text.
    """

    source: ClassVar[str]
    options_class: ClassVar[type[Options]] = Options

    def __init__(self, route: str, options: Any, context: FetchContext) -> None:
        self.route = route
        self.options = options
        self.context = context
        self.ledger = context.ledger
        self.client: Client | None = None

    @property
    def variant(self) -> Variant:
        return self.context.store.variant

    @property
    def web(self) -> Client:
        assert self.client is not None, "a museum is asked inside `async with museum.connect()`"
        return self.client

    def connect(self) -> AbstractAsyncContextManager[Any]:
        """The connection to the museum, for the length of a fetch."""
        self.client = Client(self.options.title, self.options.policy(), self.headers())
        answered = self.ledger.picture_url(self.source)
        if answered:
            self.client.remember(answered)
        return self.client

    def headers(self) -> dict[str, str]:
        return {}

    @abstractmethod
    async def list_claims(self) -> Claims:
        """All objects that some culture claims; what is learned on the way goes into the ledger.

        Raises:
            WorkError: the museum can't be reached or refuses us.
        """

    @abstractmethod
    async def fetch_record(self, object_id: str) -> Record:
        """One object's record from the museum.

        Raises:
            GoneError, GaveUpError: as the client does.
        """

    def known_record(self, object_id: str) -> Record | None:
        return self.ledger.record(self.route, object_id)

    async def record(self, object_id: str) -> Record:
        """One object's record, asked for once."""
        record = self.known_record(object_id)
        if record is None:
            record = await self.fetch_record(object_id)
            self.ledger.add_records(self.route, [record])
        return record

    def forget(self) -> None:
        """Have everything asked again, but for the pictures."""
        self.ledger.forget(self.route)

    def is_complete(self, object_id: str) -> bool:
        """Whether there is nothing left to ask for: the picture is at hand, or the record says there is none for us."""
        record = self.known_record(object_id)
        if record is None:
            return False
        wanted = record.is_public_domain and bool(record.image(self.variant))
        return not wanted or self.context.store.has(self.source, object_id)

    async def collect(self, object_ids: Collection[str]) -> None:
        """Bring record and picture of each object into the ledger and the store, or the reason why not."""
        queue = iter(object_ids)

        async def worker() -> None:
            for object_id in queue:
                await self._collect_one(object_id)
                self.context.task.advance()

        async with asyncio.TaskGroup() as group:
            for _ in range(min(self.options.concurrency, len(object_ids))):
                group.create_task(worker())

    async def _collect_one(self, object_id: str) -> None:
        record = None
        try:
            record = await self.record(object_id)
            url = record.image(self.variant)
            if record.is_public_domain and url and not self.context.store.has(self.source, object_id):
                await self.context.store.keep(record, await self.web.picture(url), url)
            self.ledger.clear_failure(self.source, object_id)
        except (GoneError, GaveUpError) as error:
            self.fail(object_id, record, str(error))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            self.fail(object_id, record, f"of an unexpected shape ({type(error).__name__}: {error})")

    def fail(self, object_id: str, record: Record | None, reason: str) -> None:
        task = "record" if record is None else "picture"
        title, url = (record.title, record.image(self.variant)) if record else ("", "")
        self.ledger.add_failure(self.source, object_id, title, url, f"{task}: {reason}")

    async def page(self, url: str, params: dict[str, str | int]) -> dict[str, Any]:
        """One page of a survey; a museum that can't be surveyed can't be fetched."""
        try:
            return await self.web.json(url, params)
        except (GoneError, GaveUpError) as error:
            raise self.search_error(url, error) from error

    def search_error(self, url: str, error: Exception) -> WorkError:
        return WorkError(
            f"{self.options.title} can't be searched: {error} ({url}). Run the same command again later, "
            "or give another address with source.base_url"
        )


class LocalMuseum(Museum):
    """A route that needs no connection of ours: its survey gives every record."""

    def connect(self) -> AbstractAsyncContextManager[Any]:
        return nullcontext()


def museum_kinds() -> list[str]:
    return sorted(module.name for module in iter_modules(museums.__path__))


def museum_class(kind: str) -> type[Museum]:
    module = import_module(f"{museums.__name__}.{kind}")
    found: type[Museum] = module.Museum
    return found


def claims_of(records: Iterable[Record], cultures: CultureMatcher) -> Claims:
    """The claims that records make by their own words; records that no culture claims are left out."""
    claimed = ((record.object_id, cultures.claims(record)) for record in records)
    return {object_id: claims for object_id, claims in claimed if claims}
