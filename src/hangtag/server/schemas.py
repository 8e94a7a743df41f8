"""What goes over the wire, with examples for the OpenAPI document."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Confidence = float

_ALTERNATIVE = {"value": "Tops", "confidence": 0.04}
_TAG = {
    "value": "Tshirts",
    "confidence": 0.94,
    "decision": "accept",
    "alternatives": [_ALTERNATIVE],
}
_RESULT: dict[str, Any] = {
    "status": "success",
    "predictions": {"articleType": "Tshirts"},
    "confidences": {"articleType": 0.94},
    "photo": "shirt.jpg",
    "tags": {"articleType": _TAG},
    "model": "hangtag-default-10",
    "known_product": True,
    "turned": 0,
    "explanations": None,
    "error": None,
}
_BROKEN: dict[str, Any] = {
    **_RESULT,
    "status": "error",
    "predictions": {},
    "confidences": {},
    "photo": "torn.jpg",
    "tags": {},
    "known_product": None,
    "error": "torn.jpg: damaged photo (image file is truncated); "
    "save it again as JPEG or PNG, or leave it out",
}


def _example(example: dict[str, Any]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [example]})


class AlternativeValue(BaseModel):
    """Another value that a tag might have."""

    value: str
    confidence: Confidence = Field(ge=0, le=1)


class TagValue(BaseModel):
    """One attribute's value."""

    model_config = _example(_TAG)

    value: str
    confidence: Confidence = Field(
        ge=0, le=1, description="Calibrated: of tags given with 0.9, nine in ten are right."
    )
    decision: Literal["accept", "review"] = Field(
        description="accept: sure enough for the server's precision; review: have a look."
    )
    alternatives: list[AlternativeValue]


class PhotoResult(BaseModel):
    """What was found on one photo.

    ``predictions``, ``confidences`` and ``status`` are for clients that want values only.
    """

    model_config = _example(_RESULT)

    status: Literal["success", "error"]
    predictions: dict[str, str] = Field(description="Each attribute's value.")
    confidences: dict[str, Confidence] = Field(description="Each attribute's confidence, 0 to 1.")
    photo: str = Field(description="The file's name as the client gave it.")
    tags: dict[str, TagValue] = Field(description="Values with decisions and alternatives.")
    model: str
    known_product: bool | None = Field(
        description="Whether the photo resembles what the model was trained on; null: not known."
    )
    turned: Literal[0, 90, 180, 270] = Field(
        description="By how many degrees the photo was turned clockwise to be upright."
    )
    explanations: dict[str, str] | None = Field(
        None,
        description="With explain=true: for each attribute a PNG, base64, of the photo as the "
        "network saw it, yellow to red where it looked.",
    )
    error: str | None = Field(description="Why this photo has no tags, and what to do.")


class BatchResult(BaseModel):
    """What was found on many photos, in the order in which they were sent."""

    model_config = _example({"status": "partial", "errors": 1, "results": [_RESULT, _BROKEN]})

    status: Literal["success", "partial"] = Field(
        description="partial: at least one photo could not be read."
    )
    errors: int = Field(description="Photos that could not be read.")
    results: list[PhotoResult]


class Base64Photo(BaseModel):
    """A photo in JSON."""

    image: str = Field(
        min_length=1,
        description="The photo's file in base64, with or without data:image/…;base64, before it.",
        json_schema_extra={"format": "byte"},
        examples=[
            "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4//8/AAX+Av4N70a4AAAAAElF"
            "TkSuQmCC"
        ],
    )


class Health(BaseModel):
    """How the server is."""

    model_config = _example(
        {
            "status": "healthy",
            "live": True,
            "ready": True,
            "model": "hangtag-default-10",
            "version": "0.1.0",
            "photos_waiting": 0,
        }
    )

    status: Literal["healthy", "unavailable"]
    live: bool = Field(description="The process answers.")
    ready: bool = Field(description="Photos are taken.")
    model: str
    version: str = Field(description="Version of hangtag.")
    photos_waiting: int = Field(description="Photos taken and not yet answered.")


class AttributeDescription(BaseModel):
    """One thing that the model tags."""

    name: str
    values: list[str] = Field(description="The vocabulary.")
    thresholds: dict[str, float | None] = Field(
        description="Precision of accepted tags → the confidence that they need; null: none does."
    )
    article_types: list[str] | None = Field(
        description="Of a detail: the article types that have it; null: every product has it."
    )


class ModelDescription(BaseModel):
    """What the served model is, can and can't."""

    name: str
    format_version: int
    input_size: tuple[int, int] = Field(description="Height and width in pixels.")
    precision: float = Field(description="Precision of accepted tags that this server is set to.")
    attributes: list[AttributeDescription]
    taxonomy: dict[str, dict[str, dict[str, str]]] = Field(
        description="Value → its coarser categories: articleType → Tshirts → subCategory."
    )
    numbers: dict[str, Any] = Field(description="Measured on test photos.")
    card: str = Field(description="The model card, Markdown.")
