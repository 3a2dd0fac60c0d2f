"""A polite HTTP client: one pace a host, retries with full jitter, refusals told from failures."""

import asyncio
import email.utils
import json
import random
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from artculture import __version__
from artculture.collection.fetching.pictures import BrokenPictureError, Picture, checked_picture
from artculture.collection.fetching.rate_limiter import RateLimiter
from artculture.errors import WorkError

T = TypeVar("T")
WALLS = {403, 429, 503}
PASSING = {408, 425, 500, 502, 504, 520, 521, 522, 523, 524}
LONGEST_WAIT = 60.0  # seconds between two tries of one request, unless the server asks for more
LONGEST_ASKED = 900.0  # seconds; a museum that asks for more is left alone
BROKEN_TRIES = 3  # a picture that arrives whole but broken is asked for this often
FAILURES_IN_A_ROW = 25


class GoneError(Exception):
    """The museum has no such thing (404, 410, another final answer)."""


class GaveUpError(Exception):
    """Every try failed; the message has the last reason."""


@dataclass(frozen=True)
class FailedAttempt:
    """Why a try failed.

    Attributes:
        wall: the server refuses us, not this request: everybody slows down.
        final: another try can't help.
        wait: seconds the server asked for.
    """

    reason: str
    wall: bool = False
    final: bool = False
    wait: float = 0.0


class AttemptError(Exception):
    def __init__(self, failure: FailedAttempt) -> None:
        super().__init__(failure.reason)
        self.failure = failure


@dataclass(frozen=True)
class RequestPolicy:
    """How a museum is asked. Rates in requests a second, times in seconds."""

    rate: float
    start_rate: float
    concurrency: int
    retries: int
    timeout: float
    backoff: float
    patience: float
    contact: str


