"""Interface of a museum: lists the objects of each culture and downloads their records and images.

A museum is a subclass of `Museum`, named by `_target_` in a file of `conf/source/`. Options beyond the common ones are
declared in a subclass of `Options`, named by `options_class`.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat

from artculture.collection.fetching.client import Client, RequestPolicy
from artculture.collection.fetching.cultures import Claim, CultureMatcher
from artculture.collection.fetching.ledger import Ledger
from artculture.collection.fetching.pictures import PictureStore
from artculture.collection.fetching.progress import ProgressTask
from artculture.collection.fetching.records import BAD_RECORD_ERRORS, Record, Variant, check_object_id
from artculture.collection.fetching.responses import PermanentHTTPError, RetriesExhaustedError
from artculture.config.schema.downloads import DownloadLimits
from artculture.config.schema.section import Section
from artculture.utils.errors import InputError, WorkError
from artculture.utils.http.network_guard import AddressGuard, host_of
from artculture.utils.targets import locate

Claims = dict[str, list[Claim]]
MAX_LISTED = 1_000_000  # objects of one search; the largest museums have half as many in all


class Options(Section):
    """Options common to all museums. Times in seconds, rates in requests per second."""

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
        """Return the options that limit the requests."""
        return RequestPolicy(**{name: getattr(self, name) for name in RequestPolicy.__dataclass_fields__})

    def addresses(self) -> list[str]:
        """Return all options that are http(s) addresses: what the user typed, or the shipped config says."""
        return [value for value in self.model_dump().values() if isinstance(value, str) and host_of(value)]


@dataclass(frozen=True)
class FetchContext:
    """What a fetch provides to its museums."""

    ledger: Ledger
    cultures: CultureMatcher
    store: PictureStore
    task: ProgressTask
    limits: DownloadLimits
    allow_private: bool = False

    def guard(self, options: Options) -> AddressGuard:
        """Return the guard of a museum's addresses."""
        return AddressGuard(options.addresses(), allow_private=self.allow_private)


