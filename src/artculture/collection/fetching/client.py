"""HTTP client for museum APIs: adaptive rate per host, retries, and detection of a server that blocks the client."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from artculture.collection.fetching.pictures import BrokenPictureError, Picture, checked_picture
from artculture.collection.fetching.rate_limiter import RateLimiter
from artculture.collection.fetching.responses import (
    USER_AGENT,
    FailedAttemptError,
    OversizedAnswerError,
    PermanentHTTPError,
    RetriesExhaustedError,
    check_status,
    image_bytes,
    parse_json,
    translated_errors,
)
from artculture.collection.fetching.retry import retrying
from artculture.config.schema.downloads import DownloadLimits
from artculture.utils.errors import WorkError
from artculture.utils.http.client import bounded_get, guarded_client
from artculture.utils.http.network_guard import AddressGuard

T = TypeVar("T")
LONGEST_RETRY_AFTER = 900.0  # seconds; a server that asks for more ends the fetch
CORRUPT_ATTEMPTS = 3  # downloads of an image that arrives complete but does not decode
MAX_CONSECUTIVE_FAILURES = 25


@dataclass(frozen=True)
class RequestPolicy:
    """Limits of the requests to one museum. Rates in requests per second, times in seconds."""

    rate: float
    start_rate: float
    concurrency: int
    retries: int
    timeout: float
    backoff: float
    patience: float
    contact: str


class Client:
    """Asynchronous HTTP client, used as `async with Client(title, policy) as client`.

    Args:
        title: of the museum, for messages.
        limits: of every answer.
        guard: decides which hosts the museum may lead to.
        headers: sent with every request.
    """

    def __init__(
        self,
        title: str,
        policy: RequestPolicy,
        limits: DownloadLimits,
        guard: AddressGuard,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.title = title
        self.policy = policy
        self.limits = limits
        self.requests = 0
        self._limiters: dict[str, RateLimiter] = {}
        self._known_good: dict[str, str] = {}
        self._consecutive_failures = 0
        agent = f"{USER_AGENT} (dataset builder{'; ' + policy.contact if policy.contact else ''})"
        # One connection stays open per worker: a TLS handshake takes longer than most requests.
        self.http = guarded_client(
            guard,
            headers={"User-Agent": agent, **(headers or {})},
            timeout=policy.timeout,
            max_bytes=limits.json_bytes,
            connections=policy.concurrency,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.http.aclose()

    async def json(self, url: str, params: Mapping[str, str | int] | None = None) -> dict[str, Any]:
        """Download a JSON object; raises as `retry` does."""

        async def attempt() -> dict[str, Any]:
            return parse_json(await self._get(url, self.limits.json_bytes, params), self.limits.json_depth)

        return await self.retry(url, attempt)

    async def picture(self, url: str) -> Picture:
        """Download an image and decode it completely; raises as `retry` does."""

        async def attempt() -> bytes:
            return image_bytes(await self._get(url, self.limits.picture_bytes))

        async def decoded() -> Picture:
            data = await self.retry(url, attempt)
            # Decoding in a thread leaves the event loop free for the other connections.
            return await asyncio.to_thread(checked_picture, data, self.limits.picture_pixels)

        try:
            again = retrying(lambda e: isinstance(e, BrokenPictureError), CORRUPT_ATTEMPTS, self.policy.backoff)
            return await again(decoded)
        except BrokenPictureError as error:
            raise RetriesExhaustedError(f"{error}, {CORRUPT_ATTEMPTS} times") from error

    async def retry(self, url: str, attempt: Callable[[], Awaitable[T]]) -> T:
        """Run a request until it succeeds, at the rate of its host.

        Args:
            url: address of the request, which names the host.
            attempt: sends the request and reads the response.

        Raises:
            PermanentHTTPError: the server says that there is no such thing.
            RetriesExhaustedError: all attempts failed, or an answer exceeds the limits (`OversizedAnswerError`).
            WorkError: the museum blocks us, asks for a wait of hours, or fails again and again.
        """
        with translated_errors(self.policy.timeout):
            limiter = self._limiter(url)

        async def limited() -> T:
            started = await limiter.acquire()
            self.requests += 1
            try:
                with translated_errors(self.policy.timeout):
                    value = await attempt()
            except FailedAttemptError as failure:
                self._slow_down(limiter, failure, started, url)
                raise
            except OversizedAnswerError as error:
                self._count_failure(error)
                raise
            except PermanentHTTPError:
                self._consecutive_failures = 0
                raise
            limiter.record_success()
            self.mark_known_good(url)
            self._consecutive_failures = 0
            return value

        attempts = self.policy.retries + 1
        try:
            return await retrying(lambda e: isinstance(e, FailedAttemptError), attempts, self.policy.backoff)(limited)
        except FailedAttemptError as failure:
            # Some museums answer 403 for single withdrawn images, which must not slow down the whole fetch.
            if failure.blocked and await self._host_still_answers(url):
                limiter.reset()  # only this resource is refused, not the client
            else:
                self._count_failure(failure)
            raise RetriesExhaustedError(f"{failure}, after {attempts} attempts") from failure

    async def _get(self, url: str, max_bytes: float, params: Mapping[str, str | int] | None = None) -> httpx.Response:
        response = await bounded_get(
            self.http, url, max_bytes=max_bytes, max_seconds=self.limits.seconds, params=params
        )
        check_status(response)
        return response

    def _slow_down(self, limiter: RateLimiter, failure: FailedAttemptError, started: float, url: str) -> None:
        if failure.blocked:
            limiter.record_refusal(started, failure.retry_after)
        blocked_for = time.monotonic() - (limiter.refused_since or time.monotonic())
        if blocked_for > self.policy.patience or failure.retry_after > LONGEST_RETRY_AFTER:
            raise WorkError(
                f"{self.title} refuses our requests ({failure} at {url}). Everything fetched so far is kept: run the "
                "same command again later, perhaps with a lower source.rate. The Met's data is also available with "
                "source=met_hub, which sends no requests to the museum"
            )

    def mark_known_good(self, url: str) -> None:
        """Remember an address that works: it shows later whether one resource or the whole client is refused."""
        self._known_good[_host(url)] = url

    async def _host_still_answers(self, url: str) -> bool:
        known_good = self._known_good.get(_host(url))
        if known_good is None or known_good == url:
            return False
        await self._limiter(known_good).acquire()
        self.requests += 1
        try:
            with translated_errors(self.policy.timeout):
                await self._get(known_good, self.limits.picture_bytes)
        except (FailedAttemptError, PermanentHTTPError, OversizedAnswerError):
            return False
        return True

    def _count_failure(self, failure: Exception) -> None:
        self._consecutive_failures += 1
        if self._consecutive_failures >= MAX_CONSECUTIVE_FAILURES:
            raise WorkError(
                f"{self.title}: {self._consecutive_failures} requests in a row failed ({failure}). Everything "
                "fetched so far is kept: run the same command again later"
            )

    def _limiter(self, url: str) -> RateLimiter:
        host = _host(url)
        if host not in self._limiters:
            self._limiters[host] = RateLimiter(self.policy.rate, self.policy.start_rate)
        return self._limiters[host]


def _host(url: str) -> str:
    return httpx.URL(url).netloc.decode()
