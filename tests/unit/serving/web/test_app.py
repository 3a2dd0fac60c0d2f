import asyncio
import json
import re
import struct
import time
import zlib

import pytest

from tests.unit.data.image_fixtures import KINDS
from tests.unit.serving.web.conftest import CLASSES, picture


def probabilities(answer: dict) -> dict[str, float]:
    (model,) = answer["models"]
    return {entry["name"]: entry["probability"] for entry in model["classes"]}


def bomb(side: int = 20_000) -> bytes:
    """A PNG of 400 megapixels in one kilobyte."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(1 << 16))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def test_a_picture_gets_the_probabilities_of_the_model_however_it_is_sent(running, model, tmp_path):
    content = picture(seed=5)
    (tmp_path / "a.png").write_bytes(content)
    expected = dict(zip(CLASSES, model.probabilities(model.prepare(tmp_path / "a.png")[None])[0], strict=True))
    sent = [
        running.post(content),
        running.client.post("/predict", content=content, headers={"Content-Type": "image/png"}),
        running.client.post("/predict", json={"example": 0}),
    ]
    for response in sent:
        assert response.status_code == 200
        assert probabilities(response.json()) == pytest.approx(expected, abs=1e-6)


def test_a_prediction_has_its_set_and_how_unlike_the_picture_is(running):
    (model,) = running.post(picture()).json()["models"]
    assert model["coverage"] == 0.9
    assert model["set"][0] == model["classes"][0]["name"]
    assert 0 <= model["unlike"] <= 1


def test_details_are_maps_similar_paintings_and_a_preview(running):
    answer = running.post(picture((400, 200)), params={"details": True}).json()
    details = answer["models"][0]["details"]
    assert [entry["method"] for entry in details["maps"]] == ["feature_map", "grad_cam"]
    assert all(entry["image"].startswith("data:image/jpeg;base64,") for entry in [*details["maps"]])
    shown = [(one["title"], one["url"], round(one["similarity"], 3)) for one in details["similar"]]
    assert shown == [("", "https://museum.example/2", 0.9), ("<b>Night</b>", "", 0.5)]
    assert answer["preview"].startswith("data:image/jpeg;base64,")


def test_a_batch_is_answered_in_its_order_with_the_error_of_each_picture(running):
    content = [("file", (f"{n}.png", picture(seed=n))) for n in range(2)]
    response = running.client.post("/predict/batch", files=[content[0], ("file", ("bad.jpg", b"no")), content[1]])
    pictures = response.json()["pictures"]
    assert [(entry["name"], entry["status"]) for entry in pictures] == [
        ("0.png", 200),
        ("bad.jpg", 415),
        ("1.png", 200),
    ]
    assert probabilities(pictures[2]) == pytest.approx(probabilities(running.post(picture(seed=1)).json()), abs=1e-6)


SCANS = picture(format="JPEG")
REFUSED = {
    "no type": ({"content": b"a"}, 415, "multipart/form-data"),
    "text": ({"content": b"{}", "headers": {"Content-Type": "text/plain"}}, 415, "multipart/form-data"),
    "no JSON": ({"content": b"{", "headers": {"Content-Type": "application/json"}}, 422, "not the expected JSON"),
    "no link": ({"json": {}}, 422, "http:// or https://"),
    "a file's address": ({"json": {"url": "file:///etc/passwd"}}, 422, "http:// or https://"),
    "no example": ({"json": {"example": 9}}, 422, "no example 9"),
    "no file": ({"data": {"a": "b"}, "files": {}}, 415, "multipart/form-data"),
    "an empty form": ({"files": {"file": (None, "text")}}, 422, "no picture in the form"),
    "no boundary": ({"content": b"a", "headers": {"Content-Type": "multipart/form-data"}}, 422, "form can't be read"),
    "two files": ({"files": [("file", ("a", b"a")), ("file", ("b", b"b"))]}, 413, "at most 1"),
    "nothing": ({"files": {"file": ("a.png", b"")}}, 422, "zero bytes"),
    "a page": ({"files": {"file": ("a.png", b"<!doctype html>")}}, 415, "a web page"),
    "a cut picture": ({"files": {"file": ("a.png", picture()[:900])}}, 422, "truncated"),
    "a large request": ({"files": {"file": ("a.png", bytes(1_100_000))}}, 413, "larger than 1 MB"),
    "a large picture": ({"files": {"file": ("a.png", picture((1400, 900), format="JPEG"))}}, 413, "1400 x 900 pixels"),
    "a bomb": ({"files": {"file": ("a.png", bomb())}}, 413, "20000 x 20000 pixels"),
    "many scans": ({"files": {"file": ("a.jpg", SCANS + 101 * b"\xff\xda")}}, 413, "scans"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_has_a_status_and_one_sentence(running, name):
    request, status, says = REFUSED[name]
    response = running.client.post("/predict", **request)
    assert response.status_code == status, response.text
    assert says in response.json()["error"]
    assert "\n" not in response.json()["error"]


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        ("/predict/batch", {"urls": []}, 422, "urls"),
        ("/predict/batch", {"urls": ["http://a.example/"] * 4}, 413, "4 pictures in one request"),
        ("/predict?details=perhaps", {"example": 0}, 422, "details"),
        ("/elsewhere", {}, 404, "Not Found"),
    ],
)
def test_other_refusals(running, path, body, status, says):
    response = running.client.post(path, json=body)
    assert (response.status_code, says in response.json()["error"]) == (status, True)


def test_too_many_files_of_a_batch_are_refused(running):
    files = [("file", (f"{n}.png", b"a")) for n in range(5)]
    response = running.client.post("/predict/batch", files=files)
    assert (response.status_code, response.json()["error"]) == (413, "more than 3 pictures in one request")


def test_every_odd_kind_of_picture_is_answered_and_then_the_next_one(running, tmp_path):
    statuses = {}
    for number, kind in enumerate(KINDS.values()):
        (tmp_path / str(number)).mkdir()
        path = tmp_path / str(number) / kind.file
        kind.write(path)
        if path.is_file() and path.stat().st_size < 1_000_000:
            statuses[number, kind.file] = (running.post(path.read_bytes()).status_code, kind.corners is not None)
    assert len(statuses) > 60
    assert {name: status for name, (status, good) in statuses.items() if good and status not in (200, 413)} == {}
    assert {name: status for name, (status, good) in statuses.items() if not good and status < 413} == {}
    assert running.post(picture()).status_code == 200
    assert running.service.waiting == 0


def test_a_full_queue_is_refused_with_the_time_to_try_again(running):
    with running.service.accepted(8):
        response = running.post(picture())
    assert (response.status_code, response.headers["Retry-After"]) == (503, "1")
    assert "8 pictures are waiting" in response.json()["error"]
    assert running.post(picture()).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "rebound.example"}, 421),
        ({"Host": "127.0.0.1.evil.example:80"}, 421),
        ({"Host": "localhost:1"}, 200),
        ({"Host": "[::1]:80"}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
def test_pages_of_other_sites_and_rebound_names_are_refused(running, headers, status):
    assert running.post(picture(), headers=headers).status_code == status


def test_the_page_of_this_server_may_ask(running):
    own = {"Origin": f"http://127.0.0.1:{running.port}", "Sec-Fetch-Site": "same-origin"}
    response = running.post(picture(), headers=own)
    assert response.status_code == 200
    assert "access-control-allow-origin" not in response.headers
    assert response.headers["x-content-type-options"] == "nosniff"


def test_names_of_the_config_are_answered_to(serving):
    with serving("hosts=[gallery.example]", "links=false") as server:
        headers = {"Host": "Gallery.example:8000"}
        assert server.client.get("/health", headers=headers).json()["status"] == "ok"
        response = server.client.post("/predict", json={"url": "http://example.org/a.jpg"})
        assert "switched off" in response.json()["error"]
        assert 'id="link"' not in server.client.get("/").text


def test_the_page_names_no_other_host_and_escapes_titles(running):
    response = running.client.get("/")
    assert response.headers["content-security-policy"] == "frame-ancestors 'none'"
    assert re.findall(r"(?:src|href)=[\"'](?:https?:)?//", response.text) == []
    assert "A &lt;i&gt;title&lt;/i&gt;" in response.text
    assert "connect-src &#39;self&#39;" in response.text
    assert running.client.get("/examples/0.jpg").headers["content-type"] == "image/jpeg"
    assert running.client.get("/examples/1.jpg").status_code == 404


def test_the_page_asks_for_what_the_labels_are(model, configured, monkeypatch):
    from artculture.serving.web.page import serve_page
    from artculture.serving.web.served_model import ServedModel
    from artculture.utils.label_words import LabelWords

    monkeypatch.setattr(model, "words", LabelWords("art movement"))
    served = ServedModel("<m>", model, None, None, {"classes": list(CLASSES), "test_top1": 0.5})
    page = " ".join(serve_page([served], configured(), []).split())
    assert "<h1>Which art movement is this?</h1>" in page
    assert "<strong>&lt;m&gt;</strong> 3 art movements, 50.0 % of its test paintings right" in page


def test_the_schema_describes_what_is_sent_and_answered(running):
    schema = running.client.get("/openapi.json").json()
    assert set(schema["paths"]) == {"/predict", "/predict/batch", "/health", "/metrics"}
    body = schema["paths"]["/predict"]["post"]["requestBody"]["content"]
    assert set(body) == {"multipart/form-data", "application/json", "image/*"}
    assert {"200", "413", "415", "422", "503", "504"} <= set(schema["paths"]["/predict"]["post"]["responses"])
    assert running.client.get("/docs").status_code == 404
    assert "://" not in json.dumps(schema, ensure_ascii=False).replace("https://…", "")


def test_requests_are_counted(running):
    def count() -> float:
        text = running.client.get("/metrics").text
        found = re.search(r'^artculture_requests_total\{path="/predict",status="415"\} (\S+)$', text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    before = count()
    running.client.post("/predict", content=b"a")
    assert count() == before + 1
    assert "process_resident_memory_bytes" in running.client.get("/metrics").text


def test_wrong_links_without_end_are_refused_at_the_first_one(running):
    for count, status, says in ((400_000, 422, "urls.0"), (600_000, 413, "larger than 1 MB")):
        began = time.perf_counter()
        content = b'{"urls": [' + b"1," * count + b"1]}"
        response = running.client.post("/predict/batch", content=content, headers={"Content-Type": "application/json"})
        assert (response.status_code, says in response.json()["error"]) == (status, True)
        assert time.perf_counter() - began < 5


def test_one_picture_without_finite_probabilities_fails_alone_in_its_batch(running, model, monkeypatch):
    bad, real = model.prepare(picture(seed=1)), model.features_and_logits

    def broken(images):
        features, logits = real(images)
        logits = logits.clone()
        logits[[bool((image == bad).all()) for image in images]] = float("nan")
        return features, logits

    monkeypatch.setattr(model, "features_and_logits", broken)
    files = [("file", (f"{n}.png", picture(seed=n))) for n in range(3)]
    entries = running.client.post("/predict/batch", files=files).json()["pictures"]
    assert [entry["status"] for entry in entries] == [200, 500, 200]
    assert "not finite" in entries[1]["error"]


def test_the_time_of_an_answer_includes_that_of_its_links(serving, monkeypatch):
    from artculture.serving.web import requests

    async def slow(*_, **__):
        await asyncio.sleep(20)

    monkeypatch.setattr(requests, "fetch_picture", slow)
    url = "http://a.example/a.png"
    with serving("limits.seconds=0.3") as server:
        assert server.client.post("/predict", json={"url": url}).status_code == 504
        entries = server.client.post("/predict/batch", json={"urls": 6 * [url]}).json()["pictures"]
        assert [entry["status"] for entry in entries] == 6 * [504]
        assert (server.service.waiting, server.post(picture()).status_code) == (0, 200)


def test_probabilities_that_are_not_finite_are_an_error(running, model, monkeypatch):
    import torch

    nothing = (torch.zeros(1, 4), torch.full((1, 3), float("nan")))
    monkeypatch.setattr(model, "features_and_logits", lambda _: nothing)
    response = running.post(picture())
    assert response.status_code == 500
    assert "not finite" in response.json()["error"]
