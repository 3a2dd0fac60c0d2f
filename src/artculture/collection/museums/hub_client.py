"""HTTP client of `huggingface_hub` within the limits and the guard of a fetch."""

import asyncio
import importlib
import re
import ssl
import threading
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, Self

from artculture.config.schema.downloads import DownloadLimits
from artculture.utils.http.body import ACCEPTED_ENCODINGS, BoundedBody, LimitExceededError
from artculture.utils.http.network_guard import AddressGuard

# Seconds after which a waiting thread notices that the fetch was stopped.
POLL_SECONDS = 0.5


@asynccontextmanager
async def guarded_hub(hub: Any, guard: AddressGuard, limits: DownloadLimits, timeout: float) -> AsyncIterator[None]:
    """Send the requests of `huggingface_hub` through a bounded and guarded client; its threads end with the block.

    Behind a proxy of the environment the library's own client stays, because the proxy resolves names.

    Args:
        hub: the module `huggingface_hub`.
        guard: of the addresses.
        limits: of the answers.
        timeout: seconds without data after which a request fails.
    """
    proxies = urllib.request.getproxies()
    if any(proxies.get(scheme) for scheme in ("http", "https", "all")):
        yield
        return
    hooks = hub.get_session().event_hooks
    # Versions of the library use different generations of httpx.
    name = type(hub.get_session()).__module__.partition(".")[0]
    httpx, httpcore = importlib.import_module(name), importlib.import_module(name.replace("httpx", "httpcore"))
    stopped = threading.Event()

    def client(**transport: Any) -> Any:
        headers = {"Accept-Encoding": ACCEPTED_ENCODINGS}
        return httpx.Client(event_hooks=hooks, follow_redirects=True, timeout=timeout, headers=headers, **transport)

    hub.set_client_factory(lambda: client(transport=_Transport(httpx, httpcore, guard, limits, stopped)))
    try:
        yield
    except asyncio.CancelledError:
        # The bounded client stays: otherwise the library's threads would try again with an unbounded one.
        stopped.set()
        raise
    finally:
        if not stopped.is_set():
            hub.set_client_factory(client)


def max_bytes(method: str, path: str, range_header: str, limits: DownloadLimits) -> float:
    """Return the limit of an answer: the range that was asked for, a page of the API, or a whole file."""
    asked = re.fullmatch(r"bytes=(\d+)-(\d+)", range_header)
    if asked and method == "GET":
        return min(limits.file_bytes, int(asked[2]) - int(asked[1]) + 1)
    return limits.json_bytes if path.startswith("/api/") else limits.file_bytes


class _Deadline(threading.local):
    """End of the present request of a thread; each request is sent and read by one thread."""

    def __init__(self, stopped: threading.Event, seconds: float) -> None:
        self._stopped = stopped
        self.start(seconds)

    def start(self, seconds: float) -> None:
        self._seconds, self._end = seconds, time.monotonic() + seconds

    def check(self) -> None:
        if self._stopped.is_set():
            raise LimitExceededError("stopped")
        if time.monotonic() > self._end:
            raise LimitExceededError(f"not complete within {self._seconds:g} s")


class _Stream:
    """Connection whose reads end at the deadline; `core` is the library's generation of httpcore."""

    def __init__(self, stream: Any, deadline: _Deadline, core: Any) -> None:
        self._stream, self._deadline, self._core = stream, deadline, core

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        end = time.monotonic() + (timeout or float("inf"))
        while True:
            self._deadline.check()
            try:
                data: bytes = self._stream.read(max_bytes, min(POLL_SECONDS, max(0.01, end - time.monotonic())))
                return data
            except self._core.ReadTimeout:
                if time.monotonic() > end:
                    raise

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> "_Stream":
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, timeout), self._deadline, self._core)


class _Backend:
    """Network backend that connects to the addresses of a guard, as `PinnedBackend` does."""

    def __init__(self, guard: AddressGuard, deadline: _Deadline, core: Any) -> None:
        self._guard, self._deadline, self._core = guard, deadline, core
        self._backend = core.SyncBackend()

    def connect_tcp(self, host: str, port: int, *arguments: Any, **named: Any) -> _Stream:
        try:
            *others, last = self._guard.addresses(host)
        except (OSError, UnicodeError) as error:
            raise self._core.ConnectError(f"{host[:100]} can't be resolved: {error}") from error
        for address in others:
            try:
                return self._connected(address, port, *arguments, **named)
            except (self._core.ConnectError, self._core.ConnectTimeout):
                continue
        return self._connected(last, port, *arguments, **named)

    def _connected(self, *arguments: Any, **named: Any) -> _Stream:
        return _Stream(self._backend.connect_tcp(*arguments, **named), self._deadline, self._core)


class _Body:
    """Body of an answer, unpacked and bounded; made with the library's class of bodies as a second base."""

    def __init__(self, stream: Any, body: BoundedBody) -> None:
        self._stream, self._body = stream, body

    def __iter__(self) -> Iterator[bytes]:
        for data in self._stream:
            yield from self._body.feed(data)

    def close(self) -> None:
        self._stream.close()


class _Transport:
    """Transport for a client of `httpx`, the library's generation of it, whose httpcore is `core`."""

    def __init__(
        self, httpx: Any, core: Any, guard: AddressGuard, limits: DownloadLimits, stopped: threading.Event
    ) -> None:
        self._limits, self._deadline = limits, _Deadline(stopped, limits.file_seconds)
        self._body_class = type("_BoundedBody", (_Body, httpx.SyncByteStream), {})
        self._transport = httpx.HTTPTransport()
        assert isinstance(self._transport._pool, core.ConnectionPool)  # as in `GuardedTransport`
        backend = _Backend(guard, self._deadline, core)
        self._transport._pool = core.ConnectionPool(ssl_context=httpx.create_ssl_context(), network_backend=backend)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._transport.close()

    def handle_request(self, request: Any) -> Any:
        whole_file = "Range" not in request.headers and not request.url.path.startswith("/api/")
        self._deadline.start(self._limits.file_seconds if whole_file else self._limits.seconds)
        response = self._transport.handle_request(request)
        limit = max_bytes(request.method, request.url.path, request.headers.get("Range", ""), self._limits)
        try:
            body = BoundedBody(response.headers if request.method != "HEAD" else {}, limit)
        except LimitExceededError:
            response.stream.close()
            raise
        response.headers.pop("Content-Encoding", None)
        response.stream = self._body_class(response.stream, body)
        return response
