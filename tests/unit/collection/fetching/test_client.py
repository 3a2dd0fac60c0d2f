import asyncio
import dataclasses
import gzip
import itertools
import socket
import time
from collections.abc import Iterator
from email.utils import formatdate
from ipaddress import ip_network

import httpx
import pytest

from artculture.collection.fetching import client as client_module
from artculture.collection.fetching.client import Client, RequestPolicy
from artculture.collection.fetching.responses import OversizedAnswerError, PermanentHTTPError, RetriesExhaustedError
from artculture.config.schema.downloads import DownloadLimits
from artculture.utils.errors import WorkError
from artculture.utils.http import network_guard
from artculture.utils.http.network_guard import AddressGuard
from tests.unit.museum_servers import HTML, Answer, Faults, MuseumServer, as_json, jpeg, serving

POLICY = RequestPolicy(
    rate=400,
    start_rate=400,
    concurrency=4,
    retries=3,
    timeout=2,
    backoff=0.001,
    patience=60,
    contact="me@example.org",
)


LIMITS = DownloadLimits(
    json_megabytes=1,
    json_depth=20,
    picture_megabytes=2,
    picture_megapixels=1,
    seconds=1,
    file_megabytes=1,
    file_seconds=1,
)


def client(guard: AddressGuard | None = None, **policy) -> Client:
    guard = guard or AddressGuard(["http://127.0.0.1"])
    return Client("The museum", dataclasses.replace(POLICY, **policy), LIMITS, guard)


class Script(MuseumServer):
    """Gives out its answers one after another, the last one for ever."""

    def __init__(self, *answers: Answer) -> None:
        super().__init__()
        self.answers = list(answers)

    def answer(self, *_):
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


OK = as_json({"fine": True})


def ask(script: Script, what: str = "json", **policy):
    async def go(base: str):
        async with client(**policy) as museum:
            return await getattr(museum, what)(f"{base}/thing")

    with serving(script):
        return asyncio.run(go(script.base))


@pytest.mark.parametrize(
    "failure",
    [
        Answer(500, b""),
        Answer(502, b""),
        Answer(429, b"", headers={"Retry-After": "0"}),
        Answer(403, HTML, "text/html"),
        Answer(200, HTML, "text/html"),
        Answer(200, b'{"cut": "sho'),
        Answer(200, b"[1]"),
    ],
    ids=lambda answer: f"{answer.status} {answer.kind} {answer.body[:12].decode()}",
)
def test_transient_failures_are_retried(failure):
    script = Script(failure, failure, OK)
    assert ask(script) == {"fine": True}
    assert len(script.requests) == 3


@pytest.mark.parametrize("status", [400, 404, 410])
def test_a_final_answer_is_not_asked_for_twice(status):
    script = Script(Answer(status, b"{}"), OK)
    with pytest.raises(PermanentHTTPError, match=f"HTTP {status}"):
        ask(script)
    assert len(script.requests) == 1


def test_after_the_last_try_the_reason_is_reported():
    script = Script(Answer(500, b""))
    with pytest.raises(RetriesExhaustedError, match="HTTP 500, a server error, after 4 attempts"):
        ask(script)
    assert len(script.requests) == 4


def test_a_web_page_instead_of_a_picture_is_explained():
    with pytest.raises(RetriesExhaustedError, match=r"“Pardon Our Interruption”.* instead of an image: bot protection"):
        ask(Script(Answer(200, HTML, "image/jpeg")), "picture", retries=1)


def test_a_broken_picture_is_asked_for_three_times():
    script = Script(Answer(200, jpeg("a")[:-100], "image/jpeg"))
    with pytest.raises(RetriesExhaustedError, match=r"does not decode .*, 3 times"):
        ask(script, "picture", retries=8)
    assert len(script.requests) == 3


def test_a_picture_that_is_whole_at_last_is_taken():
    script = Script(Answer(200, b"", "image/jpeg"), Answer(200, jpeg("a"), "image/jpeg"))
    assert ask(script, "picture").data == jpeg("a")


def test_a_body_cut_short_on_the_way_is_tried_again():
    script = Script(OK)
    script.faults = Faults(truncated=1)
    with pytest.raises(RetriesExhaustedError, match="the connection failed"):
        ask(script)
    assert len(script.requests) == 4


@pytest.mark.parametrize("asked", ["7", formatdate(7 + 1_700_000_000, usegmt=True)])
def test_retry_after_is_honoured_as_number_and_as_date(asked, monkeypatch):
    slept = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(client_module.asyncio, "sleep", sleep)
    monkeypatch.setattr(client_module.time, "time", lambda: 1_700_000_000.0)
    ask(Script(Answer(500, b"", headers={"Retry-After": asked}), OK))
    assert max(slept) == 7


@pytest.mark.parametrize("status", [429, 500])
def test_a_museum_that_asks_for_hours_is_left_alone(status):
    with pytest.raises(WorkError, match=r"The museum refuses our requests .*run the same command again later"):
        ask(Script(Answer(status, b"", headers={"Retry-After": "7200"})))


def test_a_wall_that_lasts_ends_the_fetch():
    with pytest.raises(WorkError, match=r"HTTP 403.*source=met_hub"):
        ask(Script(Answer(403, HTML, "text/html")), retries=50, patience=0.2)


def test_no_connection_is_reported_as_such():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/"

        async def go() -> None:
            async with client() as museum:
                await museum.json(url)

        with pytest.raises(RetriesExhaustedError, match="the connection failed"):
            asyncio.run(go())


