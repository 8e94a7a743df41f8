"""The folder of what was worked out once: decoded photos, groups of copies, what teachers said."""

import errno
import hashlib
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hangtag.errors import HangtagError
from hangtag.store import Folder, open_store

if TYPE_CHECKING:
    from hangtag.catalogue import Catalogue

_VERSION = 3
"""Raised when what is kept would be worked out differently now."""

_HERE = f"-{socket.gethostname()}-"
"""In the names of unfinished files, before a process's number, which is of its machine alone."""


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
    store = open_store(catalogue.source)
    for photo in catalogue.table["photo"]:
        digest.update(f"{photo}\n".encode())
        if isinstance(store, Folder) and photo is not None:
            digest.update(f"{_state(store.root / photo)}\n".encode())
    digest.update(repr(parts).encode())
    return digest.hexdigest()[:24]


def _state(file: Path) -> tuple[int, int] | None:
    """What changes when a file is overwritten: time and size; None if there is none."""
    try:
        state = file.stat()
    except OSError:
        return None
    return state.st_mtime_ns, state.st_size


def new_array(file: Path, shape: tuple[int, ...], dtype: type[np.generic]) -> np.memmap[Any, Any]:
    """A memory-mapped array in a new file, for which there is room on the disk.

    Raises:
        OSError: There isn't.
    """
    array = np.lib.format.open_memmap(file, mode="w+", dtype=dtype, shape=shape)
    if hasattr(os, "posix_fallocate"):
        # Writing to pages that turn out to have no room would end the process.
        with file.open("r+b") as opened:
            try:
                os.posix_fallocate(opened.fileno(), 0, file.stat().st_size)
            except OSError as error:
                if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                    raise
    return array


@contextmanager
def kept(file: Path) -> Iterator[Path]:
    """Write a file beside its place and move it there when it's whole.

    So a killed run leaves no half, and two runs don't get in each other's way. What killed runs of
    this machine left unfinished is removed.

    Args:
        file: Its place, in the cache folder, which is made if it isn't there.

    Yields:
        The file to write, with the same suffix.

    Raises:
        HangtagError: It can't be written, e.g. because the disk is full.
    """
    unfinished = file.with_name(f"{file.stem}{_HERE}{os.getpid()}.partial{file.suffix}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        _remove_unfinished(file.parent)
        yield unfinished
        unfinished.replace(file)
    except OSError as error:
        raise HangtagError(
            f"{file.parent}: can't write the cache ({error.strerror}); "
            "free some space or set HANGTAG_CACHE to another folder"
        ) from error
    finally:
        unfinished.unlink(missing_ok=True)


def _remove_unfinished(folder: Path) -> None:
    """Remove unfinished files of this machine's processes that are no more."""
    if os.name != "posix":  # elsewhere there is no asking for a process without ending it
        return
    for file in folder.glob(f"*{_HERE}*.partial*"):
        number = re.search(rf"{re.escape(_HERE)}(\d+)\.partial", file.name)
        if number and not _is_alive(int(number[1])):
            file.unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