class Museum(ABC):
    """One source of paintings.

    Args:
        name: of its config, under which the ledger keeps the museum's answers.
        options: an instance of `options_class`.

    Attributes:
        source: value of the manifest's `source` column; several routes to one museum share it.
        rejected: {object id, or its place in the answer: reason} of listed objects whose record can't be used.
    """

    source: ClassVar[str]
    options_class: ClassVar[type[Options]] = Options

    def __init__(self, name: str, options: Any, context: FetchContext) -> None:
        self.name = name
        self.options = options
        self.context = context
        self.ledger = context.ledger
        self.client: Client | None = None
        self.rejected: dict[str, str] = {}

    @property
    def variant(self) -> Variant:
        """Size of the images that are downloaded."""
        return self.context.store.variant

    @property
    def http(self) -> Client:
        """The client, inside `async with museum.connect()`."""
        assert self.client is not None, "the museum is not connected: use `async with museum.connect()`"
        return self.client

    def connect(self) -> AbstractAsyncContextManager[Any]:
        """Open the HTTP client for the duration of a fetch."""
        guard = self.context.guard(self.options)
        self.client = Client(self.options.title, self.options.policy(), self.context.limits, guard, self.headers())
        downloaded_before = self.ledger.picture_url(self.source)
        if downloaded_before:
            self.client.mark_known_good(downloaded_before)
        return self.client

    def headers(self) -> dict[str, str]:
        """Return the museum's own HTTP headers."""
        return {}

    @abstractmethod
    async def list_claims(self) -> Claims:
        """Return {object id: claims} of all objects that belong to some culture, and cache answers in the ledger.

        Raises:
            WorkError: the museum can't be reached or refuses our requests.
        """

    @abstractmethod
    async def fetch_record(self, object_id: str) -> Record:
        """Download one object's record.

        Raises:
            PermanentHTTPError, RetriesExhaustedError: as the client does.
        """

    def known_record(self, object_id: str) -> Record | None:
        """Return the record that is already in the ledger."""
        return self.ledger.record(self.name, object_id)

    async def record(self, object_id: str) -> Record:
        """Return one object's record, downloaded at most once."""
        record = self.known_record(object_id)
        if record is None:
            record = await self.fetch_checked_record(object_id)
            self.ledger.add_records(self.name, [record])
        return record

    async def fetch_checked_record(self, object_id: str) -> Record:
        """Download one object's record.

        Raises:
            ValueError: the id is impossible, or the answer is the record of another object.
            PermanentHTTPError, RetriesExhaustedError: as the client does.
        """
        check_object_id(object_id)
        record = await self.fetch_record(object_id)
        if (record.source, record.object_id) != (self.source, object_id):
            raise ValueError(f"the record of another object, {record.object_id}")
        return record

    def parsed(self, found: Any, place: str, parse: Callable[[Any], Record]) -> Record | None:
        """Return the record of one entry of a list, or None after rejecting the entry.

        Args:
            found: the entry.
            place: of the entry in its list, which names it if it has no usable id.
            parse: converts the entry.
        """
        try:
            return parse(found)
        except BAD_RECORD_ERRORS as error:
            self.reject(place, structure_reason(error))
            return None

    def reject(self, place: str, reason: str) -> None:
        """Enter a listed object that can't be used into the failures."""
        self.rejected[place] = reason
        self.add_failure(place, None, reason)

    def repetition_error(self) -> WorkError:
        """Return the error of a list that does not end."""
        return WorkError(
            f"{self.options.title} sends the same results again instead of further ones. Run the same command again "
            "later with refresh=true"
        )

    def check_listed(self, count: int) -> None:
        """Raise WorkError for a list without end."""
        if count > MAX_LISTED:
            raise WorkError(f"{self.options.title} lists more than {MAX_LISTED} objects; fetch another source")

    def clear_cache(self) -> None:
        """Delete all cached answers; images are kept."""
        self.ledger.clear_answers(self.name)

    def is_complete(self, object_id: str) -> bool:
        """Return whether nothing is left to download: the image is there, or the record says that there is none."""
        record = self.known_record(object_id)
        if record is None:
            return False
        wanted = record.is_public_domain and bool(record.image(self.variant))
        return not wanted or self.context.store.has(self.source, object_id)

    async def collect(self, object_ids: Collection[str]) -> None:
        """Download record and image of each object; what fails is entered into the ledger with the reason."""
        queue = iter(object_ids)

        # All workers take from one iterator: each object goes to the worker that is free first.
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
                await self.context.store.keep(record, await self.http.picture(url), url)
            self.ledger.clear_failure(self.source, object_id)
        except (PermanentHTTPError, RetriesExhaustedError) as error:
            self.add_failure(object_id, record, str(error))
        except BAD_RECORD_ERRORS as error:
            # The parsers index into the museum's JSON: one malformed record must not end the fetch.
            self.add_failure(object_id, record, structure_reason(error))

    def add_failure(self, object_id: str, record: Record | None, reason: str) -> None:
        """Enter into the ledger why an object's record (None: it is the record that failed) or image is missing."""
        failed = "record" if record is None else "image"
        title, url = (record.title, record.image(self.variant)) if record else ("", "")
        self.ledger.add_failure(self.source, object_id, title, url, f"{failed}: {reason}")

    async def fetch_page(self, url: str, params: dict[str, str | int]) -> dict[str, Any]:
        """Download one page of search results.

        Raises:
            WorkError: it can't be had; without its search results a museum can't be fetched.
        """
        try:
            return await self.http.json(url, params)
        except (PermanentHTTPError, RetriesExhaustedError) as error:
            raise self.search_error(url, error) from error

    def search_error(self, url: str, error: Exception) -> WorkError:
        """Return the error of a search that failed."""
        return WorkError(
            f"{self.options.title} can't be searched: {error} ({url}). Run the same command again later, "
            "or give another address with source.base_url"
        )


class LocalMuseum(Museum):
    """A source without an HTTP client of ours, whose `list_claims` reads every record."""

    def connect(self) -> AbstractAsyncContextManager[Any]:
        """Do nothing."""
        return nullcontext()


def structure_reason(error: BaseException) -> str:
    """Return why a record can't be used, for failures.csv."""
    return f"unexpected structure ({type(error).__name__}: {str(error)[:200]})"


def museum_class(target: str) -> type[Museum]:
    """Import the class that a source's `_target_` names.

    Raises:
        InputError: it can't be imported, or is no subclass of `Museum`.
    """
    found = locate(target)
    if not (isinstance(found, type) and issubclass(found, Museum)):
        raise InputError(f"`{target}` is not a subclass of {Museum.__module__}.Museum")
    return found


def claims_of(records: Iterable[Record], cultures: CultureMatcher) -> Claims:
    """Return the claims that records make by their own fields; records without any are left out."""
    claimed = ((record.object_id, cultures.claims(record)) for record in records)
    return {object_id: claims for object_id, claims in claimed if claims}
