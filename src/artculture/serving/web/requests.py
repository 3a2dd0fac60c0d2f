"""Requests for predictions: from a body to pictures, and from pictures to answers."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from artculture.config.schema.checkpoint_commands import ServeConfig
from artculture.serving.web.answers import BatchEntry, BatchPrediction, Link, Links, Prediction
from artculture.serving.web.body import (
    ANY_PICTURE,
    JSON,
    MULTIPART,
    Memory,
    Reservation,
    Upload,
    content_type,
    read_body,
    uploads,
)
from artculture.serving.web.errors import RequestError
from artculture.serving.web.links import fetch_picture
from artculture.serving.web.loading import Example
from artculture.serving.web.service import PredictionService, within
from artculture.utils.errors import WorkError, reason_of

Schema = TypeVar("Schema", bound=BaseModel)

# Linked pictures that are in memory before their size is known.
MOST_FETCHES = 4
TYPES = f"send {MULTIPART} with a part `file`, {JSON} with a link, or one picture as {ANY_PICTURE}*"


@dataclass(frozen=True)
class RequestReader:
    """What requests are answered with.

    Attributes:
        service: of the models.
        config: of the command.
        examples: pictures that are known by their number.
        memory: of all requests.
        fetches: limits how many links are fetched at once.
    """

    service: PredictionService
    config: ServeConfig
    examples: Sequence[Example]
    memory: Memory
    fetches: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_FETCHES))

    async def picture(self, link: Link, held: Reservation) -> bytes:
        """Return a linked picture, or an example.

        Raises:
            RequestError: there is none.
        """
        if link.example is not None:
            if link.example >= len(self.examples):
                raise RequestError(422, f"there is no example {link.example}")
            try:
                return await asyncio.to_thread(self.examples[link.example].content)
            except OSError as error:
                raise RequestError(422, "the example's file can't be read any more") from error
        return await self.linked(link.url or "", held)

    async def linked(self, url: str, held: Reservation) -> bytes:
        """Return the content of an address.

        Raises:
            RequestError: it is not fetched.
        """
        if not self.config.links:
            raise RequestError(422, "links are switched off here; send the picture itself")
        limits = self.config.limits
        most, seconds = limits.megabytes * 1e6, limits.link_seconds
        allow_private = self.config.allow_private
        async with self.fetches:
            content = await fetch_picture(url, max_bytes=most, seconds=seconds, allow_private=allow_private)
        held.add(len(content))
        return content


async def answered_picture(reader: RequestReader, request: Request, *, details: bool) -> Prediction:
    """Return the answer to `POST /predict`.

    Raises:
        RequestError: the request is refused.
    """
    kind, limits = content_type(request), reader.config.limits
    if kind not in (MULTIPART, JSON) and not kind.startswith(ANY_PICTURE):
        raise RequestError(415, TYPES)
    with reader.memory.reservation() as held:
        body = await read_body(request, held, limits)
        with reader.service.accepted(1):
            if kind == JSON:
                work = _linked_prediction(reader, _parsed(Link, body), held, details=details)
            elif kind == MULTIPART:
                (upload,) = await uploads(request.headers, body, 1)
                work = reader.service.predict(upload.content, details=details)
            else:
                work = reader.service.predict(body, details=details)
            return await within(limits.seconds, work, _late(limits.seconds))


async def _linked_prediction(reader: RequestReader, link: Link, held: Reservation, *, details: bool) -> Prediction:
    return await reader.service.predict(await reader.picture(link, held), details=details)


async def answered_batch(reader: RequestReader, request: Request) -> BatchPrediction:
    """Return the answer to `POST /predict/batch`.

    Raises:
        RequestError: the whole request is refused.
    """
    kind, limits = content_type(request), reader.config.limits
    if kind not in (MULTIPART, JSON):
        raise RequestError(415, f"send {MULTIPART} with several files, or {JSON} with links")
    with reader.memory.reservation() as held:
        body = await read_body(request, held, limits)
        if kind == MULTIPART:
            found: Sequence[Upload | str] = await uploads(request.headers, body, limits.pictures)
        else:
            found = _parsed(Links, body).urls
            if len(found) > limits.pictures:
                raise RequestError(413, f"{len(found)} pictures in one request, at most {limits.pictures} are taken")
        with reader.service.accepted(len(found)):
            work = asyncio.gather(*(_entry(reader, source, held) for source in found))
            return BatchPrediction(pictures=await work)


async def _entry(reader: RequestReader, source: Upload | str, held: Reservation) -> BatchEntry:
    name = source if isinstance(source, str) else source.name
    seconds = reader.config.limits.seconds
    if isinstance(source, Upload):
        work = reader.service.predict(source.content)
    else:
        work = _linked_prediction(reader, Link(url=source, example=None), held, details=False)
    try:
        found = await within(seconds, work, _late(seconds))
    except RequestError as error:
        return BatchEntry(name=name, status=error.status, error=str(error))
    except WorkError as error:
        return BatchEntry(name=name, status=500, error=reason_of(error))
    return BatchEntry(name=name, models=found.models)


def _parsed(schema: type[Schema], body: bytes) -> Schema:
    try:
        return schema.model_validate_json(body)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise RequestError(422, f"not the expected JSON: {where + ': ' if where else ''}{first['msg']}") from error


def _late(seconds: float) -> str:
    return f"not answered within {seconds:g} s; a smaller picture is decoded faster"
