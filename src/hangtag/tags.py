"""The one result: the tags of a photo, the same in Python, JSON, tables, API and app."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Decision = Literal["accept", "review"]


@dataclass(frozen=True)
class Alternative:
    """A value that the photo might have instead."""

    value: str
    confidence: float


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
    """

    photo: str
    tags: dict[str, Tag]
    model: str
    error: str | None = None
    known_product: bool | None = None

    def to_dict(self) -> dict[str, Any]:
        """As plain dictionaries and lists, ready for JSON; confidences with four decimals."""
        result = asdict(self)
        for tag in result["tags"].values():
            tag["confidence"] = round(tag["confidence"], 4)
            for alternative in tag["alternatives"]:
                alternative["confidence"] = round(alternative["confidence"], 4)
        return result
