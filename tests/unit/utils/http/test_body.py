import gzip
import zlib

import pytest

from artculture.utils.http.body import PIECE, BoundedBody, LimitExceededError

DATA = b"painting " * 1000
RAW_DEFLATE = zlib.compressobj(wbits=-15)


def read(data: bytes, max_bytes: float, encoding: str = "", piece: int = 100, **headers: str) -> bytes:
    body = BoundedBody({"Content-Encoding": encoding, **headers}, max_bytes)
    return b"".join(out for start in range(0, len(data), piece) for out in body.feed(data[start : start + piece]))


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("", DATA),
        ("gzip", gzip.compress(DATA)),
        ("GZIP", gzip.compress(DATA) + bytes(50)),
        ("deflate", zlib.compress(DATA)),
        ("deflate", RAW_DEFLATE.compress(DATA) + RAW_DEFLATE.flush()),
    ],
    ids=["plain", "gzip", "trailing bytes", "zlib", "raw deflate"],  # bytes hold the time of day
)
def test_a_body_within_the_limit_is_unpacked(encoding, packed):
    assert read(packed, len(DATA), encoding) == DATA


@pytest.mark.parametrize("encoding", ["", "gzip", "deflate"])
def test_a_body_beyond_the_limit_is_refused(encoding):
    packed = {"": DATA, "gzip": gzip.compress(DATA), "deflate": zlib.compress(DATA)}[encoding]
    with pytest.raises(LimitExceededError, match="more than 8999 bytes"):
        read(packed, len(DATA) - 1, encoding)


def test_a_bomb_is_unpacked_in_small_pieces():
    body = BoundedBody({"Content-Encoding": "gzip"}, 10 * PIECE)
    pieces = []
    with pytest.raises(LimitExceededError):
        pieces.extend(map(len, body.feed(gzip.compress(bytes(100 * PIECE)))))
    assert max(pieces, default=0) <= PIECE


def test_packed_bytes_count_too():
    with pytest.raises(LimitExceededError):
        read(gzip.compress(b"") + bytes(2000), 1000, "gzip")


@pytest.mark.parametrize("headers", [{"Content-Encoding": "br"}, {"Content-Encoding": "gzip, gzip"}])
def test_an_encoding_that_was_not_asked_for_is_refused(headers):
    with pytest.raises(LimitExceededError, match="not asked for"):
        BoundedBody(headers, 1000)


@pytest.mark.parametrize("length", ["1001", "9" * 5000])
def test_a_length_beyond_the_limit_is_refused_at_once(length):
    with pytest.raises(LimitExceededError):
        BoundedBody({"Content-Length": length}, 1000)
