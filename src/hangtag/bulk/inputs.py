"""What is to be tagged: files, folders, globs, zips, tables of paths or URLs, standard input.

Inputs are listed lazily and in a fixed order, so a million photos cost no more memory than ten.
The exceptions hold some hundred bytes a photo: a zip's table of contents, a table that names its
photos by the products' ids alone, and folders behind URLs.
"""

import glob
import hashlib
import io
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from threading import Event
from typing import BinaryIO, TextIO

from hangtag.bulk.listing import matches, walk
from hangtag.bulk.places import locate, place_of
from hangtag.bulk.remote import fetch, is_url, local_copy, walk_remote
from hangtag.bulk.tables import photo_cells
from hangtag.catalogue import PHOTO_SUFFIXES, read_catalogue
from hangtag.errors import HangtagError
from hangtag.photo import DEFAULT_LIMITS, PhotoError, printable
from hangtag.rows import TABLES
from hangtag.store import Folder, Zip, open_store

STDIN = "-"
LISTINGS = TABLES | {".txt"}
"""Endings of tables, and of text files with one path or URL a line."""

_NOT_READ = frozenset({".heic", ".heif"})
"""Endings of photos that Pillow can't read by itself."""


@dataclass(frozen=True, slots=True)
class Item:
    """One photo to tag.

    ``photo`` is what its row will be called (in tables: the cell as written, so that results can
    be joined to the table again); ``place`` is its path or URL, or its member name in the zip
    ``archive``; an item without a place is a row that names no photo, for the ``reason`` given.
    """

    photo: str
    place: str | None
    archive: str | None = None
    reason: str = ""

    def absolute(self) -> "Item":
        """The same photo for a process with another working directory."""
        if self.archive is not None:
            return replace(self, archive=str(Path(self.archive).absolute()))
        if self.place is None or is_url(self.place):
            return self
        return replace(self, place=str(Path(self.place).absolute()))

    def source(self, stop: Event | None = None) -> Path | bytes:
        """What `hangtag.photo.read_photo` is to read: a local path, or bytes fetched.

        Args:
            stop: See `hangtag.bulk.remote.fetch`.

        Raises:
            PhotoError: It can't be fetched or unpacked, or the row names no photo.
        """
        if self.place is None:
            raise PhotoError(self.reason)
        if self.archive is not None:
            try:
                return _archive(self.archive).read(self.place, DEFAULT_LIMITS.max_bytes)
            except HangtagError as error:
                raise PhotoError(str(error)) from error
        if is_url(self.place):
            return fetch(self.place, DEFAULT_LIMITS.max_bytes, stop)
        return locate(self.place)


@dataclass(frozen=True)
class Survey:
    """How many photos there are, a digest of their names in order, whether any is remote, and what
    the user should know: a line each."""

    total: int
    digest: str
    remote: bool
    notes: tuple[str, ...] = ()


