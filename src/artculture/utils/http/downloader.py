"""Downloads from threads, all of which end at once when the command is stopped."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from pathlib import Path
from typing import Any

import httpx

from artculture.utils.http.client import bounded_stream, guarded_client
from artculture.utils.http.network_guard import AddressGuard


class DownloadStoppedError(Exception):
    """The downloader was closed."""


class Downloader:
    """Downloader of single files for any number of threads.

    Downloads run on one event loop, because a thread that waits for a server can't be interrupted.

    Args:
        headers: sent with every request.
        check: raises an error for a response whose body is not wanted, by its status.
        timeout: seconds without data after which a download fails.
        max_bytes: of a file, packed and unpacked.
        max_seconds: of a download in total.
        allow_private: let servers lead into private networks.
    """

    def __init__(
        self,
        headers: dict[str, str],
        check: Callable[[httpx.Response], None],
        *,
        timeout: float,
        max_bytes: float,
        max_seconds: float,
        allow_private: bool,
    ) -> None:
        self.timeout = timeout
        self._client: dict[str, Any] = {"headers": headers, "timeout": timeout, "max_bytes": max_bytes}
        self._check, self._max_bytes, self._max_seconds = check, max_bytes, max_seconds
        self._allow_private = allow_private
        self._lock = threading.Lock()
        self._running: set[Future[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    def download(self, url: str, path: Path) -> None:
        """Download an address that the user typed to a file.

        Raises:
            DownloadStoppedError: the downloader is closed.
            Exception: as `bounded_stream` and `check` do.
        """
        with self._lock:
            if self._closed:
                raise DownloadStoppedError
            future = asyncio.run_coroutine_threadsafe(self._download(url, path), self._started())
            self._running.add(future)
        try:
            future.result()
        except CancelledError as error:
            raise DownloadStoppedError from error
        finally:
            self._running.discard(future)

    def close(self) -> None:
        """End all downloads; each raises `DownloadStoppedError` in its thread."""
        with self._lock:
            self._closed = True
        for future in list(self._running):
            future.cancel()
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop = None

    def _started(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=_run, args=(self._loop,), name="downloads", daemon=True)
            self._thread.start()
        return self._loop

    async def _download(self, url: str, path: Path) -> None:
        # A client for each address: what one of them permits must not serve another one's redirects.
        guard = AddressGuard([url], allow_private=self._allow_private)
        limits = {"max_bytes": self._max_bytes, "max_seconds": self._max_seconds}
        async with guarded_client(guard, **self._client) as client, bounded_stream(client, url, **limits) as response:
            self._check(response)
            with path.open("wb") as file:
                async for piece in response.aiter_bytes():
                    file.write(piece)


def _run(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
        loop.run_until_complete(_cancel_all())
    finally:
        loop.close()


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
