"""The addresses of the API."""

import base64
import binascii
import json
import string
from asyncio import to_thread
from collections.abc import Callable, Coroutine, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, File, Query, Request, Response, UploadFile
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import WithJsonSchema

import hangtag
from hangtag.photo import printable
from hangtag.server import metrics as prometheus
from hangtag.server.metrics import Metrics
from hangtag.server.problems import (
    BUSY,
    INVALID,
    MALFORMED,
    NO_ROOM,
    TIMED_OUT,
    TOO_LARGE,
    TOO_SLOW,
    UNAUTHORISED,
    UNREADABLE,
    Problem,
    documented,
)
from hangtag.server.schemas import (
    AttributeDescription,
    Base64Photo,
    BatchResult,
    Health,
    ModelDescription,
    PhotoResult,
)
from hangtag.server.settings import Settings
from hangtag.server.tagging import Tagged, TaggingService, Upload

HOW_TO_CALL = {
    "/predict": "send the photo as multipart field image: curl -F image=@photo.jpg …/predict",
    "/predict_base64": 'send JSON: {"image": "<the photo\'s file in base64>"}',
    "/predict_batch": "send each photo as multipart field images: "
    "curl -F images=@a.jpg -F images=@b.jpg …/predict_batch",
}
"""The cure for a request that lacks what an address needs."""

_UNNAMED = "photo"
_WHITESPACE = string.whitespace.encode()
_STRUCTURE = (b"[", b"{", b",")
_MAX_STRUCTURE = 100
_FILE = {"type": "string", "format": "binary"}
_READING = (UNAUTHORISED,)
_TAGGING = (
    MALFORMED,
    UNAUTHORISED,
    TOO_SLOW,
    TOO_LARGE,
    INVALID,
    BUSY,
    NO_ROOM,
    TIMED_OUT,
)


def health_routes(service: TaggingService) -> APIRouter:
    """Build what tells whether the server works; needs no key."""
    router = APIRouter(tags=["about"])

    @router.get(
        "/health",
        summary="Is the server alive, and does it take photos?",
        responses={503: {"model": Health, "description": "Photos are not taken at present."}},
    )
    async def health() -> Health:
        state = Health(
            status="healthy" if service.ready else "unavailable",
            live=True,
            ready=service.ready,
            model=service.tagger.info.name,
            version=hangtag.__version__,
            photos_waiting=service.waiting,
        )
        if not service.ready:
            return JSONResponse(state.model_dump(), 503)  # type: ignore[return-value]
        return state

    return router


def information_routes(service: TaggingService, settings: Settings, metrics: Metrics) -> APIRouter:
    """Build what tells about the model and the work done."""
    router = APIRouter(tags=["about"])
    info = service.tagger.info
    thresholds = info.calibration.thresholds
    description = ModelDescription(
        name=info.name,
        format_version=info.format_version,
        input_size=info.input_size,
        precision=settings.precision,
        attributes=[
            AttributeDescription(
                name=attribute.name,
                values=attribute.values,
                thresholds={
                    f"{precision:g}": needed if needed <= 1 else None
                    for precision, needed in thresholds.get(attribute.name, {}).items()
                },
                article_types=info.details.get(attribute.name),
            )
            for attribute in info.attributes
        ],
        taxonomy=info.taxonomy,
        numbers=info.numbers,
        card=service.tagger.model.card,
    )

    @router.get(
        "/model",
        summary="The model: card, attributes, vocabularies, thresholds, numbers",
        responses=documented(*_READING),
    )
    async def describe_model() -> ModelDescription:
        return description

    @router.get(
        "/metrics",
        summary="The server's numbers, for Prometheus",
        response_class=Response,
        responses={
            200: {"description": "The numbers.", "content": {"text/plain": {}}},
            **documented(*_READING),
        },
    )
    def exposition() -> Response:
        return Response(metrics.exposition(), media_type=prometheus.MEDIA_TYPE)

    return router


