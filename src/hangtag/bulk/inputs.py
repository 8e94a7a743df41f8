"""What is to be tagged: files, folders, globs, zips, tables of paths or URLs, standard input.

Inputs are listed lazily and in a fixed order, so a million photos cost no more memory than ten.
"""

import csv
import glob
import hashlib
import json
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import TextIO

from hangtag.bulk.remote import fetch, is_url, walk_remote
from hangtag.catalogue import PHOTO_SUFFIXES, read_catalogue
from hangtag.columns import PHOTOS, pick
from hangtag.errors import HangtagError
from hangtag.photo import DEFAULT_LIMITS, PhotoError
from hangtag.rows import TABLES
from hangtag.store import Folder, Zip, open_store

STDIN = "-"
LIST_SUFFIX = ".txt"
"""A text file with one path or URL a line."""


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

    def source(self) -> Path | bytes:
        """What `hangtag.photo.read_photo` is to read: a local path, or bytes fetched.

        Raises:
            PhotoError: It can't be fetched or unpacked, or the row names no photo.
        """
        if self.place is None:
            raise PhotoError(self.reason)
        if self.archive is not None:
            try:
                return _archive(self.archive).read(self.place)
            except HangtagError as error:
                raise PhotoError(f"{error}; pack it again or leave it out") from error
        if is_url(self.place):
            return fetch(self.place, DEFAULT_LIMITS.max_bytes)
        return Path(self.place)


@dataclass(frozen=True)
class Survey:
    """How many photos there are, a digest of their names in order, and whether any is remote."""

    total: int
    digest: str
    remote: bool


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
        self._stdin = _spool(sys.stdin) if STDIN in sources else None

    def __iter__(self) -> Iterator[Item]:
        for source in self._sources:
            yield from self._of(source)

    def survey(self) -> Survey:
        """List all inputs once, to know how many they are and to recognise them later.

        Raises:
            HangtagError: There are none, or a table can't be read.
        """
        digest = hashlib.blake2b(digest_size=16)
        total, remote = 0, False
        for item in self:
            total += 1
            remote = remote or (item.place is not None and is_url(item.place))
            digest.update(f"{item.archive}\0{item.place}\0{item.photo}\n".encode(errors="replace"))
        if not total:
            raise HangtagError(f"{', '.join(self._sources)}: no photos there; check the path")
        return Survey(total, digest.hexdigest(), remote)

    def _of(self, source: str) -> Iterator[Item]:
        if source == STDIN and self._stdin is not None:
            self._stdin.seek(0)
            return _from_lines(self._stdin, Path())
        if is_url(source):
            return (Item(url, url) for url in walk_remote(source, PHOTO_SUFFIXES))
        path = Path(source)
        suffix = path.suffix.lower()
        if path.is_dir():
            return _from_folder(path)
        if not path.exists() and glob.has_magic(source):
            return self._from_glob(source)
        if suffix == ".zip" and path.exists():
            return _from_zip(path)
        if suffix in TABLES and path.exists():
            return _from_table(path, self._photo_column)
        if suffix == LIST_SUFFIX and path.exists():
            return _from_list(path)
        return iter([Item(source, source)])

    def _from_glob(self, pattern: str) -> Iterator[Item]:
        matches = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207  also absolute ones
        if not matches:
            raise HangtagError(f"{pattern}: matches no file; check the pattern")
        for match in matches:
            yield from self._of(match)


def _spool(lines: TextIO) -> TextIO:
    # Kept in a file because inputs are listed twice, and may be many.
    file = tempfile.TemporaryFile("w+", encoding="utf-8", errors="surrogateescape")  # noqa: SIM115
    file.writelines(lines)
    return file


