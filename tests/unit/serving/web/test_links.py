import asyncio
import socket
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from artculture.serving.web.errors import RequestError
from artculture.serving.web.links import fetch_picture
from tests.unit.serving.web.conftest import picture

CONTENT = picture()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        if self.path == "/slow":
            time.sleep(1)
        self.send_response({"/moved": 302, "/local": 302}.get(self.path, 200 if self.path != "/none" else 404))
        if self.path == "/local":
            self.send_header("Location", "file:///etc/passwd")
        if self.path == "/moved":
            self.send_header("Location", f"http://127.0.0.1:{self.server.server_port}/a.png")
        with suppress(BrokenPipeError, ConnectionResetError):
            self.end_headers()
            self.wfile.write(CONTENT * (40 if self.path == "/large" else 1))

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def museum():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.asked = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def names(monkeypatch):
    """Addresses of names, one after the other; of the last one for ever."""
    known: dict[str, list[str]] = {}
    real = socket.getaddrinfo

    def look_up(host, port, *rest, **options):
        if host not in known:
            return real(host, port, *rest, **options)
        address = known[host].pop(0) if len(known[host]) > 1 else known[host][0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port or 0))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return known


def fetch(url, **options):
    usual = {"max_bytes": 1e5, "seconds": 5.0, "allow_private": False}
    return asyncio.run(fetch_picture(url, **(usual | options)))


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::1]", "10.0.0.1", "192.168.1.1", "172.16.0.1", "169.254.169.254", "100.64.0.1",
     "0.0.0.0", "[::ffff:127.0.0.1]", "[fe80::1]", "[fd00::1]", "[fec0::1]", "[64:ff9b::7f00:1]", "2130706433",
     "0x7f000001", "224.0.0.1"],
)  # fmt: skip
def test_private_addresses_are_not_fetched(host, museum):
    before = len(museum.asked)
    with pytest.raises(RequestError, match=r"private network|can't be fetched") as caught:
        fetch(f"http://{host}:{museum.server_port}/a.png")
    assert caught.value.status == 422
    assert len(museum.asked) == before


def test_a_name_that_leads_into_the_private_network_is_not_fetched(museum, names):
    names["museum.example"] = ["127.0.0.1"]
    with pytest.raises(RequestError, match="private network"):
        fetch(f"http://museum.example:{museum.server_port}/a.png")


def test_a_name_that_changes_after_its_check_is_connected_to_as_checked(museum, names):
    names["museum.example"] = ["1.1.1.1", "127.0.0.1"]
    before = len(museum.asked)
    with pytest.raises(RequestError):
        fetch(f"http://museum.example:{museum.server_port}/a.png", seconds=0.5)
    assert len(museum.asked) == before


def test_a_redirect_into_the_private_network_is_not_followed(names, monkeypatch):
    from artculture.utils.http import network_guard

    # The museum counts as public under its name, and as private under its address.
    names["museum.example"] = ["127.0.0.2"]
    real = network_guard.special_network
    monkeypatch.setattr(network_guard, "special_network", lambda a: None if str(a) == "127.0.0.2" else real(a))
    with ThreadingHTTPServer(("127.0.0.2", 0), Handler) as public:
        public.asked = []
        threading.Thread(target=public.serve_forever, daemon=True).start()
        assert fetch(f"http://museum.example:{public.server_port}/a.png") == CONTENT
        with pytest.raises(RequestError, match="private network"):
            fetch(f"http://museum.example:{public.server_port}/moved")
        public.shutdown()
    assert public.asked == ["/a.png", "/moved"]


def test_the_proxy_of_the_environment_is_not_used(museum, monkeypatch):
    before = len(museum.asked)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{museum.server_port}")
    with pytest.raises(RequestError):
        fetch("http://10.0.0.1/a.png")
    assert len(museum.asked) == before


def test_private_addresses_are_fetched_where_that_is_allowed(museum):
    address = f"http://127.0.0.1:{museum.server_port}"
    assert fetch(f"{address}/a.png", allow_private=True) == CONTENT
    assert fetch(f"{address}/moved", allow_private=True) == CONTENT


@pytest.mark.parametrize(
    ("path", "options", "status", "says"),
    [
        ("/none", {}, 422, "404"),
        ("/large", {}, 413, "more than"),
        ("/slow", {"seconds": 0.2}, 504, "did not answer in time"),
        ("/local", {}, 422, "can't be fetched"),
    ],
)
def test_other_servers_are_bounded(museum, path, options, status, says):
    with pytest.raises(RequestError, match=says) as caught:
        fetch(f"http://127.0.0.1:{museum.server_port}{path}", allow_private=True, **options)
    assert caught.value.status == status


@pytest.mark.parametrize("port", ["70000", "-1"])
def test_a_port_that_there_is_not_is_refused(port):
    with pytest.raises(RequestError, match=f"there is no port {port}"):
        fetch(f"http://1.1.1.1:{port}/a.png")


@pytest.mark.parametrize("url", ["", "ftp://a.example/", "file:///etc/passwd", "http://", "http://a/" + 5000 * "a"])
def test_other_addresses_are_refused(url):
    with pytest.raises(RequestError, match="http:// or https://"):
        fetch(url)
