"""A local stand-in of the Hugging Face Hub's API for one repository: create, upload (also by LFS), tag, download."""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class HubServer:
    """Commits of a repository, oldest first, and what was asked of it."""

    def __init__(self) -> None:
        self.created: dict | None = None
        self.commits: list[dict[str, bytes]] = []
        self.refs: dict[str, int] = {}
        self.stored: dict[str, bytes] = {}

    def commit_of(self, revision: str) -> int | None:
        if revision == "main":
            return len(self.commits) - 1 if self.commits else None
        return self.refs.get(revision)

    def commit(self, lines: list[dict]) -> None:
        files = dict(self.commits[-1]) if self.commits else {}
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.stored[value["oid"]]
        self.commits.append(files)


def oid(number: int) -> str:
    return hashlib.sha1(str(number).encode()).hexdigest()


@contextmanager
def serving_hub() -> Iterator[tuple[HubServer, str]]:
    hub = HubServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self, content: dict | bytes, status: int = 200, **headers: str) -> None:
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)

        def do_POST(self) -> None:
            body = self.body()
            if self.path == "/api/repos/create":
                hub.created = json.loads(body)
                self.answer({"url": f"{base}/me/paintings", "id": "me/paintings"})
            elif self.path == "/api/validate-yaml":
                self.answer({"errors": [], "warnings": []})
            elif "/preupload/" in self.path:
                paths = [entry["path"] for entry in json.loads(body)["files"]]
                mode = {path: "lfs" if path.endswith(".safetensors") else "regular" for path in paths}
                self.answer({"files": [{"path": p, "uploadMode": mode[p], "shouldIgnore": False} for p in paths]})
            elif self.path.endswith("/objects/batch"):
                objects = json.loads(body)["objects"]
                actions = [{**o, "actions": {"upload": {"href": f"{base}/upload/{o['oid']}"}}} for o in objects]
                self.answer({"transfer": "basic", "objects": actions})
            elif "/commit/" in self.path:
                hub.commit([json.loads(line) for line in body.splitlines()])
                number = oid(len(hub.commits) - 1)
                self.answer({"success": True, "commitOid": number, "commitUrl": f"{base}/me/paintings/commit/{number}"})
            elif "/tag/" in self.path:
                hub.refs[json.loads(body)["tag"]] = len(hub.commits) - 1
                self.answer({}, 201)
            else:
                self.answer({"error": "not here"}, 404)

        def do_PUT(self) -> None:
            hub.stored[self.path.rpartition("/")[2]] = self.body()
            self.answer({})

        def do_GET(self) -> None:
            match = re.fullmatch(r"/me/paintings/resolve/([^/]+)/(.+)", self.path)
            commit = hub.commit_of(match[1]) if match else None
            if match is None or commit is None or match[2] not in hub.commits[commit]:
                self.answer({}, 404, X_Error_Code="RevisionNotFound" if match else "RepoNotFound")
                return
            content = hub.commits[commit][match[2]]
            etag = f'"{hashlib.sha256(content).hexdigest()}"'
            self.answer(content, X_Repo_Commit=oid(commit), ETag=etag, X_Linked_Size=str(len(content)))

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    base = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield hub, base
    finally:
        server.shutdown()
        server.server_close()
