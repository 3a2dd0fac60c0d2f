"""Who may ask: checks of the headers Host and Origin, headers of every answer, and counting."""

import ipaddress
import time
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from artculture.serving.web.metrics import Metrics
from artculture.utils.io import json_text

# Paths that are counted by their own name; all others are one.
COUNTED = ("/", "/predict", "/predict/batch", "/health", "/metrics", "/openapi.json")
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class AccessControl:
    """ASGI middleware before the app.

    A page elsewhere may neither read answers (there is no CORS) nor ask anything: its requests carry its `Origin`. A
    name that an attacker lets lead to this machine (DNS rebinding) is not among the names that are answered to.

    Args:
        app: the app.
        hosts: names besides localhost and IP addresses.
        metrics: counts answers.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str], metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics
        self._hosts = {host.lower() for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"] if scope["path"] in COUNTED else "other"
        began = time.perf_counter()

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._metrics.requests.labels(path, str(message["status"])).inc()
                self._metrics.seconds.labels(path).observe(time.perf_counter() - began)
                own = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
                message = {**message, "headers": [*message["headers"], *own]}
            await send(message)

        refusal = self._refusal(Headers(scope=scope), scope["method"])
        if refusal is None:
            await self._app(scope, receive, counted)
            return
        status, sentence = refusal
        body = json_text({"error": sentence}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await counted({"type": "http.response.start", "status": status, "headers": headers})
        await counted({"type": "http.response.body", "body": body})

    def _refusal(self, headers: Headers, method: str) -> tuple[int, str] | None:
        host = headers.get("host", "")
        if not self._is_known(host):
            return 421, "this name is not served here; hosts=[…] of `artculture serve` adds one"
        origin = headers.get("origin")
        elsewhere = origin is not None and urlsplit(origin).netloc.lower() != host.lower()
        if method != "GET" and (elsewhere or headers.get("sec-fetch-site") == "cross-site"):
            return 403, "pages of other sites may not ask this server"
        return None

    def _is_known(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return name == "localhost" or name in self._hosts or _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
