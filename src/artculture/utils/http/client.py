"""HTTP client whose answers are bounded in bytes and time."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx

from artculture.utils.http.body import ACCEPTED_ENCODINGS, LimitExceededError
from artculture.utils.http.network_guard import AddressGuard
from artculture.utils.http.transport import MAX_BYTES, GuardedTransport


def guarded_client(
    guard: AddressGuard,
    *,
    headers: Mapping[str, str],
    timeout: float,
    max_bytes: float,
    connections: int = 1,
    proxies: bool = True,
) -> httpx.AsyncClient:
    """Return a client that follows redirects within the guard.

    Args:
        headers: sent with every request.
        timeout: seconds without data after which a request fails.
        max_bytes: of an answer whose request has no limit of its own, packed and unpacked.
        connections: number of connections at most.
        proxies: whether a proxy of the environment is used, which resolves names itself.
    """
    return httpx.AsyncClient(
        headers={"Accept-Encoding": ACCEPTED_ENCODINGS, **headers},
        timeout=timeout,
        follow_redirects=True,
        transport=GuardedTransport(guard, max_bytes, connections, proxies=proxies),
    )


@asynccontextmanager
async def bounded_stream(
    client: httpx.AsyncClient, url: str, *, max_bytes: float, max_seconds: float, **request: Any
) -> AsyncIterator[httpx.Response]:
    """Send a GET request and yield the response to be read piece by piece, with `aiter_bytes`.

    Args:
        max_seconds: for the whole block, redirects included.
        request: further arguments of `httpx.AsyncClient.stream`.

    Raises:
        LimitExceededError: the answer is larger or slower than allowed.
        PrivateAddressError: a server leads into a private network.
        httpx.RequestError: as httpx does.
    """
    try:
        async with asyncio.timeout(max_seconds) as limit:
            async with client.stream("GET", url, extensions={MAX_BYTES: max_bytes}, **request) as response:
                yield response
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise LimitExceededError(f"not complete within {max_seconds:g} s") from error


async def bounded_get(
    client: httpx.AsyncClient, url: str, *, max_bytes: float, max_seconds: float, **request: Any
) -> httpx.Response:
    """Return the response to a GET request with its body; arguments and errors as `bounded_stream`."""
    async with bounded_stream(client, url, max_bytes=max_bytes, max_seconds=max_seconds, **request) as response:
        await response.aread()
        return response
