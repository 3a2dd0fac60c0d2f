"""Hostile servers: endless, packed, slow and deeply nested answers, and ways into a private network."""

import csv
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.integration.collection.test_hostile_records import RECORDS_OF_THE_MET, HostileMet
from tests.unit.museum_servers import Answer, MuseumServer, jpeg, serving

from benchmarks.hostile_cases import Attack, Case, Ended, Outcome, artculture, message, tiny_checkpoint
from benchmarks.hostile_servers import (
    SITES,
    bomb,
    canary,
    endless,
    hostile,
    nested,
    png_bomb,
    trickle,
)

# Resident memory of a whole command that reads what is hostile; without that, `fetch` takes about 200 MB and
# `predict` about 1,100 MB on a machine with a CUDA build of torch.
MOST_MEGABYTES = {"fetch": 600, "predict": 1800, "train": 1800}
MOST_SECONDS_AFTER_SIGNAL = 10.0
JSON, JPEG = b'{"a": "', jpeg("hostile")
# {kind of answer: (makes the answer, given the first bytes of a good one; reason in the output)}
ANSWERS: dict[str, tuple[Callable[[bytes], Answer], str]] = {
    "endless": (endless, "more than"),
    "gzip-bombed": (bomb, "more than"),
    "trickled": (lambda _: trickle(), "not complete within 3 s"),
    "deeply nested": (lambda _: nested(), "nested more than 64 levels deep"),
    "PNG bomb": (lambda _: Answer(200, png_bomb(), "image/png"), "more than the 100 megapixels"),
}


class Anything(MuseumServer):
    """A web server without a good answer."""

    def answer(self, path: str, query: dict[str, str], headers: dict[str, str]) -> Answer:
        return Answer(404, b"")


def bounded(ended: Ended, command: str, codes: tuple[int, ...]) -> None:
    """Assert that a command ended as it should, within its memory and without a traceback."""
    assert ended.code in codes, f"exit code {ended.code}"
    assert "Traceback" not in ended.output, "a traceback"
    assert ended.megabytes < MOST_MEGABYTES[command], f"{ended.megabytes:.0f} MB of memory"


def check_fetch(ended: Ended, root: Path, target: str, reason: str, reached: list[str]) -> Outcome:
    """Return the outcome of a fetch: the other objects are kept, or it ends where nothing can be listed."""
    goes_on = target in ("record", "picture")
    bounded(ended, "fetch", (0,) if goes_on else (1,))
    said = (root / "failures.csv").read_text() if goes_on else ended.output
    assert reason in said, f"the reason is not given ({message(ended)})"
    if not goes_on:
        return Outcome("the fetch ends with the reason", leaked=len(reached))
    kept = len(list((root / "images").rglob("*.jpg")))
    return Outcome(f"listed in failures.csv, {kept} of 2 others kept", lost=2 - kept, leaked=len(reached))


def fetch_case(source: str, target: str, kind: str, *, short: bool = False) -> Case:
    """Return the case of a museum with one hostile answer."""

    @contextmanager
    def prepare(folder: Path) -> Iterator[Attack]:
        site = SITES[source]
        with ExitStack() as stack:
            reached: list[str] = []
            if kind == "redirected":
                address, reached = stack.enter_context(canary())
                reason = "in a private network"

                def make() -> Answer:
                    return Answer(302, b"", headers={"Location": address})
            else:
                build, reason = ANSWERS[kind]
                start = JPEG if target == "picture" else JSON
                build(start)  # packing takes seconds, which must not count as the server's

                def make() -> Answer:
                    return build(start)

            server = stack.enter_context(hostile(site.server(folder), site.parts[target], make))
            arguments = site.arguments(server, folder)
            if target == "list" and source == "met_csv":
                arguments.append("limits.file_megabytes=20")
            yield Attack(
                artculture("fetch", f"root={folder / 'root'}", *arguments),
                lambda ended: check_fetch(ended, folder / "root", target, reason, reached),
                lambda: server.bytes_sent,
            )

    what = {"list": "search results or table", "file": "parquet file"}.get(target, target)
    return Case(f"`fetch source={source}`: {kind} {what}", prepare, short=short)


@contextmanager
def bad_records(folder: Path) -> Iterator[Attack]:
    """Serve two good records and one of every kind that can't be used."""
    numbers = [1, 2, *RECORDS_OF_THE_MET]
    changes = {number: changed or {} for number, (changed, _) in RECORDS_OF_THE_MET.items()}
    root = folder / "root"

    def check(ended: Ended) -> Outcome:
        bounded(ended, "fetch", (0,))
        with (root / "failures.csv").open(encoding="utf-8", newline="") as file:
            listed = sum(1 for _ in csv.DictReader(file))
        kept = len(list((root / "images").rglob("*.jpg")))
        lost = abs(2 - kept) + abs(len(changes) - listed)
        return Outcome(f"{listed} of {len(changes)} listed in failures.csv, {kept} of 2 others kept", lost=lost)

    with serving(HostileMet({number: ["Spain"] for number in numbers}, changes)) as server:
        command = artculture("fetch", f"root={root}", *SITES["met"].arguments(server, folder))
        yield Attack(command, check, lambda: server.bytes_sent)


