"""The web application: page, JSON API, health and metrics."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from artculture import __version__
from artculture.config.schema.checkpoint_commands import ServeConfig
from artculture.serving.web.access import AccessControl
from artculture.serving.web.answers import BatchPrediction, Health, Link, Links, Prediction, Refusal
from artculture.serving.web.body import ANY_PICTURE, FIELD, JSON, MULTIPART, Memory
from artculture.serving.web.errors import RequestError
from artculture.serving.web.loading import Example
from artculture.serving.web.page import serve_page
from artculture.serving.web.requests import RequestReader, answered_batch, answered_picture
from artculture.serving.web.service import PredictionService
from artculture.utils.errors import WorkError, reason_of

REFUSALS: dict[int | str, dict[str, Any]] = {
    408: {"model": Refusal, "description": "received too slowly"},
    413: {"model": Refusal, "description": "too many bytes, pixels or pictures"},
    415: {"model": Refusal, "description": "no picture"},
    422: {"model": Refusal, "description": "a damaged picture, or a link that is not fetched"},
    503: {"model": Refusal, "description": "busy; Retry-After says when to try again"},
    504: {"model": Refusal, "description": "not answered in time"},
}


def create_app(service: PredictionService, config: ServeConfig, examples: Sequence[Example] = ()) -> ASGIApp:
    """Return the application.

    Args:
        service: of the models.
        config: of the command.
        examples: pictures that the page offers.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        service.close()

    app = FastAPI(
        title="artculture",
        version=__version__,
        summary="The most probable classes of pictures",
        # Its pages load scripts from another host.
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    _add_errors(app)
    _add_page(app, service, config, examples)
    _add_api(app, RequestReader(service, config, examples, Memory(config.limits.waiting_megabytes * 1e6)))
    return AccessControl(app, config.hosts, service.metrics)


def _add_page(app: FastAPI, service: PredictionService, config: ServeConfig, examples: Sequence[Example]) -> None:
    html = serve_page(service.models, config, examples)
    # The rest of the policy is in the page; this part works in a header alone.
    headers = {"Content-Security-Policy": "frame-ancestors 'none'", "Cache-Control": "no-cache"}

    @app.get("/", include_in_schema=False)
    async def page() -> HTMLResponse:
        return HTMLResponse(html, headers=headers)

    @app.get("/examples/{number}.jpg", include_in_schema=False)
    async def example(number: int) -> Response:
        if not 0 <= number < len(examples):
            raise RequestError(404, "no such example")
        return Response(examples[number].thumbnail, media_type="image/jpeg")

    @app.get("/health")
    async def health() -> Health:
        """Return the state of the server and its models."""
        models = [{"name": model.name, **model.facts} for model in service.models]
        return Health(version=__version__, models=models, waiting=service.waiting)

    @app.get("/metrics", response_class=Response)
    async def metrics() -> Response:
        """Return counters in Prometheus' text format."""
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4")


def _add_api(app: FastAPI, reader: RequestReader) -> None:
    @app.post("/predict", responses=REFUSALS, openapi_extra=_body(Link, several=False))
    async def predict(request: Request, details: bool = False) -> Prediction:
        """Return the most probable classes of one picture.

        The picture is the part `file` of a form, the whole body, or linked: `{"url": "https://…"}`. `details=true` adds
        saliency maps, similar training paintings and a preview.
        """
        return await answered_picture(reader, request, details=details)

    @app.post("/predict/batch", responses=REFUSALS, openapi_extra=_body(Links, several=True))
    async def predict_batch(request: Request) -> BatchPrediction:
        """Return the most probable classes of several pictures; one that can't be read has an `error`.

        The pictures are the files of a form, or linked: `{"urls": ["https://…"]}`.
        """
        return await answered_batch(reader, request)


def _body(link: type[BaseModel], *, several: bool) -> dict[str, Any]:
    """Return the description of a body that FastAPI does not read itself."""
    binary: dict[str, Any] = {"type": "string", "format": "binary"}
    files = {"type": "array", "items": binary} if several else binary
    form = {"type": "object", "properties": {FIELD: files}, "required": [FIELD]}
    content: dict[str, Any] = {MULTIPART: {"schema": form}, JSON: {"schema": link.model_json_schema()}}
    if not several:
        content[f"{ANY_PICTURE}*"] = {"schema": binary}
    return {"requestBody": {"required": True, "content": content}}


def _add_errors(app: FastAPI) -> None:
    def answer(status: int, sentence: str, retry_after: int | None = None) -> JSONResponse:
        headers = None if retry_after is None else {"Retry-After": str(retry_after)}
        return JSONResponse({"error": sentence}, status, headers)

    @app.exception_handler(RequestError)
    async def refused(_: Request, error: RequestError) -> JSONResponse:
        return answer(error.status, str(error), error.retry_after)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        return answer(422, f"{first['loc'][-1]}: {first['msg']}")

    @app.exception_handler(HTTPException)
    async def unknown(request: Request, error: HTTPException) -> JSONResponse:
        return answer(error.status_code, f"{request.method} {request.url.path}: {error.detail}")

    @app.exception_handler(Exception)
    async def broken(_: Request, error: Exception) -> JSONResponse:
        return answer(500, f"the server failed ({type(error).__name__}); its log says where")

    @app.exception_handler(WorkError)
    async def failed(_: Request, error: WorkError) -> JSONResponse:
        return answer(500, reason_of(error))
