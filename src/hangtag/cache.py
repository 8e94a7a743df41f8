"""The folder of what was worked out once: decoded photos, groups of copies, what teachers said."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hangtag.errors import HangtagError

if TYPE_CHECKING:
    from hangtag.catalogue import Catalogue

_VERSION = 3
"""Raised when what is kept would be worked out differently now."""


def cache_folder() -> Path:
    """Where caches lie: ``$HANGTAG_CACHE``, or ``hangtag`` in the user's cache folder."""
    explicit = os.environ.get("HANGTAG_CACHE")
    if explicit:
        return Path(explicit)
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "hangtag"


def fingerprint(catalogue: "Catalogue", *parts: object) -> str:
    """A name that changes when the catalogue's file, its photos or ``parts`` do."""
    state = catalogue.source.stat()
    digest = hashlib.sha256()
    for part in (_VERSION, catalogue.source.resolve(), state.st_mtime_ns, state.st_size):
        digest.update(f"{part}\n".encode())
    for photo in catalogue.table["photo"]:
        digest.update(f"{photo}\n".encode())
    digest.update(repr(parts).encode())
    return digest.hexdigest()[:24]


@contextmanager
def kept(file: Path) -> Iterator[Path]:
    """Write a file beside its place and move it there when it's whole.

    So a killed run leaves no half, and two runs don't get in each other's way.

    Args:
        file: Its place, in the cache folder, which is made if it isn't there.

    Yields:
        The file to write, with the same suffix.

    Raises:
        HangtagError: It can't be written, e.g. because the disk is full.
    """
    unfinished = file.with_name(f"{file.stem}-{os.getpid()}.partial{file.suffix}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        yield unfinished
        unfinished.replace(file)
    except OSError as error:
        raise HangtagError(
            f"{file.parent}: can't write the cache ({error.strerror}); "
            "free some space or set HANGTAG_CACHE to another folder"
        ) from error
    finally:
        unfinished.unlink(missing_ok=True)