def tagging_routes(service: TaggingService, settings: Settings) -> APIRouter:
    """Build what takes photos and answers with tags."""
    router = APIRouter(tags=["tags"])
    names = tuple(attribute.name for attribute in service.tagger.attributes)
    main = [attribute.name for attribute in service.tagger.main_attributes]
    # A class of its own would be needed for an enum; and commas are allowed, too.
    listed = WithJsonSchema({"type": "array", "items": {"type": "string", "enum": list(names)}})
    wanted_attributes = Annotated[
        list[str] | None,
        listed,
        Query(
            description="Tag only these; repeat the parameter or use commas. Default: those "
            "that every product has."
        ),
    ]
    with_details = Annotated[
        bool,
        Query(description="Tag also details, such as a neck, of the article types that have them."),
    ]
    several = {"items": _FILE, "minItems": 1, "maxItems": settings.max_files}
    explaining = Annotated[bool, Query(description="Show where the network looked.")]

    for_base64 = APIRouter(route_class=_FlatJsonRoute)

    def chosen(attributes: Sequence[str] | None, details: bool) -> list[str]:
        wanted = main if attributes is None else _checked(attributes, names)
        added = [name for name in names if details and name not in {*main, *wanted}]
        return [*wanted, *added]

    async def tag_one(upload: Upload, wanted: list[str], explain: bool) -> PhotoResult:
        (tagged,) = await service.tag([upload], wanted, explain=explain)
        if tagged.tags.error is not None:
            raise _unreadable(tagged.tags.error)
        return _result(tagged, explain)

    @router.post(
        "/predict",
        summary="Tag one photo (multipart)",
        responses=documented(*_TAGGING, UNREADABLE),
    )
    async def predict(
        image: Annotated[UploadFile, File(json_schema_extra={**_FILE, "minLength": 1})],
        attributes: wanted_attributes = None,
        details: with_details = False,
        explain: explaining = False,
    ) -> PhotoResult:
        return await tag_one(await _upload(image), chosen(attributes, details), explain)

    @for_base64.post(
        "/predict_base64",
        summary="Tag one photo (JSON)",
        responses=documented(*_TAGGING, UNREADABLE),
    )
    async def predict_base64(
        photo: Base64Photo,
        attributes: wanted_attributes = None,
        details: with_details = False,
        explain: explaining = False,
    ) -> PhotoResult:
        wanted = chosen(attributes, details)
        upload = Upload(_UNNAMED, await to_thread(_decoded, photo.image))
        return await tag_one(upload, wanted, explain)

    router.include_router(for_base64)

    @router.post(
        "/predict_batch",
        summary="Tag many photos (multipart); a broken one has its error in its place",
        responses=documented(*_TAGGING),
    )
    async def predict_batch(
        images: Annotated[list[UploadFile], File(json_schema_extra=several)],
        attributes: wanted_attributes = None,
        details: with_details = False,
    ) -> BatchResult:
        if len(images) > settings.max_files:
            raise Problem(
                INVALID,
                f"{len(images)} photos are more than the {settings.max_files} allowed at a time",
                "send them in several requests",
            )
        wanted = chosen(attributes, details)
        tagged = await service.tag([await _upload(image) for image in images], wanted)
        errors = sum(one.tags.error is not None for one in tagged)
        return BatchResult(
            status="partial" if errors else "success",
            errors=errors,
            results=[_result(one, explain=False) for one in tagged],
        )

    return router


class _FlatJsonRequest(Request):
    """A request whose JSON holds one long string and little else.

    A photo's worth of brackets would become millions of lists: gigabytes, and seconds in which
    the server answers nobody.
    """

    async def json(self) -> Any:
        """Parse the body, unless its brackets and commas are too many to belong to one photo."""
        return await to_thread(_flat_json, await self.body())


def _flat_json(body: bytes) -> Any:
    if max(map(body.count, _STRUCTURE)) > _MAX_STRUCTURE:
        raise Problem(INVALID, "the JSON holds more than a photo", HOW_TO_CALL["/predict_base64"])
    return json.loads(body)


class _FlatJsonRoute(APIRoute):
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_flat(request: Request) -> Response:
            return await handle(_FlatJsonRequest(request.scope, request.receive))

        return handle_flat


async def _upload(file: UploadFile) -> Upload:
    return Upload(printable(file.filename or _UNNAMED), await file.read())


def _decoded(text: str) -> bytes:
    _, comma, after = text.partition(",")
    data = after if comma and text.startswith("data:") else text
    try:
        # Line breaks are allowed. To split the text at them would make millions of pieces of some.
        return base64.b64decode(data.encode("ascii").translate(None, _WHITESPACE), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Problem(
            INVALID, "image is not base64", "encode the photo's file: base64 -w0 photo.jpg"
        ) from error


def _checked(attributes: Sequence[str], names: Sequence[str]) -> list[str]:
    # Each once: to explain an attribute runs the network, however often it is named.
    wanted = list(dict.fromkeys(name.strip() for given in attributes for name in given.split(",")))
    if unknown := [name for name in wanted if name not in names]:
        raise Problem(
            INVALID,
            f"this model has no attribute called {unknown[0]!r}",
            f"choose among {', '.join(names)}",
        )
    return wanted


def _unreadable(error: str) -> Problem:
    detail, _, cure = error.rpartition("; ")
    return Problem(UNREADABLE, detail or error, cure if detail else "send another photo")


def _result(tagged: Tagged, explain: bool) -> PhotoResult:
    found = tagged.tags.to_dict()
    return PhotoResult(
        **found,
        status="success" if found["error"] is None else "error",
        predictions={name: tag["value"] for name, tag in found["tags"].items()},
        confidences={name: tag["confidence"] for name, tag in found["tags"].items()},
        explanations=(
            {name: base64.b64encode(png).decode() for name, png in tagged.pictures.items()}
            if explain
            else None
        ),
    )