def _is_photo(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in PHOTO_SUFFIXES


def _from_folder(path: Path) -> Iterator[Item]:
    for name in Folder(path).walk():
        if _is_photo(name):
            yield Item(str(path / name), str(path / name))


@lru_cache(maxsize=8)
def _archive(path: str) -> Folder | Zip:
    return open_store(Path(path))


def _from_zip(path: Path) -> Iterator[Item]:
    for member in _archive(str(path)).walk():
        if _is_photo(member):
            yield Item(f"{path}/{member}", member, str(path))


def _from_list(path: Path) -> Iterator[Item]:
    with path.open(encoding="utf-8-sig", errors="surrogateescape") as lines:
        yield from _from_lines(lines, path.parent)


def _from_lines(lines: Iterable[str], folder: Path) -> Iterator[Item]:
    for line in lines:
        if cell := line.strip():
            yield Item(cell, _place(cell, folder))


def _place(cell: str, folder: Path) -> str:
    return cell if is_url(cell) else str(folder / cell)


def _from_table(path: Path, photo_column: str | None) -> Iterator[Item]:
    read = {".parquet": _parquet_cells, ".jsonl": _json_cells, ".ndjson": _json_cells}
    cells = read.get(path.suffix.lower(), _delimited_cells)(path, photo_column)
    if cells is None:
        yield from _from_catalogue(path)
        return
    for row, cell in enumerate(cells, start=1):
        if cell:
            yield Item(cell, _place(cell, path.parent))
        else:
            reason = f"{path}: row {row} names no photo; complete the row or leave it out"
            yield Item("", None, reason=reason)


def _from_catalogue(path: Path) -> Iterator[Item]:
    """A table without a column of photos: found by the products' ids."""
    catalogue = read_catalogue(path)
    for product, photo in catalogue.table.select("id", "photo").iter_rows():
        if photo is None:
            reason = f"{path}: no photo of product {product}; add it or leave the row out"
            yield Item(product, None, reason=reason)
        else:
            yield Item(photo, str(path.parent / photo))


def _choose(header: Sequence[str], photo_column: str | None, path: Path) -> str | None:
    if photo_column is not None and photo_column not in header:
        raise HangtagError(f"{path}: no column {photo_column!r}; there are {', '.join(header)}")
    return photo_column or pick(list(header), PHOTOS)


def _delimited_cells(path: Path, photo_column: str | None) -> Iterator[str | None] | None:
    with path.open("rb") as file:
        wide = file.read(2) in (b"\xff\xfe", b"\xfe\xff")
    encoding = "utf-16" if wide else "utf-8-sig"
    lines = path.open(encoding=encoding, errors="surrogateescape", newline="")
    delimiter = max(",\t;", key=lines.readline().count)
    lines.seek(0)
    reader = csv.reader(lines, delimiter=delimiter)
    header = [name.strip() for name in next(reader, [])]
    column = _choose(header, photo_column, path)
    if column is None:
        lines.close()
        return None

    def cells() -> Iterator[str | None]:
        position = header.index(column)
        with lines:
            for record in reader:
                if record:
                    yield record[position].strip() if position < len(record) else None

    return cells()


def _json_cells(path: Path, photo_column: str | None) -> Iterator[str | None] | None:
    lines = path.open(encoding="utf-8-sig", errors="surrogateescape")

    def rows() -> Iterator[dict[str, object]]:
        with lines:
            for line in lines:
                if line.strip():
                    try:
                        value = json.loads(line)
                    except ValueError:
                        value = None
                    yield value if isinstance(value, dict) else {}

    every = rows()
    first = next(every, {})
    column = _choose(list(first), photo_column, path)
    if column is None:
        lines.close()
        return None

    return (_text(row.get(column)) for row in chain([first], every))


def _text(value: object) -> str | None:
    return None if value is None else str(value).strip()


def _parquet_cells(path: Path, photo_column: str | None) -> Iterator[str | None] | None:
    import polars

    try:
        table = polars.scan_parquet(path)
        column = _choose(table.collect_schema().names(), photo_column, path)
        if column is None:
            return None
        cells = table.select(polars.col(column).cast(polars.String)).collect()[column]
    except (polars.exceptions.PolarsError, OSError) as error:
        raise HangtagError(
            f"{path}: not a Parquet file that can be read; write it again"
        ) from error
    return (_text(cell) for cell in cells)
