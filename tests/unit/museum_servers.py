"""Museums on loopback: each answers as the real API does, field by field, with faults on demand."""

import hashlib
import io
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import numpy as np
from PIL import Image

HTML = b"<!DOCTYPE html><html><head><title>Pardon Our Interruption</title></head><body>bot?</body></html>"
PLACES = {  # location: (culture field, artist's nationality)
    "United States": ("American", "American"),
    "England": ("British", "British"),
    "China": ("China", ""),
    "Netherlands": ("", "Dutch"),
    "Flanders": ("South Netherlandish", ""),
    "France": ("", "French"),
    "Germany": ("German", "German"),
    "Rajasthan": ("India (Rajasthan, Mewar)", ""),
    "Italy": ("", "Italian, Venetian"),
    "Japan": ("Japan", ""),
    "Spain": ("", "Spanish"),
}


def jpeg(seed: str, size: tuple[int, int] = (48, 36)) -> bytes:
    generator = np.random.default_rng(int(hashlib.sha256(seed.encode()).hexdigest()[:8], 16))
    small = generator.integers(0, 255, (6, 8, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(small).resize(size).save(out, "JPEG", quality=85)
    return out.getvalue()


def met_object(number: int, place: str, base: str, **changes: Any) -> dict[str, Any]:
    """An answer of `objects/{id}`, with the names and types of the real one."""
    culture, nationality = PLACES[place]
    return {
        "objectID": number,
        "isHighlight": False,
        "accessionNumber": f"19.{number}",
        "accessionYear": "1919",
        "isPublicDomain": True,
        "primaryImage": f"{base}/CRDImages/ep/original/DP{number}.jpg",
        "primaryImageSmall": f"{base}/CRDImages/ep/web-large/DP{number}.jpg",
        "additionalImages": [],
        "constituents": None,
        "department": "European Paintings",
        "objectName": "Painting",
        "title": f"Painting {number}, “with” quotes, and commas",
        "culture": culture,
        "period": "",
        "artistDisplayName": f"Artist {number % 7}",
        "artistDisplayBio": nationality,
        "artistNationality": nationality,
        "objectDate": "ca. 1665",
        "medium": "Oil on canvas",
        "dimensions": "17 1/2 x 15 3/4 in.",
        "creditLine": "Gift",
        "geographyType": "",
        "city": "",
        "country": "" if nationality else place,
        "region": "",
        "classification": "Paintings",
        "rightsAndReproduction": "",
        "objectURL": f"https://www.metmuseum.org/art/collection/search/{number}",
        "objectWikidata_URL": "",
        "tags": [{"term": "Women", "AAT_URL": "", "Wikidata_URL": ""}, {"term": "Lutes", "AAT_URL": ""}],
        "isTimelineWork": False,
        "GalleryNumber": "",
        **changes,
    }


@dataclass
class Faults:
    """Shares of answers that go wrong, by a seeded draw a request; `broken` names pictures that never decode.

    Attributes:
        wall: after so many requests within a second, 403 with a web page for `wall_seconds`.
    """

    too_many: float = 0.0
    server_error: float = 0.0
    truncated: float = 0.0
    html: float = 0.0
    broken_once: float = 0.0
    broken: Callable[[str], bool] = lambda _path: False
    only: Callable[[str], bool] = lambda _path: True
    retry_after: str = ""
    retry_after_share: float = 1.0
    wall: int = 0
    wall_seconds: float = 0.5
    seed: int = 0


@dataclass
class Answer:
    """One answer; `chunks`, if given, are sent instead of `body` as they are made, without a length."""

    status: int
    body: bytes
    kind: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    chunks: Iterator[bytes] | None = None


@dataclass
class Request:
    at: float
    path: str
    query: dict[str, str]
    whole: bool
    headers: dict[str, str]


class MuseumServer:
    """A museum's site; subclasses say what lies where in `answer`."""

    def __init__(self, faults: Faults | None = None) -> None:
        self.faults = faults or Faults()
        self.requests: list[Request] = []
        self.base = ""
        self._draw = random.Random(self.faults.seed)
        self._lock = threading.Lock()
        self._walled_until = 0.0
        self.paused_requests = 0
        self.bytes_sent = 0
        self.stopped = threading.Event()

    def answer(self, path: str, query: dict[str, str], headers: dict[str, str]) -> Answer:
        raise NotImplementedError

    def picture(self, path: str) -> bytes:
        data = jpeg(path)
        return data[: len(data) // 2] if self.faults.broken(path) else data

    def counted(self) -> Counter[str]:
        """How often each path was answered whole."""
        return Counter(request.path for request in self.requests if request.whole)

    def busiest_second(self) -> int:
        times = sorted(request.at for request in self.requests)
        return max((sum(1 for t in times[i : i + 500] if t < start + 1) for i, start in enumerate(times)), default=0)

    def fault(self, path: str) -> str | None:
        if not self.faults.only(path):
            return None
        with self._lock:
            now = time.monotonic()
            if self.faults.wall:
                recent = sum(1 for request in self.requests[-self.faults.wall :] if request.at > now - 1)
                if now < self._walled_until:
                    self.paused_requests += 1
                    return "wall"
                if recent >= self.faults.wall:
                    self._walled_until = now + self.faults.wall_seconds
                    return "wall"
            draw = self._draw.random()
        shares = {"too_many": 0.0, "server_error": 0.0, "truncated": 0.0, "html": 0.0, "broken_once": 0.0}
        for name in shares:
            share = getattr(self.faults, name)
            if name == "broken_once" and not path.endswith(".jpg"):
                continue
            if draw < share:
                return name
            draw -= share
        return None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    museum: MuseumServer

    def do_GET(self) -> None:
        self._serve(with_body=True)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._serve(with_body=True)

    def do_HEAD(self) -> None:
        self._serve(with_body=False)

    def _serve(self, with_body: bool) -> None:
        began = time.monotonic()
        split = urlsplit(self.path)
        query = dict(parse_qsl(split.query, keep_blank_values=True))
        headers = {key.lower(): value for key, value in self.headers.items()}
        fault = self.museum.fault(split.path)
        answer = self._faulty(fault) or self.museum.answer(split.path, query, headers)
        body, length = answer.body, len(answer.body)
        if fault == "broken_once":
            body = body[: length // 2]
            length = len(body)
        if fault == "truncated":
            body = body[: length // 2]
        whole = fault is None and answer.status in (200, 206)
        self.museum.requests.append(Request(began, split.path, query, whole, headers))
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        if answer.chunks is None:
            self.send_header("Content-Length", str(length))
        else:
            self.send_header("Connection", "close")
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        for chunk in (body,) if answer.chunks is None else answer.chunks:
            if with_body and not self.museum.stopped.is_set():
                self.wfile.write(chunk)
                self.museum.bytes_sent += len(chunk)
        if fault == "truncated":
            self.wfile.flush()
            self.close_connection = True

    def _faulty(self, fault: str | None) -> Answer | None:
        if fault == "too_many":
            faults = self.museum.faults
            asks = faults.retry_after and random.random() < faults.retry_after_share
            wait = {"Retry-After": faults.retry_after} if asks else {}
            return Answer(429, b'{"message": "Too Many Requests"}', headers=wait)
        if fault == "server_error":
            return Answer(500, b"oops", "text/plain")
        if fault == "html":
            return Answer(200, HTML, "text/html; charset=utf-8")
        if fault == "wall":
            return Answer(403, HTML, "text/html; charset=utf-8")
        return None

    def log_message(self, format: str, *args: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that was killed


@contextmanager
def serving(museum: MuseumServer) -> Iterator[MuseumServer]:
    handler = type("Handler", (_Handler,), {"museum": museum})
    server = _Server(("127.0.0.1", 0), handler)
    museum.base = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield museum
    finally:
        museum.stopped.set()
        server.shutdown()
        server.server_close()
        thread.join()


def ranged(data: bytes, kind: str, headers: dict[str, str]) -> Answer:
    """A file that can be read in ranges, as static hosts serve it."""
    tag = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
    extra = {"ETag": tag, "Accept-Ranges": "bytes"}
    asked = headers.get("range", "").removeprefix("bytes=")
    if not asked or headers.get("if-range", tag) != tag:
        return Answer(200, data, kind, extra)
    first, _, last = asked.partition("-")
    start, end = int(first), min(int(last or len(data) - 1), len(data) - 1)
    if start >= len(data):
        return Answer(416, b"", kind, extra)
    extra["Content-Range"] = f"bytes {start}-{end}/{len(data)}"
    return Answer(206, data[start : end + 1], kind, extra)


def as_json(value: Any, status: int = 200) -> Answer:
    return Answer(
        status,
        json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"),
        "application/json; charset=utf-8",
    )


class MetServer(MuseumServer):
    """The Met: `v1.1/search` in pages (or only the old `v1/search`), `v1/objects/{id}`, and its picture host.

    Args:
        places: {object id: the locations that find it}; the first one shapes the record.
        changes: {object id: fields of the record that differ}.
    """

    def __init__(
        self,
        places: dict[int, list[str]],
        changes: dict[int, dict[str, Any]] | None = None,
        faults: Faults | None = None,
        old_search: bool = False,
    ) -> None:
        super().__init__(faults)
        self.places = places
        self.changes = changes or {}
        self.old_search = old_search
        self.files: dict[str, bytes] = {}
        self.gone: set[str] = set()
        self.forbidden: set[str] = set()

    @property
    def api(self) -> str:
        return f"{self.base}/public/collection/v1"

    def answer(self, path: str, query: dict[str, str], headers: dict[str, str]) -> Answer:
        if path in self.gone:
            return as_json({"message": "Not a valid object"}, 404)
        if path in self.forbidden:
            return Answer(403, HTML, "text/html")
        if path in self.files:
            return ranged(self.files[path], "text/csv", headers)
        if path == "/public/collection/v1.1/search" and not self.old_search:
            return self._search(query, paged=True)
        if path == "/public/collection/v1/search" and self.old_search:
            return self._search(query, paged=False)
        if path.startswith("/public/collection/v1/objects/"):
            return self._object(path.rsplit("/", 1)[1])
        if path.startswith("/CRDImages/"):
            return Answer(200, self.picture(path), "image/jpeg")
        return as_json({"message": "Not Found"}, 404)

    def _search(self, query: dict[str, str], paged: bool) -> Answer:
        if "q" not in query:
            return Answer(503, b"", "text/html")
        found = []
        if query.get("medium") == "Paintings" and query.get("hasImages") == "true":
            found = [number for number, places in self.places.items() if query.get("geoLocation") in places]
        if list(query)[-1] != "q":  # the real search drops filters that stand behind `q`
            found = list(self.places)
        offset, limit = int(query.get("offset", 0)), min(500, int(query.get("limit", 500)))
        page = found[offset : offset + limit] if paged else found
        return as_json({"total": len(found), "objectIDs": page or None})

    def _object(self, name: str) -> Answer:
        if not name.isdigit() or int(name) not in self.places:
            return as_json({"message": "ObjectID not found"}, 404)
        number = int(name)
        return as_json(met_object(number, self.places[number][0], self.base, **self.changes.get(number, {})))


def many_places(count: int, start: int = 10_000) -> dict[int, list[str]]:
    """So many objects over the 11 cultures; every 37th is found by a second culture's location too."""
    names = list(PLACES)
    places = {}
    for index in range(count):
        first = names[index % len(names)]
        second = [names[(index + 3) % len(names)]] if index % 37 == 0 else []
        places[start + 3 * index] = [first, *second]
    return places


class ArticServer(MuseumServer):
    """The Art Institute of Chicago: Elasticsearch behind `artworks/search?params=`, and IIIF pictures."""

    def __init__(self, artworks: list[dict[str, Any]], faults: Faults | None = None) -> None:
        super().__init__(faults)
        self.artworks = artworks

    @property
    def api(self) -> str:
        return f"{self.base}/api/v1"

    def answer(self, path: str, query: dict[str, str], _headers: dict[str, str]) -> Answer:
        if path == "/api/v1/artworks/search":
            return self._search(json.loads(query["params"]))
        if path.startswith("/api/v1/artworks/"):
            found = [a for a in self.artworks if str(a["id"]) == path.rsplit("/", 1)[1]]
            return as_json({"data": found[0]}) if found else as_json({"status": 404, "error": "Not found"}, 404)
        if path.startswith("/iiif/2/"):
            return Answer(200, self.picture(path), "image/jpeg")
        return as_json({"status": 404, "error": "Not found"}, 404)

    def _search(self, asked: dict[str, Any]) -> Answer:
        if asked["page"] * asked["limit"] > 1000:
            return as_json({"status": 403, "error": "Invalid number of results"}, 403)
        found = self.artworks
        for clause in asked["query"]["bool"]["filter"]:
            found = [artwork for artwork in found if _matches(artwork, clause)]
        assert asked["sort"] == [{"id": "asc"}]
        found = sorted(found, key=lambda artwork: int(artwork["id"]))
        limit = min(100, asked["limit"])
        page = found[(asked["page"] - 1) * limit :][:limit]
        data = [{name: artwork.get(name) for name in asked["fields"]} | {"_score": 1.0} for artwork in page]
        return as_json(
            {
                "pagination": {
                    "total": len(found),
                    "limit": limit,
                    "offset": 0,
                    "current_page": asked["page"],
                },
                "data": data,
                "info": {"license_text": "CC0"},
                "config": {"iiif_url": f"{self.base}/iiif/2"},
            }
        )


def _matches(artwork: dict[str, Any], clause: dict[str, Any]) -> bool:
    (kind, what), *_ = clause.items()
    if kind == "exists":
        return artwork.get(what["field"]) is not None
    (name, value), *_ = what.items()
    have = artwork.get(name.removesuffix(".keyword"))
    if kind == "range":
        return bool(have > value["gt"])
    return have in value if kind == "terms" else have == value


def artic_artwork(number: int, place: str | None, **changes: Any) -> dict[str, Any]:
    return {
        "id": number,
        "title": f"Artwork {number}",
        "artist_title": "Claude Monet",
        "artist_display": "Claude Monet (French, 1840\u20131926)",
        "date_display": "1884",
        "medium_display": "Oil on canvas",
        "main_reference_number": f"1926.{number}",
        "place_of_origin": place,
        "department_title": "Painting and Sculpture of Europe",
        "classification_title": "painting",
        "artwork_type_title": "Painting",
        "subject_titles": ["women", "water"],
        "image_id": f"{number:08x}-0000-0000-0000-000000000000",
        "is_public_domain": True,
        "copyright_notice": None,
        **changes,
    }


class ClevelandServer(MuseumServer):
    """The Cleveland Museum of Art: `artworks/?type=&has_image=&cc0=&limit=&skip=` and its picture host."""

    def __init__(self, artworks: list[dict[str, Any]], faults: Faults | None = None) -> None:
        super().__init__(faults)
        self.artworks = artworks

    @property
    def api(self) -> str:
        return f"{self.base}/api"

    def answer(self, path: str, query: dict[str, str], _headers: dict[str, str]) -> Answer:
        if path == "/api/artworks/":
            found = [a for a in self.artworks if a["type"] == query["type"]]
            if query.get("cc0") == "1":
                found = [artwork for artwork in found if artwork["share_license_status"] == "CC0"]
            skip, limit = int(query.get("skip", 0)), int(query.get("limit", 1000))
            return as_json(
                {
                    "info": {"total": len(found), "parameters": query},
                    "data": self._filled(found[skip : skip + limit]),
                }
            )
        if path.startswith("/api/artworks/"):
            found = [a for a in self.artworks if str(a["id"]) == path.rsplit("/", 1)[1]]
            return as_json({"data": self._filled(found)[0]}) if found else as_json({"detail": "Not Found"}, 404)
        if path.endswith(".jpg"):
            return Answer(200, self.picture(path), "image/jpeg")
        return as_json({"detail": "Not Found"}, 404)

    def _filled(self, artworks: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return json.loads(json.dumps(artworks).replace("{base}", self.base))


def cleveland_artwork(number: int, culture: list[str], **changes: Any) -> dict[str, Any]:
    accession = f"1953.{number}"
    return {
        "id": number,
        "accession_number": accession,
        "share_license_status": "CC0",
        "title": f"Artwork {number}",
        "creation_date": "c. 1860",
        "culture": culture,
        "technique": "oil on canvas",
        "department": "American Painting and Sculpture",
        "collection": "American - Painting",
        "type": "Painting",
        "creators": [{"id": 1, "description": "Frederic Edwin Church (American, 1826\u20131900)", "role": "artist"}],
        "copyright": None,
        "url": f"https://clevelandart.org/art/{accession}",
        "images": {
            "web": {"url": f"{{base}}/{accession}_web.jpg", "width": "900", "height": "600", "filesize": "1"},
            "print": {"url": f"{{base}}/{accession}_print.jpg", "width": "3400", "height": "2300"},
            "full": {"url": f"{{base}}/{accession}_full.tif"},
        },
        **changes,
    }


class HubServer(MuseumServer):
    """The Hugging Face Hub for one dataset: revision, tree, path info, and files in ranges."""

    commit = "5d110fb000000000000000000000000000000000"

    def __init__(self, repo: str, files: dict[str, bytes], faults: Faults | None = None) -> None:
        super().__init__(faults)
        self.repo = repo
        self.files = files
        self.sent: Counter[str] = Counter()

    def answer(self, path: str, query: dict[str, str], headers: dict[str, str]) -> Answer:
        api, files = f"/api/datasets/{self.repo}", f"/datasets/{self.repo}/resolve/{self.commit}/"
        if path in (api, f"{api}/revision/main", f"{api}/revision/{self.commit}"):
            siblings = [{"rfilename": name} for name in self.files]
            return as_json({"id": self.repo, "sha": self.commit, "private": False, "siblings": siblings, "tags": []})
        if path.startswith(f"{api}/tree/"):
            folder = unquote(path.removeprefix(f"{api}/tree/").partition("/")[2])
            return as_json(self._tree(f"{folder}/" if folder else "", recursive=query.get("recursive") != "false"))
        if path.startswith(f"{api}/paths-info/"):
            return as_json([self._entry(name) for name in self.files])
        if (name := path.removeprefix(files)) in self.files:
            answer = ranged(self.files[name], "application/octet-stream", headers)
            answer.headers["X-Repo-Commit"] = self.commit
            self.sent[name] += len(answer.body)
            return answer
        return Answer(404, b"{}", headers={"X-Error-Code": "EntryNotFound"})

    def _tree(self, folder: str, recursive: bool) -> list[dict[str, Any]]:
        below = [name for name in self.files if name.startswith(folder)]
        if recursive:
            return [self._entry(name) for name in below]
        first = dict.fromkeys(name.removeprefix(folder).partition("/")[0] for name in below)
        paths = [folder + name for name in first]
        return [
            self._entry(path) if path in self.files else {"type": "directory", "path": path, "oid": "0" * 40}
            for path in paths
        ]

    def _entry(self, name: str) -> dict[str, Any]:
        return {"type": "file", "path": name, "size": len(self.files[name]), "oid": "0" * 40}


def table_row(number: int, place: str, **changes: Any) -> dict[str, str]:
    """A row of MetObjects.csv, with the columns of the real one that matter and a few that don't."""
    culture, nationality = PLACES[place]
    return {
        "Object Number": f"19.{number}",
        "Is Highlight": "False",
        "Is Timeline Work": "False",
        "Is Public Domain": "True",
        "Object ID": str(number),
        "Gallery Number": "",
        "Department": "European Paintings",
        "AccessionYear": "1919",
        "Object Name": "Painting",
        "Title": f"Painting {number}, \u201cwith\u201d quotes, and commas",
        "Culture": culture,
        "Artist Display Name": f"Artist {number % 7}",
        "Artist Nationality": nationality,
        "Object Date": "ca. 1665",
        "Medium": "Oil on canvas",
        "Country": "" if nationality else place,
        "Classification": "Paintings",
        "Rights and Reproduction": "",
        "Link Resource": f"http://www.metmuseum.org/art/collection/search/{number}",
        "Tags": "Women|Lutes",
        **changes,
    }