def stopped_fetch_case(source: str, target: str, *, short: bool = False) -> Case:
    """Return the case of a fetch that gets SIGTERM while a museum trickles."""

    @contextmanager
    def prepare(folder: Path) -> Iterator[Attack]:
        site = SITES[source]
        with hostile(site.server(folder), site.parts[target], trickle) as server:
            arguments = [text for text in site.arguments(server, folder) if not text.startswith("limits.seconds")]
            command = artculture("fetch", f"root={folder / 'root'}", *arguments)
            yield Attack(
                command, lambda ended: check_stopped(ended, "fetch"), lambda: server.bytes_sent,
                terminate_when=lambda: waits_for(server, site.parts[target]),
            )  # fmt: skip

    return Case(f"`fetch source={source}`: SIGTERM while a {target} trickles", prepare, short=short)


def waits_for(server: MuseumServer, part: str) -> bool:
    """Return whether a command has been waiting for a hostile answer for a second."""
    asked = [request.at for request in server.requests if part in request.path]
    return bool(asked) and time.monotonic() > asked[0] + 1


def check_stopped(ended: Ended, command: str, left: Path | None = None) -> Outcome:
    """Return the outcome of a command that got SIGTERM."""
    bounded(ended, command, (75,))
    assert ended.after_signal is not None, "ended before the signal"
    assert ended.after_signal < MOST_SECONDS_AFTER_SIGNAL, f"{ended.after_signal:.0f} s after the signal"
    files = sorted(left.iterdir()) if left else []
    assert not files, f"left {files[0].name}"
    return Outcome("ends at once, nothing left behind")


def predict_case(name: str, make: Callable[[str], Answer], reason: str, *more: str, short: bool = False) -> Case:
    """Return the case of a picture at an address; `reason` is empty where the command gets SIGTERM instead."""

    @contextmanager
    def prepare(folder: Path) -> Iterator[Attack]:
        make("")  # as above
        temporary = folder / "temporary"
        temporary.mkdir()

        def check(ended: Ended) -> Outcome:
            if not reason:
                return check_stopped(ended, "predict", temporary)
            bounded(ended, "predict", (1,))
            assert reason in ended.output, "the reason is not given"
            assert not list(temporary.iterdir()), "a temporary file is left"
            return Outcome("refused with the reason", leaked=len(reached))

        with canary() as (address, reached), hostile(Anything(), "/a.jpg", lambda: make(address)) as server:
            images = f"images={server.base}/a.jpg"
            yield Attack(
                artculture("predict", f"checkpoint={tiny_checkpoint(folder)}", images, *more), check,
                lambda: server.bytes_sent, environment={"TMPDIR": str(temporary)},
                terminate_when=None if reason else lambda: waits_for(server, "/a.jpg"),
            )  # fmt: skip

    return Case(f"`predict`: {name}", prepare, short=short)


def shards_case(name: str, make: Callable[[str], Answer], reason: str) -> Case:
    """Return the case of a training on shards of a server with a hostile listing."""

    @contextmanager
    def prepare(folder: Path) -> Iterator[Attack]:
        def check(ended: Ended) -> Outcome:
            bounded(ended, "train", (1, 2))
            assert reason in ended.output, "the reason is not given"
            assert not list(folder.rglob("*.ckpt")), "a training has started"
            return Outcome("refused with the reason", leaked=len(reached))

        with canary() as (address, reached), hostile(Anything(), "/shards.json", lambda: make(address)) as server:
            command = artculture("train", "data=shards", f"data.root={server.base}/paintings", "logger=csv")
            yield Attack(
                command, check, lambda: server.bytes_sent, environment={"ARTCULTURE_CACHE": str(folder / "cache")}
            )

    return Case(f"`train data=shards`: {name}", prepare, short=False)


def redirect(address: str) -> Answer:
    return Answer(302, b"", headers={"Location": address})


CASES = (
    *(fetch_case("met", "record", kind, short=kind == "gzip-bombed") for kind in list(ANSWERS)[:4]),
    *(fetch_case("met", "picture", kind) for kind in ("endless", "gzip-bombed", "trickled", "PNG bomb")),
    *(fetch_case("met", target, "redirected", short=target == "picture") for target in ("record", "picture")),
    *(fetch_case(source, "list", kind) for source in SITES for kind in ("endless", "gzip-bombed")
      if (source, kind) != ("met_csv", "gzip-bombed")),
    fetch_case("met_csv", "record", "deeply nested"),
    *(fetch_case(source, "picture", kind) for source in ("artic", "cleveland") for kind in ("endless", "redirected")),
    fetch_case("met_hub", "file", "redirected"),
    fetch_case("met_hub", "file", "endless"),
    Case("`fetch source=met`: every kind of record that can't be used", bad_records, short=False),
    stopped_fetch_case("met", "picture"),
    stopped_fetch_case("met_hub", "file", short=True),
    shards_case("endless listing", lambda _: endless(b"{"), "more than"),
    shards_case("redirected listing", redirect, "in a private network"),
    predict_case("endless picture", lambda _: endless(JPEG), "more than 10 MB", "largest_download=10"),
    predict_case("gzip-bombed picture", lambda _: bomb(JPEG), "more than 100 MB"),
    predict_case("trickled picture", lambda _: trickle(), "not complete within 2 s", "longest_download=2"),
    predict_case("redirected picture", redirect, "in a private network"),
    predict_case("SIGTERM while a picture trickles", lambda _: trickle(), "", short=True),
)  # fmt: skip
