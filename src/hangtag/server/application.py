"""Put the server together, and run it."""

import logging
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext

import uvicorn
from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.security import APIKeyHeader
from starlette.exceptions import HTTPException

import hangtag
from hangtag.model import read_model
from hangtag.port import check_port
from hangtag.server import logs
from hangtag.server.connections import Connection
from hangtag.server.docs import add_docs
from hangtag.server.limits import API_KEY_HEADER, Limits
from hangtag.server.metrics import SHARED_FOLDER, Metrics
from hangtag.server.observation import Observation
from hangtag.server.problems import INVALID, Problem, ProblemDocument
from hangtag.server.routes import (
    HOW_TO_CALL,
    health_routes,
    information_routes,
    tagging_routes,
)
from hangtag.server.settings import Settings
from hangtag.server.tagging import TaggingService

_SETTINGS = "HANGTAG_SERVER_SETTINGS"
_FACTORY = f"{__name__}:from_environment"
_GRACE_SECONDS = 5


def create_application(settings: Settings) -> FastAPI:
    """Load the model and build the application that serves it.

    Raises:
        HangtagError: The model can't be read.
    """
    metrics = Metrics()
    service = TaggingService(settings, metrics)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        service.start()
        yield
        # The server has answered every request by now, or has given up on it.
        await service.close()
        metrics.close()

    application = FastAPI(
        title="hangtag",
        summary="Photos of fashion products in, their tags out.",
        version=hangtag.__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
    )
    key = [Depends(APIKeyHeader(name=API_KEY_HEADER, auto_error=False))]
    guarded = key if settings.api_key else []
    application.include_router(tagging_routes(service, settings), dependencies=guarded)
    application.include_router(information_routes(service, settings, metrics), dependencies=guarded)
    application.include_router(health_routes(service))
    add_docs(application)
    application.add_exception_handler(HTTPException, _answer_problem)
    application.add_exception_handler(RequestValidationError, _answer_invalid)
    # The last one added is the outermost.
    application.add_middleware(Limits, settings=settings)
    if settings.origins:
        application.add_middleware(
            CORSMiddleware,
            allow_origins=settings.origins,
            allow_methods=["GET", "POST"],
            allow_headers=[API_KEY_HEADER, "Authorization", "Content-Type"],
            expose_headers=["X-Request-ID", "Retry-After"],
        )
    paths = application.openapi()["paths"]
    application.add_middleware(Observation, metrics=metrics, routes=frozenset(paths))
    _document_problems(application)
    return application


def from_environment() -> FastAPI:
    """Build the application in a worker process that :func:`serve` has started."""
    # Pillow warns of odd photos; such lines belong into the log, as JSON like all others.
    logging.captureWarnings(True)
    return create_application(Settings.from_json(os.environ[_SETTINGS]))


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then finish what was taken and return.

    Raises:
        HangtagError: The model can't be read, or the port can't be had.
    """
    read_model(settings.model)
    check_port(settings.host, settings.port)
    os.environ[_SETTINGS] = settings.to_json()
    several = settings.workers > 1
    with tempfile.TemporaryDirectory() if several else nullcontext() as folder:
        if folder:
            os.environ[SHARED_FOLDER] = folder
        uvicorn.run(
            _FACTORY,
            factory=True,
            host=settings.host,
            port=settings.port,
            workers=settings.workers,
            http=Connection,
            ws="none",
            log_config=logs.configuration(settings.log_level),
            server_header=False,
            # An accepted request may take one timeout to arrive and one to be answered.
            timeout_graceful_shutdown=int(2 * settings.timeout) + _GRACE_SECONDS,
        )


async def _answer_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return Problem.from_http(error).response(request.scope)


async def _answer_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    # Only places and reasons: the input itself may be a photo.
    detail = "; ".join(
        f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors()
    )
    cure = HOW_TO_CALL.get(request.url.path, "correct it as /openapi.json says")
    return Problem(INVALID, detail, cure).response(request.scope)


def _document_problems(application: FastAPI) -> None:
    # FastAPI documents its own shape of validation errors; ours are problems like all others.
    document = application.openapi()
    schemas = document["components"]["schemas"]
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    schemas[ProblemDocument.__name__] = ProblemDocument.model_json_schema()
