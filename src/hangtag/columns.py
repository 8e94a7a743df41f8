"""What a table's columns are for, told by their names."""

import re
from collections.abc import Collection, Sequence

# Compared in lower case and without blanks and punctuation; best guess first.
IDS = ("id", "productid", "itemid", "sku")
PHOTOS = (
    *("photo", "photopath", "photofile", "image", "imagepath", "imagefile", "imagename"),
    *("filename", "filepath", "file", "path", "img", "imgpath", "picture", "photourl", "imageurl"),
)
NAMES = ("productdisplayname", "productname", "name", "title")
YEARS = ("year",)
_NO_ATTRIBUTES = frozenset({*IDS, *PHOTOS, *NAMES, *YEARS, "", "unnamed0"})
"""The last two are what pandas' nameless index is called in files."""


def pick(header: Sequence[str], names: Sequence[str]) -> str | None:
    """The column that has one of these names, as it is written in the header."""
    by_plain = {_plain(column): column for column in reversed(header)}
    return next((by_plain[name] for name in names if name in by_plain), None)


def attribute_columns(header: Sequence[str], keys: Collection[str]) -> list[str]:
    """Every column that isn't one of ``keys``, an id, a photo, a name or a year."""
    return [name for name in header if name not in keys and _plain(name) not in _NO_ATTRIBUTES]


def _plain(column: str) -> str:
    return re.sub(r"[\W_]", "", column.lower())