class Inputs:
    """The photos that a command line names; iterating again lists them again.

    Args:
        sources: Paths of photos, folders (searched at any depth), zips, tables (CSV, TSV,
            Parquet, JSON Lines) or lists (.txt) of paths and URLs; glob patterns; URLs; ``-``
            for a list on standard input. Paths in tables and lists are relative to the file.
        photo_column: Column of tables that holds the photos; guessed from its name by default.
    """

    def __init__(self, sources: Sequence[str], photo_column: str | None = None):
        self._sources = list(sources)
        self._photo_column = photo_column
        self._stdin = _spool(sys.stdin.buffer) if STDIN in sources else None
        self._left_out = 0
        self._has_tables = False

    def __iter__(self) -> Iterator[Item]:
        for source in self._sources:
            yield from self._of(source)

    def survey(self) -> Survey:
        """List all inputs once, to know how many they are and to recognise them later.

        Raises:
            HangtagError: There are none, a source doesn't exist, or a table can't be read.
        """
        digest = hashlib.blake2b(digest_size=16)
        total, remote = 0, False
        self._left_out = 0
        self._has_tables = False
        for item in self:
            total += 1
            remote = remote or (item.place is not None and is_url(item.place))
            digest.update(f"{item.archive}\0{item.place}\0{item.photo}\n".encode(errors="replace"))
        notes = []
        if self._left_out:
            notes.append(
                f"{self._left_out:,} photos left out that end in {' or '.join(sorted(_NOT_READ))}; "
                "save them as JPEG"
            )
        if self._photo_column is not None and not self._has_tables:
            notes.append(f"photo column {self._photo_column!r} not used: there is no table")
        if not total:
            reasons = "; ".join(["no photos there", *notes, "check the path"])
            raise HangtagError(f"{', '.join(self._sources)}: {reasons}")
        return Survey(total, digest.hexdigest(), remote, tuple(notes))

    def _takes(self, name: str) -> bool:
        """Whether a file found in a folder or a zip is a photo that can be read."""
        suffix = PurePosixPath(name).suffix.lower()
        self._left_out += suffix in _NOT_READ
        return suffix in PHOTO_SUFFIXES

    def include(self, file: Path) -> bool:
        """Whether a file is one of the sources, itself or through a link or a glob."""
        if not file.exists():
            return False
        for source in self._sources:
            if source == STDIN or is_url(source):
                continue
            is_glob = not _exists(source) and glob.has_magic(source)
            for path in map(Path, matches(source) if is_glob else [source]):
                if path.exists() and path.samefile(file):
                    return True
        return False

    def _of(self, source: str) -> Iterator[Item]:
        if source == STDIN and self._stdin is not None:
            self._stdin.seek(0)
            return _from_lines(self._stdin, ".")
        if is_url(source):
            return self._from_url(source)
        if not _exists(source):
            if glob.has_magic(source):
                return self._from_glob(source)
            raise HangtagError(f"{source}: no such file or folder; check the path")
        return self._from_path(source)

    def _from_path(self, source: str) -> Iterator[Item]:
        path = Path(source)
        if path.is_dir():
            return self._from_folder(path)
        if path.suffix.lower() == ".zip":
            return self._from_zip(path)
        if path.suffix.lower() in LISTINGS:
            return self._listed_in(path, str(path.parent))
        return iter([Item(source, source)])

    def _listed_in(self, path: Path, base: str) -> Iterator[Item]:
        if path.suffix.lower() in TABLES:
            self._has_tables = True
            return _from_table(path, self._photo_column, base)
        return _from_list(path, base)

    def _from_url(self, url: str) -> Iterator[Item]:
        if PurePosixPath(url).suffix.lower() not in LISTINGS:
            return (Item(photo, photo) for photo in walk_remote(url, self._takes))
        return self._listed_in(local_copy(url), url.rpartition("/")[0])

    def _from_glob(self, pattern: str) -> Iterator[Item]:
        match = None
        for match in matches(pattern, self._takes):
            yield from self._from_path(match)
        if match is None:
            raise HangtagError(f"{pattern}: matches no file; check the pattern")

    def _from_folder(self, path: Path) -> Iterator[Item]:
        for name in walk(path):
            place = str(path / name)
            if name.endswith("/"):
                reason = f"{printable(place)}: can't be listed; check the folder's rights"
                yield Item(place, None, reason=reason)
            elif self._takes(name):
                yield Item(place, place)

    def _from_zip(self, path: Path) -> Iterator[Item]:
        for member in _archive(str(path)).walk():
            if self._takes(member):
                yield Item(f"{path}/{member}", member, str(path))


def _exists(source: str) -> bool:
    try:
        return Path(source).exists()
    except OSError as error:
        raise HangtagError(
            f"{source}: can't be read ({error.strerror}); check its rights"
        ) from error


def _spool(lines: BinaryIO) -> TextIO:
    # Kept in a file because inputs are listed twice, and may be many.
    file = tempfile.TemporaryFile("w+b")  # noqa: SIM115
    shutil.copyfileobj(lines, file)
    file.seek(0)
    # Names on disk may hold bytes that are no text.
    return io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape")


def _archive(path: str) -> Folder | Zip:
    try:
        found = Path(path).stat()
    except OSError as error:
        raise HangtagError(f"{path}: can't be read ({error.strerror}); check the path") from error
    return _opened(path, (found.st_ino, found.st_mtime_ns, found.st_size))


@lru_cache(maxsize=8)
def _opened(path: str, _version: tuple[int, int, int]) -> Folder | Zip:
    return open_store(Path(path))


def _from_list(path: Path, base: str) -> Iterator[Item]:
    try:
        lines = path.open(encoding="utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise HangtagError(
            f"{path}: can't be read ({error.strerror}); check the file's rights"
        ) from error
    with lines:
        yield from _from_lines(lines, base)


def _from_lines(lines: Iterable[str], base: str) -> Iterator[Item]:
    for line in lines:
        if cell := line.strip():
            yield Item(cell, place_of(cell, base))


def _from_table(path: Path, photo_column: str | None, base: str) -> Iterator[Item]:
    cells = photo_cells(path, photo_column)
    if cells is None:
        yield from _from_catalogue(path, base)
        return
    for row, cell in enumerate(cells, start=1):
        if cell:
            yield Item(cell, place_of(cell, base))
        else:
            reason = f"{path}: row {row} names no photo; complete the row or leave it out"
            yield Item("", None, reason=reason)


def _from_catalogue(path: Path, base: str) -> Iterator[Item]:
    """A table without a column of photos: found by the products' ids."""
    catalogue = read_catalogue(path)
    for product, photo in catalogue.table.select("id", "photo").iter_rows():
        if photo is None:
            reason = f"{path}: no photo of product {product}; add it or leave the row out"
            yield Item(product, None, reason=reason)
        else:
            yield Item(photo, place_of(photo, base))
