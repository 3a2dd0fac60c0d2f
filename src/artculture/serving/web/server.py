"""HTTP server: bounded connections, and every accepted request answered before the end."""

import asyncio
import ipaddress
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from artculture.config.schema.checkpoint_commands import ServeLimits
from artculture.utils.errors import InputError, Interrupted
from artculture.utils.signals import STOP_SIGNALS, is_ignored

KEEP_ALIVE_SECONDS = 15
LARGEST_HEAD = 16_384
# After an answer to a request that is still being sent: closing at once would lose the answer on its way.
DISCARD_SECONDS = 2.0
# At the end, a request may be on its way over a connection that was kept open.
LINGER_SECONDS = 0.5
# For requests that are being received or answered when the server is stopped, in addition to their own limits.
SPARE_SECONDS = 5.0


class BoundedProtocol(H11Protocol):
    """uvicorn's protocol for clients that may be slow, silent or endless; uvicorn waits for them without end."""

    idle_seconds = 10.0

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._discard_timer: asyncio.TimerHandle | None = None
        self._stopping = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start waiting for a request."""
        super().connection_made(transport)
        self._head_timer = self.loop.call_later(self.idle_seconds, transport.abort)

    def data_received(self, data: bytes) -> None:
        """Pass data on; the first line and headers of a request must be complete within `idle_seconds`."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            _cancel(self._head_timer)
            self._head_timer = None
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(self.idle_seconds, self.transport.abort)
        if self._stopping:
            self._make_last()

    def on_response_complete(self) -> None:
        """Keep the connection, but receive the rest of an unread body for a moment only."""
        super().on_response_complete()
        if self.conn.their_state is h11.SEND_BODY and self._discard_timer is None:
            self._discard_timer = self.loop.call_later(DISCARD_SECONDS, self._end_discarding)

    def _end_discarding(self) -> None:
        self._discard_timer = None
        if self.cycle.response_complete and self.conn.their_state is h11.SEND_BODY:
            self.transport.abort()

    def pause_writing(self) -> None:
        """Wait for a client that does not read, but not for ever."""
        super().pause_writing()
        self._write_timer = self.loop.call_later(self.idle_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Continue to write."""
        _cancel(self._write_timer)
        self._write_timer = None
        super().resume_writing()

    def shutdown(self) -> None:
        """Answer what was asked, and what is on its way, then close."""
        self._stopping = True
        if self.cycle is None or self.cycle.response_complete:
            self.loop.call_later(LINGER_SECONDS, self._close_if_idle)
        else:
            self._make_last()

    def _make_last(self) -> None:
        """Close after the answer, and say so in it: else the client sends its next request on this connection."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete or not cycle.keep_alive:
            return
        cycle.keep_alive = False
        if not cycle.response_started:
            cycle.default_headers = [*cycle.default_headers, (b"connection", b"close")]

    def _close_if_idle(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop all timers."""
        for timer in (self._head_timer, self._write_timer, self._discard_timer):
            _cancel(timer)
        super().connection_lost(exc)
        self._unset_keepalive_if_required()


class Server(uvicorn.Server):
    """uvicorn's server, which ends without losing a request.

    Args:
        app: the application.
        limits: of requests.
        ready: called when requests are answered.
    """

    def __init__(self, app: ASGIApp, limits: ServeLimits, ready: Callable[[], None] = lambda: None) -> None:
        protocol = type("Protocol", (BoundedProtocol,), {"idle_seconds": limits.idle_seconds})
        super().__init__(
            uvicorn.Config(
                app,
                http=protocol,
                ws="none",
                loop="asyncio",
                log_config=None,
                log_level="error",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=int(limits.upload_seconds + limits.seconds + SPARE_SECONDS),
                h11_max_incomplete_event_size=LARGEST_HEAD,
            )
        )
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no more connections, answer those that are there, and end."""
        for server in self.servers:
            server.close()
        # Give uvicorn time to register connections that are being accepted, so that it closes them too.
        await asyncio.sleep(0.05)
        await super().shutdown(sockets)

    def run_until_stopped(self, listener: socket.socket) -> None:
        """Answer requests until SIGTERM, Ctrl-C or a closed terminal."""
        for number in STOP_SIGNALS:
            if not is_ignored(number):
                signal.signal(number, self.handle_exit)
        # uvicorn raises the signals that it was stopped by once more.
        with suppress(Interrupted, KeyboardInterrupt):
            self.run([listener])


def bind(host: str, port: int) -> socket.socket:
    """Return a socket bound to an address, which refuses connections until the server listens.

    Raises:
        InputError: the port is taken, or the address is not this machine's.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        listener = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"host={host}: {reason}; give an address of this machine") from error
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise InputError(
            f"host={host} port={port}: {error.strerror}; give another port=…, 0 for any free one"
        ) from error
    return listener


def is_loopback(host: str) -> bool:
    """Return whether an address or name leads to this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _cancel(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
