"""The one result: the tags of a photo, the same in Python, JSON, tables, API and app."""

from dataclasses import dataclass, field
from typing import Any, Literal

Decision = Literal["accept", "review"]

_DECIMALS = 4
"""Of confidences as they are written out."""


@dataclass(frozen=True)
class Alternative:
    """A value that the photo might have instead."""

    value: str
    confidence: float

    def to_dict(self) -> dict[str, Any]:
        """As a plain dictionary."""
        return {"value": self.value, "confidence": round(self.confidence, _DECIMALS)}


@dataclass(frozen=True)
class Tag:
    """One attribute's value.

    Attributes:
        value: The most probable value.
        confidence: Its calibrated probability, 0 to 1: of all tags given with 0.9, nine in ten
            are right.
        decision: ``accept`` if tags this confident reach the precision asked for.
        alternatives: The next probable values, most probable first.
    """

    value: str
    confidence: float
    decision: Decision
    alternatives: list[Alternative] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """As plain dictionaries and lists."""
        return {
            "value": self.value,
            "confidence": round(self.confidence, _DECIMALS),
            "decision": self.decision,
            "alternatives": [other.to_dict() for other in self.alternatives],
        }


@dataclass(frozen=True)
class PhotoTags:
    """The tags of one photo, or why it has none.

    Attributes:
        photo: Path or name.
        tags: By attribute; empty for a photo that couldn't be read.
        model: Name of the model.
        error: One line with the cure, or None.
        known_product: False if the photo shows no product of a kind that the model knows, in which
            case nothing is accepted; None if the model can't tell or there was an error.
        turned: By how many degrees the photo was turned clockwise to be upright before it was
            tagged: 0, 90, 180 or 270.
    """

    photo: str
    tags: dict[str, Tag]
    model: str
    error: str | None = None
    known_product: bool | None = None
    turned: int = 0

    def to_dict(self) -> dict[str, Any]:
        """As plain dictionaries and lists, ready for JSON; confidences with four decimals."""
        # dataclasses.asdict copies each value: a twentieth of all the time that a photo takes.
        return {
            "photo": self.photo,
            "tags": {name: tag.to_dict() for name, tag in self.tags.items()},
            "model": self.model,
            "error": self.error,
            "known_product": self.known_product,
            "turned": self.turned,
        }
