"""Named bytes: the files of a folder or the members of a zip, read the same way."""

import os
import posixpath
import threading
import zipfile
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from hangtag.errors import HangtagError

_BOUNDED = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
"""Ways of packing that zipfile unpacks a given number of bytes of at a time."""

_PIECE = 2**16
_SMALL_PIECE = 2**12
"""Bytes of a member that are unpacked at a time; with the other ways, packed bytes."""


class Folder:
    """Files below a folder; names are POSIX paths relative to it (absolute ones are kept)."""

    def __init__(self, root: Path):
        self.root = root

    def __contains__(self, name: str) -> bool:
        return (self.root / name).is_file()

    def walk(self) -> Iterator[str]:
        """Names of all files, at any depth, without hidden ones."""
        for folder, folders, files in os.walk(self.root, followlinks=False):
            folders[:] = sorted(name for name in folders if not _hidden(name))
            inside = Path(folder).relative_to(self.root).as_posix()
            for name in sorted(files):
                if not _hidden(name):
                    yield posixpath.normpath(posixpath.join(inside, name))

    def listing(self, folder: str) -> list[str]:
        """Names of the files directly in ``folder`` (``""``: the root)."""
        path = self.root / folder
        if not path.is_dir():
            return []
        with os.scandir(path) as entries:
            names = sorted(entry.name for entry in entries if entry.is_file())
        return [posixpath.join(folder, name) for name in names if not _hidden(name)]

    def read(self, name: str, max_bytes: int | None = None) -> bytes:
        """Read one file.

        Raises:
            HangtagError: It is missing, larger than ``max_bytes`` or can't be read.
        """
        path = self.root / name
        try:
            if max_bytes is not None and (size := path.stat().st_size) > max_bytes:
                raise _too_large(path, size, max_bytes)
            return path.read_bytes()
        except OSError as error:
            raise HangtagError(f"{path}: {error.strerror or error}") from error


class Zip:
    """Members of a zip; safe to read from several threads and from forked processes."""

    def __init__(self, path: Path):
        self.path = path
        self._open()

    def _open(self) -> None:
        self._lock = threading.Lock()
        try:
            self._archive = zipfile.ZipFile(self.path)
        except Exception as error:
            # Damaged tables of contents raise nearly anything: BadZipFile, UnicodeDecodeError, …
            raise HangtagError(
                f"{self.path}: not a complete zip ({error}); download or copy it again"
            ) from error
        self._process = os.getpid()

    def __getstate__(self) -> dict[str, Path]:
        return {"path": self.path}

    def __setstate__(self, state: dict[str, Path]) -> None:
        self.path = state["path"]
        self._open()

    @cached_property
    def _renamed(self) -> dict[str, str]:
        """Members as they are written, by plain names, where these differ: ``./a.jpg``."""
        names = self._archive.namelist()
        return {plain: name for name in names if (plain := _plain(name)) != name}

    @cached_property
    def _names(self) -> dict[str, list[str]]:
        by_folder: dict[str, list[str]] = {}
        for name in map(_plain, self._archive.namelist()):
            if not name.endswith("/") and not any(map(_hidden, name.split("/"))):
                by_folder.setdefault(posixpath.dirname(name), []).append(name)
        return by_folder

    def __contains__(self, name: str) -> bool:
        known = name in self._archive.NameToInfo or name in self._renamed
        return known and not name.endswith("/")

    def walk(self) -> Iterator[str]:
        """Names of all members that are files, without hidden ones."""
        for names in self._names.values():
            yield from names

    def listing(self, folder: str) -> list[str]:
        """Names of the members directly in ``folder`` (``""``: the root)."""
        return self._names.get(folder, [])

    def read(self, name: str, max_bytes: int | None = None) -> bytes:
        """Read one member.

        Raises:
            HangtagError: It is missing, damaged, encrypted or larger than ``max_bytes`` when
                unpacked.
        """
        if self._process != os.getpid():
            # A forked process shares the parent's file position, so it opens its own.
            self._open()
        called = f"{self.path}/{name}"
        try:
            with self._lock:
                member = self._archive.getinfo(self._renamed.get(name, name))
                if max_bytes is None:
                    return self._archive.read(member)
                if member.file_size > max_bytes:
                    raise _too_large(called, member.file_size, max_bytes)
                return self._unpack(member)
        except HangtagError:
            raise
        except KeyError as error:
            raise HangtagError(f"{called}: no such file in the zip; check the name") from error
        except Exception as error:
            # Each way of packing has exceptions of its own, LZMA's for one.
            raise HangtagError(
                f"{called}: can't be unpacked ({error}); pack it again or leave it out"
            ) from error

    def _unpack(self, member: zipfile.ZipInfo) -> bytes:
        """Unpack little by little: what a header says of a size may be a lie, and zipfile keeps to
        it only after it has unpacked a piece as a whole."""
        data = bytearray()
        piece = _PIECE if member.compress_type in _BOUNDED else _SMALL_PIECE
        with self._archive.open(member) as file:
            while block := file.read(piece):
                data += block
        return bytes(data)


def open_store(path: Path) -> Folder | Zip:
    """Open a folder, a zip, or the folder that a single file lies in."""
    if path.is_dir():
        return Folder(path)
    if path.suffix.lower() == ".zip":
        return Zip(path)
    return Folder(path.parent)


def _plain(name: str) -> str:
    """A member's name without steps that lead nowhere; a folder keeps its last slash."""
    return posixpath.normpath(name) if name.startswith("./") and name[-1] != "/" else name


def _too_large(called: Path | str, size: int, max_bytes: int) -> HangtagError:
    return HangtagError(
        f"{called}: {size:,} bytes are more than the {max_bytes:,} allowed; make it smaller"
    )


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"
