"""Named bytes: the files of a folder or the members of a zip, read the same way."""

import os
import posixpath
import threading
import zipfile
import zlib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from hangtag.errors import HangtagError


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

    def read(self, name: str) -> bytes:
        """Read one file.

        Raises:
            HangtagError: It is missing or can't be read.
        """
        try:
            return (self.root / name).read_bytes()
        except OSError as error:
            raise HangtagError(f"{self.root / name}: {error.strerror or error}") from error


class Zip:
    """Members of a zip; safe to read from several threads and from forked processes."""

    def __init__(self, path: Path):
        self.path = path
        self._open()

    def _open(self) -> None:
        self._lock = threading.Lock()
        try:
            self._archive = zipfile.ZipFile(self.path)
        except (zipfile.BadZipFile, OSError) as error:
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
    def _names(self) -> dict[str, list[str]]:
        by_folder: dict[str, list[str]] = {}
        for name in self._archive.namelist():
            if not name.endswith("/") and not any(map(_hidden, name.split("/"))):
                by_folder.setdefault(posixpath.dirname(name), []).append(name)
        return by_folder

    def __contains__(self, name: str) -> bool:
        return not name.endswith("/") and name in self._archive.NameToInfo

    def walk(self) -> Iterator[str]:
        """Names of all members that are files, without hidden ones."""
        for names in self._names.values():
            yield from names

    def listing(self, folder: str) -> list[str]:
        """Names of the members directly in ``folder`` (``""``: the root)."""
        return self._names.get(folder, [])

    def read(self, name: str) -> bytes:
        """Read one member.

        Raises:
            HangtagError: It is missing, damaged or encrypted.
        """
        if self._process != os.getpid():
            # A forked process shares the parent's file position, so it opens its own.
            self._open()
        try:
            with self._lock:
                return self._archive.read(name)
        except KeyError as error:
            raise HangtagError(f"{self.path}/{name}: no such file in the zip") from error
        except (zipfile.BadZipFile, zlib.error, RuntimeError, OSError, EOFError) as error:
            raise HangtagError(f"{self.path}/{name}: can't be unpacked ({error})") from error


def open_store(path: Path) -> Folder | Zip:
    """Open a folder, a zip, or the folder that a single file lies in."""
    if path.is_dir():
        return Folder(path)
    if path.suffix.lower() == ".zip":
        return Zip(path)
    return Folder(path.parent)


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"
