"""As much of a W&B server as its client needs to start and log a run, and a way to break it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class WandbServer(ThreadingHTTPServer):
    """Answers on loopback until `broken` is set; then it takes connections and drops them.

    Attributes:
        dropped: how many.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.broken = threading.Event()
        self.dropped = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: WandbServer

    def log_message(self, *_: Any) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.server.broken.is_set():
            self.server.dropped += 1
            self.connection.close()
            return
        answer = json.dumps({"data": self._data(body)}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_PUT = do_POST  # noqa: N815

    def _data(self, body: bytes) -> dict[str, Any]:
        try:
            variables = json.loads(body).get("variables") or {}
        except (ValueError, AttributeError):
            variables = {}
        files = [{"name": name, "uploadUrl": f"{self.server.url}/up/{name}"} for name in variables.get("files", [])]
        project = {"id": "P", "name": "p", "entity": {"id": "E", "name": "e"}}
        bucket = {"id": "QQ==", "name": variables.get("name") or "x", "displayName": "x", "project": project}
        return {
            "upsertBucket": {"bucket": bucket, "inserted": True},
            "viewer": {"id": "V", "entity": "e", "username": "u", "flags": "{}", "teams": {"edges": []}},
            "serverInfo": {"cliVersionInfo": {}, "latestLocalVersionInfo": None, "features": []},
            "createRunFiles": {"runID": "QQ==", "uploadHeaders": [], "files": files},
            "model": {"bucket": None},
        }


@contextmanager
def serving() -> Iterator[WandbServer]:
    server = WandbServer()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
