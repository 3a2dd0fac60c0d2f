"""Hostile servers: endless, packed, slow and deeply nested answers to `fetch` and `predict`."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.unit.museum_servers import Answer, MuseumServer, jpeg, serving

from benchmarks.hostile_cases import Attack, Case, Ended, Outcome, artculture, tiny_checkpoint

MEGABYTE = 1_000_000
# A server that would send without end is stopped here, so that a failing case stays bounded.
MOST_BYTES = 400 * MEGABYTE


class PictureServer(MuseumServer):
    """A web server whose every address has the same answer."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        super().__init__()
        self.chunks = chunks

    def answer(self, path: str, query: dict[str, str], headers: dict[str, str]) -> Answer:
        return Answer(200, b"", "image/jpeg", chunks=self.chunks)


def endless(start: bytes = b"", piece: bytes = bytes(64 * 1024)) -> Iterator[bytes]:
    """Yield bytes up to `MOST_BYTES`."""
    yield start
    yield from itertools.repeat(piece, MOST_BYTES // len(piece))


def predict(folder: Path, url: str, *more: str) -> tuple[str, ...]:
    """Return the command that predicts one picture of an address."""
    return artculture("predict", f"checkpoint={tiny_checkpoint(folder)}", f"images={url}", *more)


@contextmanager
def endless_picture(folder: Path) -> Iterator[Attack]:
    def check(ended: Ended) -> Outcome:
        assert ended.code == 1, f"exit code {ended.code}"
        assert "more than 10 MB" in ended.output, "no reason given"
        return Outcome("refused: more than 10 MB")

    with serving(PictureServer(endless(jpeg("a")))) as server:
        command = predict(folder, f"{server.base}/a.jpg", "largest_download=10")
        yield Attack(command, check, lambda: server.bytes_sent)


CASES = (Case("endless picture to `predict`", endless_picture),)
