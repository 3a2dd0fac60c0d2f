"""Museums on loopback with one hostile answer each, and a canary that no answer may lead to."""

import io
import itertools
import socket
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from PIL import Image
from tests.integration.collection.test_met_csv import table
from tests.integration.collection.test_met_hub import REPO, hub_row, shard
from tests.unit.museum_servers import (
    Answer,
    ArticServer,
    ClevelandServer,
    HubServer,
    MetServer,
    MuseumServer,
    artic_artwork,
    cleveland_artwork,
    jpeg,
    serving,
    table_row,
)

MEGABYTE = 1_000_000
# A server that would send without end is stopped here, so that a failing case stays bounded.
MOST_BYTES = 400 * MEGABYTE
# Objects of every museum here; the record and the picture of the second one are the hostile ones.
OBJECTS = (1, 2, 3)


def endless(start: bytes) -> Answer:
    piece = b" " * 65_536
    return Answer(200, b"", chunks=itertools.chain([start], itertools.repeat(piece, MOST_BYTES // len(piece))))


def trickle() -> Answer:
    """A byte each half second."""

    def chunks() -> Iterator[bytes]:
        while True:
            yield b" "
            time.sleep(0.5)

    return Answer(200, b"", chunks=chunks())


@cache
def packed(start: bytes) -> bytes:
    """`MOST_BYTES` as a gzip file of about a thousandth of that size."""
    packer = zlib.compressobj(1, wbits=16 + zlib.MAX_WBITS)
    pieces = [packer.compress(start)]
    pieces += [packer.compress(b" " * MEGABYTE) for _ in range(MOST_BYTES // MEGABYTE)]
    return b"".join([*pieces, packer.flush()])


def bomb(start: bytes) -> Answer:
    return Answer(200, packed(start), headers={"Content-Encoding": "gzip"})


@cache
def png_bomb() -> bytes:
    """A small PNG of 600 megapixels."""
    out = io.BytesIO()
    Image.new("1", (30_000, 20_000)).save(out, "PNG")
    return out.getvalue()


def nested() -> Answer:
    return Answer(200, b'{"a":' * 100_000)


@dataclass(frozen=True)
class Site:
    """A museum of `OBJECTS`.

    Attributes:
        parts: {what is hostile: a part of its address}.
        arguments: of `fetch`, given the server's address and a folder.
    """

    server: Callable[[Path], MuseumServer]
    parts: dict[str, str]
    arguments: Callable[[MuseumServer, Path], list[str]]


def _csv_table(folder: Path) -> bytes:
    return table(folder / "MetObjects.csv", [table_row(number, "Spain") for number in OBJECTS]).read_bytes()


def _met_csv(folder: Path) -> MuseumServer:
    server = MetServer({number: ["Spain"] for number in OBJECTS})
    server.files["/MetObjects.csv"] = _csv_table(folder)
    return server


def _hub(folder: Path) -> MuseumServer:
    data = shard(folder / "hub.parquet", [hub_row(number, "Spain") for number in OBJECTS]).read_bytes()
    return HubServer(REPO, {"default/train/0000.parquet": data})


def _of(name: str) -> Callable[[MuseumServer, Path], list[str]]:
    paths = {"met": "/public/collection/v1", "met_csv": "/public/collection/v1", "artic": "/api/v1"}

    def arguments(server: MuseumServer, _folder: Path) -> list[str]:
        base = f"{server.base}{paths.get(name, '/api' if name == 'cleveland' else '')}"
        more = {
            "met_csv": [f"source.path={server.base}/MetObjects.csv"],
            "artic": [f"museums.artic.iiif_url={server.base}/iiif/2"],
        }
        limits = [f"museums.{name}.rate_limit=1000", "source.rate=1000", "source.start_rate=1000"]
        quick = ["source.backoff=0.01", "source.retries=1", "limits.seconds=3"]
        return [f"source={name}", f"source.base_url={base}", *more.get(name, []), *limits, *quick]

    return arguments


SITES = {
    "met": Site(
        lambda _: MetServer({number: ["Spain"] for number in OBJECTS}),
        {"list": "/search", "record": "/objects/2", "picture": "/DP2.jpg"},
        _of("met"),
    ),
    "met_csv": Site(
        _met_csv,
        {"list": "/MetObjects.csv", "record": "/objects/2", "picture": "/DP2.jpg"},
        _of("met_csv"),
    ),
    "met_hub": Site(_hub, {"list": "/api/datasets", "file": "/resolve/"}, _of("met_hub")),
    "artic": Site(
        lambda _: ArticServer([artic_artwork(number, "Spain") for number in OBJECTS]),
        {"list": "/artworks/search", "picture": "/00000002-"},
        _of("artic"),
    ),
    "cleveland": Site(
        lambda _: ClevelandServer([cleveland_artwork(number, ["Spain"]) for number in OBJECTS]),
        {"list": "/artworks/", "picture": "/1953.2_web.jpg"},
        _of("cleveland"),
    ),
}


@contextmanager
def hostile(server: MuseumServer, part: str, make: Callable[[], Answer]) -> Iterator[MuseumServer]:
    """Serve a museum whose addresses with a given part have the hostile answer."""
    usual = server.answer
    answers = {"answer": lambda path, *more: make() if part in path else usual(path, *more)}
    vars(server).update(answers)
    with serving(server):
        yield server


@contextmanager
def canary() -> Iterator[tuple[str, list[str]]]:
    """Run a server in a network of its own, the IPv6 loopback; yield its address and the requests that reach it.

    Where there is no IPv6, the address leads to nothing, and only the refusal is checked.
    """
    requests: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requests.append(self.path)
            data = jpeg("secret")
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        address_family = socket.AF_INET6

    try:
        server = Server(("::1", 0), Handler)
    except OSError:
        yield "http://[::1]:9/secret.jpg", requests
        return
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://[::1]:{server.server_address[1]}/secret.jpg", requests
    finally:
        server.shutdown()
        server.server_close()