def test_one_connection_serves_many_requests_and_names_us():
    async def go(base: str) -> None:
        async with client(concurrency=1) as museum:
            connect = []
            museum.http._transport._pool._network_backend = _Counting(connect)  # type: ignore[attr-defined]
            for _ in range(5):
                await museum.json(f"{base}/thing")
            assert len(connect) == 1

    script = Script(OK)
    with serving(script):
        asyncio.run(go(script.base))
    assert script.requests[0].headers["user-agent"].startswith("artculture/")
    assert "me@example.org" in script.requests[0].headers["user-agent"]


class _Counting:
    def __init__(self, connect: list[str]) -> None:
        import httpcore

        self.backend = httpcore.AnyIOBackend()
        self.connect = connect

    async def connect_tcp(self, *args, **kwargs):
        self.connect.append(args[0] if args else kwargs["host"])
        return await self.backend.connect_tcp(*args, **kwargs)


@pytest.mark.parametrize("url", ["pictures/1.jpg", "ftp://museum/1.jpg", "http://museum:port/1.jpg", ""])
def test_what_is_no_address_is_gone(url):
    async def go() -> None:
        async with client() as museum:
            await museum.picture(url)

    with pytest.raises(PermanentHTTPError, match="not a valid http"):
        asyncio.run(go())


def test_many_failures_in_a_row_end_the_fetch(monkeypatch):
    monkeypatch.setattr(client_module, "MAX_CONSECUTIVE_FAILURES", 3)

    async def go(base: str) -> list[str]:
        async with client(retries=0) as museum:
            ends = []
            for _ in range(3):
                try:
                    await museum.json(f"{base}/thing")
                except (RetriesExhaustedError, WorkError) as error:
                    ends.append(type(error).__name__)
            return ends

    script = Script(Answer(500, b""))
    with serving(script):
        assert asyncio.run(go(script.base)) == ["RetriesExhaustedError", "RetriesExhaustedError", "WorkError"]


def trickle() -> Iterator[bytes]:
    while True:
        yield b" "
        time.sleep(0.05)


@pytest.mark.parametrize("what", ["json", "picture"])
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(200, b"", chunks=itertools.repeat(bytes(100_000))), "more than [12] MB"),
        (Answer(200, gzip.compress(bytes(50_000_000)), headers={"Content-Encoding": "gzip"}), "more than [12] MB"),
        (Answer(200, b"{}", headers={"Content-Encoding": "br"}), "packed in a way that was not asked for"),
        (None, "not complete within 1 s"),
        (Answer(302, b"", headers={"Location": "/"}, chunks=itertools.repeat(bytes(100_000))), "more than [12] MB"),
    ],
    ids=["endless", "bomb", "unknown packing", "trickle", "endless redirect"],
)
def test_an_answer_beyond_the_limits_is_given_up_at_once(what, answer, reason):
    script = Script(answer if answer else Answer(200, b"", chunks=trickle()))
    with pytest.raises(OversizedAnswerError, match=reason):
        ask(script, what)
    assert len(script.requests) == 1
    assert script.bytes_sent < 50_000_000  # the kernel buffers some


def test_json_nested_too_deeply_is_given_up():
    with pytest.raises(OversizedAnswerError, match="nested more than 20 levels deep"):
        ask(Script(Answer(200, b'{"a":' * 100_000)))


def test_a_picture_of_too_many_pixels_is_given_up():
    with pytest.raises(RetriesExhaustedError, match="2000 x 1000 pixels, more than the 1 megapixels"):
        ask(Script(Answer(200, jpeg("a", (2000, 1000)), "image/jpeg")), "picture")


@pytest.mark.parametrize("host", ["169.254.169.254", "10.0.0.1", "[::1]", "0x7f.1", "localhost6.localdomain"])
def test_a_redirect_into_a_private_network_is_refused(host, monkeypatch):
    monkeypatch.setattr(network_guard, "NETWORKS", (ip_network("127.0.0.2"), *network_guard.NETWORKS))
    names = {"0x7f.1": "127.0.0.2", "localhost6.localdomain": "::1"}
    resolve = network_guard.socket.getaddrinfo
    monkeypatch.setattr(
        network_guard.socket, "getaddrinfo", lambda name, *a, **k: resolve(names.get(name, name), *a, **k)
    )
    with pytest.raises(PermanentHTTPError, match=r"is in a private network .*allow_private=true"):
        ask(Script(Answer(302, b"", headers={"Location": f"http://{host}/secret"}), OK))


def test_the_proxy_of_the_environment_is_used_within_the_guard(monkeypatch):
    async def go(base: str, url: str) -> object:
        monkeypatch.setenv("http_proxy", base)
        async with client() as museum:
            return await museum.json(url)

    with serving(Script(OK, Answer(302, b"", headers={"Location": "http://10.0.0.1/secret"}))) as proxy:
        assert asyncio.run(go(proxy.base, "http://museum.invalid/thing")) == {"fine": True}
        with pytest.raises(PermanentHTTPError, match="in a private network"):
            asyncio.run(go(proxy.base, "http://museum.invalid/thing"))
        assert [request.headers["host"] for request in proxy.requests] == ["museum.invalid"] * 2


def test_redirects_are_followed():
    assert httpx.codes.FOUND == 302
    assert ask(Script(Answer(302, b"", headers={"Location": "/other"}), OK)) == {"fine": True}
