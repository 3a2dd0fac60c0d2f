"""As much of a W&B server as its client needs to log, sync and look up runs, and a way to break it."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

ARTIFACT = {"id": "QXJ0aWZhY3Q6MQ==", "digest": "d", "state": "PENDING", "createdAt": "2026-01-01T00:00:00Z"}


class WandbServer(ThreadingHTTPServer):
    """Answers on loopback until `broken` is set; then it takes connections and drops them.

    Attributes:
        dropped: how many.
        asked: (name of a GraphQL operation's first field, its variables), in order.
        uploads: name of an uploaded file to its content.
        streams: content of the run's file streams, by name: `wandb-history.jsonl`, …
        answers: field of GraphQL to a function from the variables to its answer, before those below.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.broken = threading.Event()
        self.dropped = 0
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.uploads: dict[str, bytes] = {}
        self.streams: dict[str, list[str]] = {}
        self.answers: dict[str, Callable[[dict[str, Any]], Any]] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def variables(self, field: str) -> list[dict[str, Any]]:
        """Return the variables of all requests of a field."""
        return [variables for name, variables in self.asked if name == field]


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
        path = unquote(urlsplit(self.path).path)
        if path.startswith("/up/"):
            self.server.uploads[path.removeprefix("/up/")] = body
        elif path.endswith("/file_stream"):
            for name, part in json.loads(body).get("files", {}).items():
                self.server.streams.setdefault(name, []).extend(part["content"])
        answer = json.dumps({"data": self._data(body)}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_PUT = do_POST  # noqa: N815

    def _data(self, body: bytes) -> dict[str, Any]:
        try:
            request = json.loads(body)
            variables = request.get("variables") or {}
            field = request["query"].partition("{")[2].split("(")[0].split("{")[0].strip()
            self.server.asked.append((field, variables))
        except (ValueError, AttributeError, KeyError):
            variables = {}
        url = self.server.url
        files = [{"name": name, "uploadUrl": f"{url}/up/{name}"} for name in variables.get("files", [])]
        project = {"id": "P", "name": "p", "entity": {"id": "E", "name": "e"}, "internalId": "UDox"}
        bucket = {"id": "QQ==", "name": variables.get("name") or "x", "displayName": "x", "project": project}
        manifest = {"id": "M", "file": {"id": "F", **self._upload("wandb_manifest.json")}}
        specs = variables.get("input", variables).get("artifactFiles") or []
        nodes = [{"id": "F", "artifact": ARTIFACT, "storagePath": "s", **self._upload(s["name"])} for s in specs]
        return {
            "upsertBucket": {"bucket": bucket, "inserted": True},
            "viewer": {"id": "V", "entity": "e", "username": "u", "flags": "{}", "teams": {"edges": []}},
            "serverInfo": {"cliVersionInfo": {}, "latestLocalVersionInfo": None, "features": []},
            "createRunFiles": {"runID": "QQ==", "uploadHeaders": [], "files": files},
            "model": {"bucket": None},
            "createArtifact": {"artifact": {**ARTIFACT, "artifactSequence": {"id": "S", "latestArtifact": None}}},
            "createArtifactManifest": {"artifactManifest": manifest},
            "createArtifactFiles": {"files": {"edges": [{"node": node} for node in nodes]}},
            "commitArtifact": {"artifact": ARTIFACT},
            "useArtifact": {"artifact": ARTIFACT},
            "clientIDMapping": {"serverID": ARTIFACT["id"]},
            "project": project,
            **{name: answer(variables) for name, answer in self.server.answers.items()},
        }

    def _upload(self, name: str) -> dict[str, Any]:
        url = f"{self.server.url}/up/artifact/{name}"
        return {"name": name, "displayName": name, "uploadUrl": url, "uploadHeaders": [], "uploadMultipartUrls": None}


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
