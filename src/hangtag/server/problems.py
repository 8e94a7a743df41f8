"""Errors as clients see them: RFC 9457 problem documents that say what to do."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.types import Scope

MEDIA_TYPE = "application/problem+json"
REQUEST_ID = "hangtag.request_id"
"""Key of the request's id in the ASGI scope."""


@dataclass(frozen=True)
class Kind:
    """A kind of problem: a name for programs, a status, a title for people."""

    name: str
    status: int
    title: str


MALFORMED = Kind("malformed-request", 400, "The request can't be parsed")
UNAUTHORISED = Kind("unauthorised", 401, "The API key is missing or wrong")
TOO_SLOW = Kind("upload-too-slow", 408, "The upload took too long")
TOO_LARGE = Kind("too-large", 413, "The upload is too large")
INVALID = Kind("invalid-request", 422, "The request lacks something or has it wrong")
UNREADABLE = Kind("unreadable-photo", 422, "The photo can't be read")
INTERNAL = Kind("internal-error", 500, "The server failed")
BUSY = Kind("busy", 503, "The server has as much work as it can take")
NO_ROOM = Kind("no-room", 503, "The server has no room for the upload")
TIMED_OUT = Kind("timed-out", 503, "The answer took too long")

_KINDS_OF_FRAMEWORK = {
    400: MALFORMED,
    404: Kind("not-found", 404, "There is nothing at this address"),
    405: Kind("method-not-allowed", 405, "This address takes another method"),
}
_SEE = "see /openapi.json for the addresses and what they take"


class ProblemDocument(BaseModel):
    """Problem details as in RFC 9457; ``cure`` is our extension: what to do about it."""

    type: str = Field(examples=["urn:hangtag:problem:unreadable-photo"])
    title: str = Field(examples=[UNREADABLE.title])
    status: int = Field(examples=[UNREADABLE.status])
    detail: str = Field(examples=["shirt.jpg: damaged photo (image file is truncated)"])
    cure: str = Field(examples=["save it again as JPEG or PNG, or leave it out"])
    instance: str = Field(
        description="The request's id, as in the header X-Request-ID and in the server's log.",
        examples=["urn:uuid:0b7a6a3c-5d0e-4d3a-9f39-6a0c1b0c2f10"],
    )


class Problem(HTTPException):
    """Raised anywhere while a request is handled; answered as a problem document.

    An HTTPException, because FastAPI turns every other error in reading a body into a plain 400.
    """

    def __init__(
        self, kind: Kind, detail: str, cure: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(kind.status, detail, headers)
        self.kind = kind
        self.cure = cure

    @classmethod
    def from_http(cls, error: HTTPException) -> "Problem":
        """Put the framework's own errors (404, 405, a body that can't be parsed) in our words."""
        if isinstance(error, cls):
            return error
        if isinstance(error.__cause__, OSError):
            # A large upload waits on disk to be whole.
            cure = "tell who runs the server that its temporary folder is full or missing"
            return cls(NO_ROOM, "the upload can't be kept until it is whole", cure)
        kind = _KINDS_OF_FRAMEWORK.get(
            error.status_code, Kind("http-error", error.status_code, "The request failed")
        )
        return cls(kind, str(error.detail), _SEE, error.headers)

    def response(self, scope: Scope) -> JSONResponse:
        """Build the answer to the request that ``scope`` belongs to."""
        document = ProblemDocument(
            type=f"urn:hangtag:problem:{self.kind.name}",
            title=self.kind.title,
            status=self.kind.status,
            detail=self.detail,
            cure=self.cure,
            instance=f"urn:uuid:{scope.get(REQUEST_ID, '')}",
        )
        return JSONResponse(
            document.model_dump(), self.kind.status, self.headers, media_type=MEDIA_TYPE
        )


def documented(*kinds: Kind) -> dict[int | str, dict[str, Any]]:
    """Describe in OpenAPI that an operation may answer with these problems."""
    titles: dict[int, list[str]] = {}
    for kind in kinds:
        titles.setdefault(kind.status, []).append(kind.title)
    schema = {"$ref": f"#/components/schemas/{ProblemDocument.__name__}"}
    return {
        status: {
            "description": "; ".join(of_status),
            "content": {MEDIA_TYPE: {"schema": schema}},
        }
        for status, of_status in titles.items()
    }
