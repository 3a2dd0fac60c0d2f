"""Bodies of requests: read within limits of bytes and time, and taken apart."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from python_multipart.exceptions import MultipartParseError
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from artculture.config.schema.checkpoint_commands import ServeLimits
from artculture.serving.web.errors import RequestError, busy
from artculture.utils.http.body import size_text

MULTIPART, JSON, ANY_PICTURE = "multipart/form-data", "application/json", "image/"
FIELD = "file"
# Bytes of links, and of a form that are taken apart before other requests have their turn.
MOST_JSON, PIECE = 1_000_000, 1 << 18


@dataclass(frozen=True)
class Upload:
    """A picture in a request."""

    name: str
    content: bytes


class Memory:
    """Bytes of all requests that are received and not yet answered.

    Args:
        most: of them together.
    """

    def __init__(self, most: float) -> None:
        self.most, self.used = most, 0

    @contextmanager
    def reservation(self) -> Iterator["Reservation"]:
        """Yield a reservation that ends with the `with` block."""
        held = Reservation(self)
        try:
            yield held
        finally:
            self.used -= held.bytes


class Reservation:
    """Bytes of one request."""

    def __init__(self, memory: Memory) -> None:
        self._memory, self.bytes = memory, 0

    def add(self, count: int) -> None:
        """Reserve more bytes.

        Raises:
            RequestError: 503, others take them.
        """
        if self._memory.used + count > self._memory.most:
            raise busy("other requests take all the memory that is set aside for uploads; try again in a moment")
        self._memory.used += count
        self.bytes += count


class InMemoryParser(MultiPartParser):
    """Parser whose files stay in memory, where the body is already."""

    spool_max_size = 1 << 40


def content_type(request: Request) -> str:
    """Return the media type of a request's body, in lower case."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def read_body(request: Request, held: Reservation, limits: ServeLimits) -> bytes:
    """Return the body of a request.

    Args:
        request: its headers are read.
        held: memory is reserved as the bytes arrive, so that a slow client takes none from others.
        limits: of bytes and time.

    Raises:
        RequestError: 408, 413 or 503.
    """
    most = int(limits.megabytes * 1_000_000)
    if content_type(request) == JSON:
        most = min(most, MOST_JSON)
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length[:20]) > most:
        raise _too_large(most)
    pieces = []
    try:
        async with asyncio.timeout(limits.upload_seconds):
            async for piece in request.stream():
                if held.bytes + len(piece) > most:
                    raise _too_large(most)
                held.add(len(piece))
                pieces.append(piece)
    except TimeoutError as error:
        raise RequestError(408, f"the request was not received within {limits.upload_seconds:g} s") from error
    except ClientDisconnect as error:
        raise RequestError(400, "the connection was closed before the request was complete") from error
    return b"".join(pieces)


async def uploads(headers: Headers, body: bytes, most: int) -> list[Upload]:
    """Return the pictures of a body of multipart/form-data, which are all its files.

    Args:
        headers: of the request.
        body: of the request.
        most: number of pictures.

    Raises:
        RequestError: 413 or 422.
    """

    async def stream() -> AsyncGenerator[bytes, None]:
        for start in range(0, len(body), PIECE):
            yield body[start : start + PIECE]
            await asyncio.sleep(0)

    try:
        form = await InMemoryParser(headers, stream(), max_files=most + 1, max_fields=most).parse()
    except (MultiPartException, MultipartParseError, KeyError, UnicodeDecodeError) as error:
        if "Too many files" in str(error):
            raise RequestError(413, f"more than {most} pictures in one request") from error
        raise RequestError(422, "the form can't be read; send multipart/form-data with a part `file`") from error
    files = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
    try:
        found = [Upload(file.filename or FIELD, await file.read()) for file in files]
    finally:
        await form.close()
    if len(found) > most:
        raise RequestError(413, f"{len(found)} pictures in one request, at most {most} are taken")
    if not found:
        raise RequestError(422, "no picture in the form; send it as the part `file`")
    return found


def _too_large(most: int) -> RequestError:
    return RequestError(413, f"the request is larger than {size_text(most)}")
