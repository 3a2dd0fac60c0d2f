"""Connections to shards at http(s) addresses: a server may not redirect them into a private network."""

import socket
from collections.abc import Callable, Coroutine
from functools import cache
from typing import Any

from fsspec.callbacks import Callback

from artculture.utils.http.body import LimitExceededError, size_text
from artculture.utils.http.network_guard import AddressGuard


@cache
def session_factory(url: str) -> Callable[..., Coroutine[Any, Any, Any]]:
    """Return `get_client` for fsspec's HTTP file system; the same for the same address, by which fsspec caches."""
    guard = AddressGuard([url])

    def guarded_socket(info: tuple[int, int, int, str, tuple[Any, ...]]) -> socket.socket:
        family, kind, protocol, _, address = info
        guard.check(str(address[0]))
        return socket.socket(family, kind, protocol)

    async def session(**options: Any) -> Any:
        import aiohttp

        # The address of each connection is checked, whatever its name resolves to.
        return aiohttp.ClientSession(connector=aiohttp.TCPConnector(socket_factory=guarded_socket), **options)

    return session


class BoundedTransfer(Callback):  # type: ignore[misc]
    """Callback of a download that ends it when it is larger than expected."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__()
        self._max_bytes = max_bytes

    def relative_update(self, inc: int = 1) -> None:
        """Count bytes.

        Raises:
            LimitExceededError: more than expected.
        """
        super().relative_update(inc)
        if self.value > self._max_bytes:
            raise LimitExceededError(f"more than {size_text(self._max_bytes)}")
