"""Bodies of HTTP answers, unpacked piece by piece within a limit."""

import zlib
from collections.abc import Iterator, Mapping

ACCEPTED_ENCODINGS = "gzip, deflate"
# Unpacked bytes that are in memory at once.
PIECE = 1 << 18


class LimitExceededError(Exception):
    """An answer is larger or slower than the limits of the config."""


def size_text(size: float) -> str:
    """Return a number of bytes as text, as in `1.5 MB`."""
    return f"{size / 1_000_000:g} MB" if size >= 10_000 else f"{size:g} bytes"


class BoundedBody:
    """Decoder of one body, for gzip and deflate; both packed and unpacked bytes count against the limit.

    httpx unpacks whatever arrives in one piece, so that some kilobytes become gigabytes before anybody can count.

    Args:
        headers: of the answer.
        max_bytes: of the body.

    Raises:
        LimitExceededError: the headers say that the body is too large, or packed in a way that was not asked for.
    """

    def __init__(self, headers: Mapping[str, str], max_bytes: float) -> None:
        self.max_bytes = max_bytes
        self._packed = self._unpacked = 0
        self._unpacker: zlib._Decompress | None = None
        self._encoding = headers.get("Content-Encoding", "").strip().lower()
        if self._encoding not in ("", "identity", "gzip", "x-gzip", "deflate"):
            raise LimitExceededError(f"packed in a way that was not asked for ({self._encoding[:40]})")
        length = headers.get("Content-Length", "")
        if length.isdecimal() and int(length[:20]) > max_bytes:
            raise self._too_large()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the unpacked bytes of the next part of the body.

        Raises:
            LimitExceededError: the body is larger than the limit.
            zlib.error: it is damaged.
        """
        self._packed += len(data)
        if self._packed > self.max_bytes:
            raise self._too_large()
        if self._encoding in ("", "identity"):
            yield data
            return
        self._unpacker = self._unpacker or self._new_unpacker(data)
        # What follows the end of the packed data is ignored, as browsers do.
        while data and not self._unpacker.eof:
            piece = self._unpacker.decompress(data, PIECE)
            data = self._unpacker.unconsumed_tail
            self._unpacked += len(piece)
            if self._unpacked > self.max_bytes:
                raise self._too_large()
            if piece:
                yield piece

    def _new_unpacker(self, start: bytes) -> "zlib._Decompress":
        if "gzip" in self._encoding:
            return zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        # Some servers send raw deflate streams, without zlib's header.
        has_header = start[:1] and start[0] & 0x0F == 8
        return zlib.decompressobj(wbits=zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS)

    def _too_large(self) -> LimitExceededError:
        return LimitExceededError(f"more than {size_text(self.max_bytes)}")
