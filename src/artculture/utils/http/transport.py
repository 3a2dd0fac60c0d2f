"""Transport of httpx that connects to guarded addresses only and bounds the body of every answer.

Everything goes through it, redirects and their bodies included. A request names its own limit by the extension
`max_bytes` (`client.get(url, extensions={"max_bytes": 10_000_000})`).
"""

import asyncio
import ssl
import urllib.request
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from functools import cache

import httpcore
import httpx

from artculture.utils.http.body import BoundedBody, LimitExceededError
from artculture.utils.http.network_guard import AddressGuard

MAX_BYTES = "max_bytes"


class PinnedBackend(httpcore.AsyncNetworkBackend):
    """Network backend that connects to the addresses of a guard instead of resolving names."""

    def __init__(self, guard: AddressGuard) -> None:
        self._guard = guard
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address that answers."""
        if not 0 <= port <= 65535:  # asyncio raises a group of errors
            raise httpcore.ConnectError(f"there is no port {port}")
        try:
            *others, last = await asyncio.to_thread(self._guard.addresses, host)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"{host[:100]} can't be resolved: {error}") from error
        for address in others:
            try:
                return await self._backend.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._backend.connect_tcp(last, port, timeout, local_address, socket_options)


class BoundedStream(httpx.AsyncByteStream):
    """Body of an answer, unpacked and bounded."""

    def __init__(self, stream: httpx.AsyncByteStream, body: BoundedBody) -> None:
        self._stream = stream
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for data in self._stream:
            for piece in self._body.feed(data):
                yield piece

    async def aclose(self) -> None:
        """Close the connection, unless the body was read to its end."""
        await self._stream.aclose()


class GuardedTransport(httpx.AsyncHTTPTransport):
    """Transport that connects to guarded addresses only, or through the proxy of the environment (`HTTPS_PROXY` …).

    A proxy resolves names itself: then only names that this machine resolves too are checked.

    Args:
        guard: of the addresses.
        max_bytes: of a body whose request has no limit of its own.
        connections: number of connections at most.
        proxies: False never uses a proxy, so that every name is checked.
    """

    def __init__(self, guard: AddressGuard, max_bytes: float, connections: int, *, proxies: bool = True) -> None:
        self._limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
        super().__init__(verify=ssl_context(), limits=self._limits)
        # httpx has no argument for httpcore's network backend. Without the attribute this fails, so no request goes
        # out unguarded.
        assert isinstance(self._pool, httpcore.AsyncConnectionPool)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=ssl_context(),
            max_connections=connections,
            max_keepalive_connections=connections,
            keepalive_expiry=self._limits.keepalive_expiry,
            network_backend=PinnedBackend(guard),
        )
        self._guard, self._max_bytes, self._use_proxies = guard, max_bytes, proxies
        self._proxies: dict[str, httpx.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; the response's body is unpacked and bounded while it is read."""
        proxy = proxy_of(request.url) if self._use_proxies else None
        response = await (self._through(proxy, request) if proxy else super().handle_async_request(request))
        stream = response.stream
        assert isinstance(stream, httpx.AsyncByteStream)
        try:
            body = BoundedBody(response.headers, request.extensions.get(MAX_BYTES, self._max_bytes))
        except LimitExceededError:
            await stream.aclose()
            raise
        response.headers.pop("Content-Encoding", None)
        response.stream = BoundedStream(stream, body)
        return response

    async def _through(self, proxy: str, request: httpx.Request) -> httpx.Response:
        with suppress(OSError, UnicodeError):
            await asyncio.to_thread(self._guard.addresses, request.url.host)
        if proxy not in self._proxies:
            self._proxies[proxy] = httpx.AsyncHTTPTransport(verify=ssl_context(), limits=self._limits, proxy=proxy)
        return await self._proxies[proxy].handle_async_request(request)

    async def aclose(self) -> None:
        """Close all connections."""
        await super().aclose()
        for proxy in self._proxies.values():
            await proxy.aclose()


@cache
def ssl_context() -> ssl.SSLContext:
    """Return the process's TLS settings; reading the certificates takes tens of milliseconds."""
    return httpx.create_ssl_context()


def proxy_of(url: httpx.URL) -> str | None:
    """Return the environment's proxy for an address, None if there is none."""
    proxies = urllib.request.getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    if not proxy or urllib.request.proxy_bypass(url.host):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"
