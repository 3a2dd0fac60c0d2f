import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx
import pytest

from artculture.serving.web.server import bind, is_loopback
from artculture.utils.errors import InputError
from tests.unit.serving.web.conftest import picture

HEAD = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"


@pytest.fixture(scope="module")
def hasty(serving):
    with serving("limits.idle_seconds=0.4", "limits.upload_seconds=0.4", "limits.megabytes=1.0") as server:
        yield server


def answer(connection: socket.socket) -> bytes:
    """All that arrives until the server closes."""
    received = b""
    while part := connection.recv(65536):
        received += part
    return received


def test_silent_and_half_asked_connections_end_and_block_nobody(hasty):
    silent = [hasty.connect() for _ in range(100)]
    for connection in silent[50:]:
        connection.sendall(HEAD)  # its headers never end
    began = time.perf_counter()
    assert hasty.post(picture()).status_code == 200
    for connection in silent:
        with connection, suppress(ConnectionResetError):
            assert answer(connection) == b""
    assert time.perf_counter() - began < 5


def test_a_body_that_arrives_too_slowly_is_answered_with_408(hasty):
    with hasty.connect() as connection:
        connection.sendall(HEAD + b"Content-Length: 1000\r\n\r\nslow")
        received = connection.recv(65536) + connection.recv(65536)
        assert received.startswith(b"HTTP/1.1 408 ")
        assert b"was not received within 0.4 s" in received
    assert hasty.post(picture()).status_code == 200


def send_without_end(connection: socket.socket, piece: bytes) -> None:
    began = time.perf_counter()
    while time.perf_counter() - began < 20:
        connection.sendall(piece)


@pytest.mark.parametrize("length", [b"Content-Length: 99000000", b"Transfer-Encoding: chunked"])
def test_an_endless_body_is_answered_and_then_cut_off(hasty, length):
    piece = b"10000\r\n" + bytes(65536) + b"\r\n" if b"chunked" in length else bytes(65536)
    with hasty.connect() as connection:
        connection.sendall(HEAD + length + b"\r\n\r\n")
        with pytest.raises(OSError):  # noqa: PT011 - reset, broken pipe or timeout, by platform
            send_without_end(connection, piece)
    assert hasty.service.waiting == 0
    text = hasty.client.get("/metrics").text
    assert 'artculture_requests_total{path="/predict",status="413"}' in text


def test_a_client_that_does_not_read_is_cut_off(hasty):
    known = set(hasty.server.server_state.connections)
    with hasty.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(600 * b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")  # whose answers fill all buffers
        deadline = time.perf_counter() + 10
        while not (new := set(hasty.server.server_state.connections) - known) and time.perf_counter() < deadline:
            time.sleep(0.01)
        while new <= set(hasty.server.server_state.connections) and time.perf_counter() < deadline:
            time.sleep(0.01)
    assert not new & set(hasty.server.server_state.connections)
    assert hasty.post(picture()).status_code == 200


def test_memory_of_uploads_is_bounded(serving):
    with serving("limits.megabytes=0.05", "limits.waiting_megabytes=0.06") as server, server.connect() as slow:
        slow.sendall(HEAD + b"Content-Length: 50000\r\n\r\n" + bytes(40_000))
        deadline = time.perf_counter() + 10
        statuses = set()
        while time.perf_counter() < deadline and 503 not in statuses:
            statuses.add(server.post(bytes(30_000)).status_code)
        assert 503 in statuses


def test_what_takes_too_long_is_answered_with_504(serving, model, monkeypatch):
    real, free = model.features_and_logits, threading.Event()

    def wait(images):
        free.wait(20)
        return real(images)

    with serving("limits.seconds=0.2") as server:
        monkeypatch.setattr(model, "features_and_logits", wait)
        response = server.post(picture())
        free.set()
        assert (response.status_code, "not answered within 0.2 s" in response.text) == (504, True)
        assert server.post(picture()).status_code == 200


def test_all_accepted_requests_are_answered_at_the_end(serving, model, monkeypatch):
    real = model.features_and_logits

    def slow(images):
        time.sleep(0.05)
        return real(images)

    monkeypatch.setattr(model, "features_and_logits", slow)
    content, statuses, lost = picture(), [], []

    def client(base: str) -> None:
        with httpx.Client(base_url=base, timeout=30) as session:
            while True:
                try:
                    statuses.append(session.post("/predict", files={"file": content}).status_code)
                except httpx.ConnectError:
                    return
                except httpx.HTTPError as error:
                    lost.append(error)
                    return

    with ThreadPoolExecutor(6) as pool:
        with serving("batch_size=2") as server:
            ended = [pool.submit(client, str(server.client.base_url)) for _ in range(6)]
            while len(statuses) < 12:
                time.sleep(0.01)
        for each in ended:
            each.result(20)
    assert set(statuses) == {200}
    assert lost == []


def test_a_taken_port_is_named_with_the_way_out():
    with bind("127.0.0.1", 0) as taken:
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"port={port}: Address already in use; give another port"):
            bind("127.0.0.1", port)
    with pytest.raises(InputError, match="give an address of this machine"):
        bind("no-such-host.invalid", 0)
    with pytest.raises(InputError, match="give an address of this machine"):
        bind(64 * "a", 0)


@pytest.mark.parametrize(
    ("host", "expected"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False)]
)
def test_addresses_that_lead_to_this_machine_alone(host, expected):
    assert is_loopback(host) is expected