class Client:
    """Used as `async with Client(title, policy) as client`."""

    def __init__(self, title: str, policy: RequestPolicy, headers: Mapping[str, str] | None = None) -> None:
        self.title = title
        self.policy = policy
        self.requests = 0
        self._limiters: dict[str, RateLimiter] = {}
        self._answered: dict[str, str] = {}
        self._failures_in_a_row = 0
        who = f"artculture/{__version__} (dataset builder{'; ' + policy.contact if policy.contact else ''})"
        limits = httpx.Limits(max_connections=policy.concurrency, max_keepalive_connections=policy.concurrency)
        self.http = httpx.AsyncClient(
            headers={"User-Agent": who, **(headers or {})},
            timeout=policy.timeout,
            limits=limits,
            follow_redirects=True,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.http.aclose()

    async def json(self, url: str, params: Mapping[str, str | int] | None = None) -> dict[str, Any]:
        """The JSON object at an address.

        Raises:
            GoneError: it is not there.
            GaveUpError: all tries failed.
            WorkError: the museum refuses us, or can't be reached at all.
        """
        value: dict[str, Any] = await self._get(url, params, _read_json)
        return value

    async def picture(self, url: str) -> Picture:
        """The picture at an address, decoded to its last pixel; raises as `json` does."""
        picture: Picture = await self._get(url, None, _read_picture_bytes, then=checked_picture)
        return picture

    async def _get(
        self,
        url: str,
        params: Mapping[str, str | int] | None,
        read: Callable[[httpx.Response], T],
        then: Callable[[T], Any] | None = None,
    ) -> Any:
        try:
            limiter = self._limiter(url)
        except httpx.InvalidURL as error:
            raise GoneError(f"no address that can be asked: `{url}`") from error
        broken, failure = 0, FailedAttempt("not tried")
        for tries in range(1, self.policy.retries + 2):
            left_at = await limiter.turn()
            try:
                response = await self._try(url, params)
                value = read(response)
                limiter.went_well()
                self.remember(url)
                # Decoding is work for another thread: the connections go on meanwhile.
                result = value if then is None else await asyncio.to_thread(then, value)
                self._failures_in_a_row = 0
                return result
            except AttemptError as error:
                failure = error.failure
            except BrokenPictureError as error:
                broken += 1
                failure = FailedAttempt(str(error), final=broken >= BROKEN_TRIES)
            self._mind(limiter, failure, left_at, url)
            if broken >= BROKEN_TRIES:
                raise GaveUpError(f"{failure.reason}, {broken} times")
            if tries <= self.policy.retries:
                await asyncio.sleep(max(failure.wait, self.jitter(tries)))
        if failure.wall and await self._answers_otherwise(url):
            limiter.forgive()  # this one thing is refused, not we
        else:
            self._count_failure(failure)
        raise GaveUpError(f"{failure.reason}, after {self.policy.retries + 1} tries")

    async def _try(self, url: str, params: Mapping[str, str | int] | None) -> httpx.Response:
        self.requests += 1
        try:
            response = await self.http.get(url, params=params)
        except httpx.TimeoutException as error:
            raise AttemptError(FailedAttempt(f"no answer within {self.policy.timeout:g} s")) from error
        except httpx.UnsupportedProtocol as error:
            raise GoneError(f"no address that can be asked: `{url}`") from error
        except httpx.RequestError as error:
            raise AttemptError(FailedAttempt(f"the connection broke ({str(error) or type(error).__name__})")) from error
        failure = _status_failure(response)
        if failure is None:
            return response
        if failure.final:
            self._failures_in_a_row = 0
            raise GoneError(failure.reason)
        raise AttemptError(failure)

    def _mind(self, limiter: RateLimiter, failure: FailedAttempt, left_at: float, url: str) -> None:
        if failure.wall:
            limiter.refused(left_at, failure.wait)
        lasted = time.monotonic() - (limiter.refused_since or time.monotonic())
        if lasted > self.policy.patience or failure.wait > LONGEST_ASKED:
            raise WorkError(
                f"{self.title} refuses us ({failure.reason} at {url}). What is fetched is kept: run "
                "the same command again later, perhaps with a lower source.rate; The Met's data also comes "
                "by source=met_hub, which asks the museum nothing"
            )

    def remember(self, url: str) -> None:
        """Note an address that has answered: by it a refused thing is told from a museum that refuses us."""
        self._answered[_host(url)] = url

    async def _answers_otherwise(self, url: str) -> bool:
        proof = self._answered.get(_host(url))
        if proof is None or proof == url:
            return False
        await self._limiter(proof).turn()
        try:
            await self._try(proof, None)
        except (AttemptError, GoneError):
            return False
        return True

    def _count_failure(self, failure: FailedAttempt) -> None:
        self._failures_in_a_row += 1
        if self._failures_in_a_row >= FAILURES_IN_A_ROW:
            raise WorkError(
                f"{self.title} fails again and again ({failure.reason}). What is fetched is kept: run the "
                "same command again later"
            )

    def _limiter(self, url: str) -> RateLimiter:
        host = _host(url)
        if host not in self._limiters:
            self._limiters[host] = RateLimiter(self.policy.rate, self.policy.start_rate)
        return self._limiters[host]

    def jitter(self, tries: int) -> float:
        return random.uniform(0, min(LONGEST_WAIT, self.policy.backoff * 2.0 ** (tries - 1)))


def _host(url: str) -> str:
    return httpx.URL(url).netloc.decode()


def _status_failure(response: httpx.Response) -> FailedAttempt | None:
    status = response.status_code
    what = f"HTTP {status}"
    if status in WALLS:
        return FailedAttempt(f"{what}, the bot protection or the limit", wall=True, wait=_asked_wait(response))
    if status in PASSING:
        return FailedAttempt(f"{what}, a fault of the server", wait=_asked_wait(response))
    if status in (404, 410):
        return FailedAttempt(f"{what}: not there (any more)", final=True)
    if not response.is_success:
        return FailedAttempt(what, final=True)
    return None


def _asked_wait(response: httpx.Response) -> float:
    """Seconds of `Retry-After`, which is a number or a date."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isdigit():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError):
        return 0.0


def _web_page_failure(response: httpx.Response, instead_of: str) -> FailedAttempt | None:
    """A web page with status 200 is how bot protections, maintenance and captive portals answer."""
    start = response.content[:2000].lstrip()
    if "html" not in response.headers.get("Content-Type", "") and start[:1] != b"<":
        return None
    title = re.search(rb"<title[^>]*>(.*?)</title>", response.content[:20_000], re.IGNORECASE | re.DOTALL)
    named = f" (“{' '.join(title[1].decode(errors='replace').split())[:80]}”)" if title else ""
    return FailedAttempt(
        f"a web page{named} instead of {instead_of}: bot protection, maintenance or a proxy", wall=True
    )


def _read_json(response: httpx.Response) -> dict[str, Any]:
    failure = _web_page_failure(response, "JSON")
    if failure:
        raise AttemptError(failure)
    try:
        value = json.loads(response.content)
    except ValueError as error:
        raise AttemptError(FailedAttempt(f"JSON that is cut short or damaged ({error})")) from error
    if not isinstance(value, dict):
        raise AttemptError(FailedAttempt(f"{type(value).__name__} where a JSON object is expected"))
    return value


def _read_picture_bytes(response: httpx.Response) -> bytes:
    failure = _web_page_failure(response, "a picture")
    if failure:
        raise AttemptError(failure)
    return response.content
