"""Small reviews for the tests of the app, without a model."""

from pathlib import Path

from hangtag.app.review import Review, ReviewedPhoto, ReviewedTag
from hangtag.attributes import Attribute, Taxonomy
from hangtag.tags import Alternative, Tag

ATTRIBUTES = [
    Attribute("articleType", ("Tshirts", "Shirts", "Heels")),
    Attribute("subCategory", ("Topwear", "Shoes")),
    Attribute("baseColour", ("Blue", "Navy Blue", "Red")),
]
TAXONOMY = Taxonomy(
    {
        "articleType": {
            "Tshirts": {"subCategory": "Topwear"},
            "Shirts": {"subCategory": "Topwear"},
            "Heels": {"subCategory": "Shoes"},
        }
    }
)


def tag(value: str, confidence: float, decision: str = "accept", **others: float) -> ReviewedTag:
    alternatives = [Alternative(name, share) for name, share in others.items()]
    return ReviewedTag(Tag(value, confidence, decision, alternatives), value)  # type: ignore[arg-type]


def sure(key: str = "sure", name: str = "sure.jpg", path: Path | None = None) -> ReviewedPhoto:
    tags = {
        "articleType": tag("Tshirts", 0.98, Shirts=0.02),
        "subCategory": tag("Topwear", 0.99),
        "baseColour": tag("Blue", 0.97),
    }
    return ReviewedPhoto(key, name, path, b"", tags, "tiny", known_product=True)


def doubtful(key: str = "doubtful", path: Path | None = None) -> ReviewedPhoto:
    tags = {
        "articleType": tag("Tshirts", 0.98),
        "subCategory": tag("Topwear", 0.99),
        "baseColour": tag("Navy Blue", 0.55, "review", Blue=0.4, Red=0.05),
    }
    return ReviewedPhoto(key, f"{key}.jpg", path, b"", tags, "tiny", known_product=True)


def broken() -> ReviewedPhoto:
    return ReviewedPhoto("broken", "broken.jpg", error="broken.jpg: no photo; leave it out")


def review(*photos: ReviewedPhoto) -> Review:
    made = Review(ATTRIBUTES, TAXONOMY)
    for photo in photos:
        made.add(photo)
    return made
