"""Where the cells of tables and lists point to."""

import os
import posixpath
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path

from hangtag.bulk.remote import is_url
from hangtag.catalogue import PHOTO_SUFFIXES, PUBLIC_PHOTOS


def place_of(cell: str, base: str) -> str:
    """Path or URL of a cell of a table in the folder or URL ``base``."""
    if is_url(cell) or Path(cell).is_absolute():
        return cell
    return f"{base}/{cell}" if is_url(base) else str(Path(base) / cell)


def locate(place: str) -> Path:
    r"""The file at a path, found as `hangtag.catalogue.read_catalogue` finds a table's photos.

    Where there is none: with ``\`` as ``/``, in ``images`` beside it, or with an ending.
    """
    # No listing of the folder is held: it may have millions of names.
    for candidate in chain([place], _others(place)):
        if os.path.isfile(candidate):  # noqa: PTH113  Path.is_file raises on folders without rights
            return Path(candidate)
    return Path(place)


def _others(place: str) -> Iterator[str]:
    folder, name = posixpath.split(place.replace("\\", "/"))
    yield posixpath.join(folder, name)
    for inside in (posixpath.join(folder, PUBLIC_PHOTOS), folder):
        yield posixpath.join(inside, name)
        for suffix in sorted(PHOTO_SUFFIXES):
            yield posixpath.join(inside, name + suffix)
            yield posixpath.join(inside, name + suffix.upper())
    with suppress(UnicodeEncodeError):  # a table in Windows-1252, and names on disk, too
        yield posixpath.join(folder, os.fsdecode(name.encode("cp1252")))
