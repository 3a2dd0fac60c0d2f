"""Hostile clients of `artculture serve`, each followed by a usual request."""

import http.client
import socket
import struct
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tests.unit.data.image_fixtures import KINDS

if TYPE_CHECKING:
    from benchmarks.serve import Served

HEAD = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
SILENT = 200


def hostile_rows(server: "Served", picture: bytes) -> list[str]:
    """Return a table of what each hostile client saw, and what became of the next request and of memory."""
    cases: dict[str, Callable[[Served], str]] = {
        f"{len(KINDS)} odd kinds of pictures": odd_pictures,
        "a PNG of 400 megapixels": bomb,
        "an endless body": endless,
        "a body that arrives by one byte a second": slow,
        f"{SILENT} connections that say nothing": silent,
        "a form of 100,000 empty parts": parts,
        "links into private networks": links,
    }
    lines = ["| clients | saw | next request | memory, MB |", "|---|---|---|---:|"]
    for name, case in cases.items():
        seen = case(server)
        began = time.perf_counter()
        answered = server.answers(picture)
        after = f"answered in {time.perf_counter() - began:.2f} s" if answered else "not answered"
        lines.append(f"| {name} | {seen} | {after} | {server.megabytes():.0f} |")
    return lines


def post(server: "Served", body: bytes, kind: str = "image/png") -> int:
    """Return the status of a POST /predict."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    try:
        connection.request("POST", "/predict", body, {"Content-Type": kind})
        return connection.getresponse().status
    finally:
        connection.close()


def odd_pictures(server: "Served") -> str:
    found: Counter[int] = Counter()
    with tempfile.TemporaryDirectory(prefix="artculture-") as folder:
        for kind in KINDS.values():
            path = Path(tempfile.mkdtemp(dir=folder)) / kind.file
            kind.write(path)
            # Of a link, a pipe or a folder nothing can be posted.
            found[post(server, path.read_bytes() if path.is_file() else b"")] += 1
    return ", ".join(f"{count} × {status}" for status, count in sorted(found.items()))


def bomb(server: "Served") -> str:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(1 << 20))
    return str(post(server, b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")))


def endless(server: "Served") -> str:
    piece, sent, began = b"10000\r\n" + bytes(65536) + b"\r\n", 0, time.perf_counter()
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection, suppress(OSError):
        connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        while time.perf_counter() - began < 60:
            connection.sendall(piece)
            sent += len(piece)
    return f"cut off after {time.perf_counter() - began:.1f} s and {sent / 1e6:.0f} MB"


def slow(server: "Served") -> str:
    received, began = b"", time.perf_counter()
    with socket.create_connection(("127.0.0.1", server.port), timeout=1) as connection, suppress(BrokenPipeError):
        connection.sendall(HEAD + b"Content-Length: 1000\r\n\r\n")
        while not received and time.perf_counter() - began < 90:
            connection.sendall(b"a")
            with suppress(TimeoutError):
                received = connection.recv(100)
    return f"{received[9:12].decode() or 'nothing'} after {time.perf_counter() - began:.0f} s"


def silent(server: "Served") -> str:
    kept = [socket.create_connection(("127.0.0.1", server.port), timeout=60) for _ in range(SILENT)]
    began = time.perf_counter()
    first = post(server, b"none")
    answered = time.perf_counter() - began
    for connection in kept:
        with suppress(ConnectionResetError):
            connection.recv(1)
        connection.close()
    ended = time.perf_counter() - began
    return f"another client's answer ({first}) after {answered:.2f} s; all closed after {ended:.0f} s"


def parts(server: "Served") -> str:
    part = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n'
    return str(post(server, 100_000 * part + b"--b--", "multipart/form-data; boundary=b"))


def links(server: "Served") -> str:
    hosts = ("127.0.0.1", "localhost", "10.0.0.1", "169.254.169.254", "[::1]", "[::ffff:127.0.0.1]", "2130706433")
    bodies = [f'{{"url": "http://{host}:{server.port}/examples/0.jpg"}}'.encode() for host in hosts]
    statuses = Counter(post(server, body, "application/json") for body in bodies)
    return ", ".join(f"{count} × {status}" for status, count in sorted(statuses.items()))
