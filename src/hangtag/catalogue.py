"""Product catalogues: a table and its photos, read from wherever they are, with what is wrong.

Read are: the public *Fashion Product Images* dataset as Kaggle ships it (the zip or the unpacked
folder), any CSV, TSV, Parquet or JSON Lines table with a column of photos, a zip or a folder that
holds one such table, and a folder or a zip of photos alone.
"""

import os
import posixpath
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from hangtag.attributes import MISSING
from hangtag.columns import IDS, NAMES, PHOTOS, YEARS, attribute_columns, pick
from hangtag.errors import HangtagError
from hangtag.photo import DEFAULT_LIMITS, PhotoError, read_photo
from hangtag.rows import TABLES, Problem, Rows, read_rows
from hangtag.store import Folder, Zip, open_store

if TYPE_CHECKING:
    import polars

PHOTO_SUFFIXES = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".jif", ".jfif"),
        *(".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif"),
    }
)
"""Endings of the files that are taken for photos when a folder or a zip is searched."""

PUBLIC_TABLE = "styles.csv"
"""The public dataset's table."""

PUBLIC_PHOTOS = "images"
"""Folder beside the table that holds the public dataset's photos, each named by its product."""

_COUNTED = {
    "repaired-row": ("row repaired", "rows repaired"),
    "malformed-row": ("malformed row left out", "malformed rows left out"),
    "duplicate-id": ("duplicate left out", "duplicates left out"),
    "foreign-id": ("row of another product left out", "rows of other products left out"),
    "missing-photo": ("photo missing", "photos missing"),
    "unreadable-photo": ("photo unreadable", "photos unreadable"),
}


class OtherProductsError(HangtagError):
    """A table that names none of a catalogue's products."""


@dataclass
class Catalogue:
    """Products, their photos and labels.

    ``table`` has one row per product: ``id`` (String, unique), ``photo`` (String, for
    `photo_bytes`; null where there is none), ``name`` (String or null), ``year`` (Int64 or null),
    then a String column for each of ``attributes``, null where a label is missing.
    """

    table: "polars.DataFrame"
    source: Path
    problems: list[Problem] = field(default_factory=list)
    attributes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return self.table.height

    @cached_property
    def _store(self) -> Folder | Zip:
        return open_store(self.source)

    def photo_bytes(self, photo: str) -> bytes:
        """Read the file of a photo; may be called from several threads and forked processes.

        Args:
            photo: A cell of the column ``photo``.

        Raises:
            HangtagError: The photo is missing, larger than `hangtag.photo.DEFAULT_LIMITS` allow or
                can't be read.
        """
        return self._store.read(photo, DEFAULT_LIMITS.max_bytes)

    def labels(self, attribute: str) -> list[str | None]:
        """The labels of one attribute, row by row; None where missing.

        Raises:
            HangtagError: The catalogue has no such attribute.
        """
        if attribute not in self.attributes:
            raise HangtagError(
                f"{self.source}: no attribute {attribute!r}; there are {_listed(self.attributes)}"
            )
        return self.table[attribute].to_list()

    def with_columns_from(self, path: str | Path) -> "Catalogue":
        """Add the attributes of another table that describes the same products by their ids.

        Rows without an id, with one that an earlier row has, or with one that the catalogue doesn't
        have, are left out and listed in ``problems``.

        Raises:
            OtherProductsError: The table names none of these products.
            HangtagError: It can't be read, has no ids, or an attribute that is here already.
        """
        import polars

        path = Path(path)
        _require_file(path)
        rows = read_rows(path.read_bytes(), str(path))
        id_column = pick(rows.header, IDS)
        if id_column is None:
            raise HangtagError(f"{path}: no id column to join by; there are {_listed(rows.header)}")
        ids = rows.column(id_column)
        if not self.table["id"].is_in(ids).any():
            raise OtherProductsError(
                f"{path}: none of its ids is in {self.source}; is it the right one?"
            )
        attributes = attribute_columns(rows.header, {id_column})
        doubled = [name for name in attributes if name in self.attributes]
        if doubled:
            raise HangtagError(
                f"{path}: {_listed(doubled)} in {self.source} already; rename or remove the column"
            )
        columns = {name: _labels(rows.column(name)) for name in attributes}
        other = polars.DataFrame(
            {"id": ids, **columns},
            schema=dict.fromkeys(["id", *attributes], polars.String),
        ).unique("id", keep="first", maintain_order=True)
        return replace(
            self,
            table=self.table.join(other, on="id", how="left", maintain_order="left"),
            problems=[*self.problems, *rows.problems, *self._strangers(ids, rows, str(path))],
            attributes=[*self.attributes, *attributes],
        )

    def _strangers(self, ids: Sequence[str | None], rows: Rows, file: str) -> Iterator[Problem]:
        """What is wrong with the ids of a further table."""
        own = set(self.table["id"])
        first_line: dict[str, int] = {}
        for product, line in zip(ids, rows.lines, strict=True):
            if not product:
                yield Problem("malformed-row", file, line, None, "no id; the row is left out")
            elif product in first_line:
                message = f"id {product} is in line {first_line[product]} already; left out"
                yield Problem("duplicate-id", file, line, None, message)
            else:
                first_line[product] = line
                if product not in own:
                    message = f"the catalogue has no product {product}; the row is left out"
                    yield Problem("foreign-id", file, line, None, message)

    def summary(self) -> str:
        """One line: how many products and photos, and how many problems of each kind."""
        photos = self.table.height - self.table["photo"].null_count()
        products = "product" if len(self) == 1 else "products"
        counts = Counter(problem.kind for problem in self.problems)
        parts = [
            f"{counts[kind]:,} {words[counts[kind] > 1]}"
            for kind, words in _COUNTED.items()
            if counts[kind]
        ]
        line = f"{len(self):,} {products}, {photos:,} with photos"
        return f"{line}; {', '.join(parts)}" if parts else line


def read_catalogue(
    path: str | Path,
    *,
    photo_column: str | None = None,
    columns: str | Path | None = None,
    check_photos: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Catalogue:
    """Read a catalogue.

    Rows with surplus fields are repaired, rows that can't be read and repeated ids are left out,
    and products whose photo is missing stay, without a photo; each is listed in ``problems``.

    Args:
        path: A zip, a folder or a table; see the module's text.
        photo_column: Column that names the photos, relative to the table's folder; guessed from
            its name by default. Without such a column, photos are found by the product's id.
        columns: A table of further attributes, for `Catalogue.with_columns_from`.
        check_photos: Also decode every photo, and treat unreadable ones like missing ones.
        progress: Called with the numbers of photos checked so far and in all.

    Raises:
        HangtagError: There is no such file, no table or photos in it, or no column of photos.
    """
    path = Path(path)
    _require_file(path)
    store = open_store(path)
    if path.is_dir() or isinstance(store, Zip):
        table = _find_table(store, path)
        where = f"{path}/{table}"
    else:
        table, where = path.name, str(path)
    if table is None:
        catalogue = _photos_alone(store, path)
    else:
        rows = read_rows(store.read(table), where)
        found = _Photos(store, posixpath.dirname(table))
        catalogue = _from_rows(rows, where, path, found, photo_column)
    if not len(catalogue):
        raise HangtagError(f"{where}: no products in it; a header and at least one row are needed")
    if columns is not None:
        catalogue = catalogue.with_columns_from(columns)
    return _checked(catalogue, progress) if check_photos else catalogue


def _require_file(path: Path) -> None:
    if not path.exists():
        raise HangtagError(f"{path}: no such file or folder; check the path")


def _find_table(store: Folder | Zip, path: Path) -> str | None:
    """The public dataset's table or the only table; of several copies the least deep one."""
    tables = [name for name in store.walk() if PurePosixPath(name).suffix.lower() in TABLES]
    public = [name for name in tables if posixpath.basename(name) == PUBLIC_TABLE]
    candidates = public or tables
    if not candidates:
        return None
    depth = min(name.count("/") for name in candidates)
    shallowest = sorted(name for name in candidates if name.count("/") == depth)
    if len(shallowest) > 1:
        raise HangtagError(f"{path}: several tables, {_listed(shallowest)}; give the path of one")
    return shallowest[0]


class _Photos:
    """Finds a table's photos by path, by name or by stem, in its folder and in ``images``."""

    def __init__(self, store: Folder | Zip, folder: str):
        self._store = store
        self._folder = folder

    @cached_property
    def _by_name(self) -> dict[str, str]:
        names: dict[str, str] = {}
        for folder in (posixpath.join(self._folder, PUBLIC_PHOTOS), self._folder):
            for name in self._store.listing(folder):
                if _is_photo(name):
                    names.setdefault(posixpath.basename(name), name)
                    names.setdefault(PurePosixPath(name).stem, name)
        return names

    def by_path(self, cell: str) -> str | None:
        """Find the photo of a cell like ``images/1.jpg``, ``1.jpg`` or ``1``."""
        cell = cell.replace("\\", "/")
        name = posixpath.normpath(posixpath.join(self._folder, cell))
        return name if name in self._store else self.by_name(cell)

    def by_name(self, name: str) -> str | None:
        """Find the photo with this file name, with or without its ending."""
        return self._by_name.get(name)


def _from_rows(
    rows: Rows, file: str, source: Path, found: _Photos, photo_column: str | None
) -> Catalogue:
    import polars

    if photo_column is not None and photo_column not in rows.header:
        raise HangtagError(f"{file}: no column {photo_column!r}; there are {_listed(rows.header)}")
    photo_column = photo_column or pick(rows.header, PHOTOS)
    id_column, name_column, year_column = (
        pick(rows.header, names) for names in (IDS, NAMES, YEARS)
    )
    key = photo_column or id_column
    if key is None:
        raise HangtagError(
            f"{file}: no column of photos; name it with photo_column: {_listed(rows.header)}"
        )
    cells = rows.column(key)
    find = found.by_path if photo_column else found.by_name
    photos = [find(cell) if cell else None for cell in cells]
    if photo_column is None and not any(photos) and cells:
        raise HangtagError(
            f"{file}: no column of photos among {_listed(rows.header)}, "
            f"and no photos named by {id_column!r} in {PUBLIC_PHOTOS}/ beside the table"
        )
    ids: Sequence[str | None]
    if id_column:
        ids = rows.column(id_column)
    else:
        ids = _ids_of(photo or cell for photo, cell in zip(photos, cells, strict=True))
    kept: list[int] = []
    first_line: dict[str, int] = {}
    problems = list(rows.problems)
    for row, (key_text, line) in enumerate(zip(ids, rows.lines, strict=True)):
        if not key_text:
            message = f"no {id_column or photo_column}; the row is left out"
            problems.append(Problem("malformed-row", file, line, cells[row] or None, message))
        elif key_text in first_line:
            message = f"id {key_text} is in line {first_line[key_text]} already; left out"
            problems.append(Problem("duplicate-id", file, line, photos[row], message))
        else:
            first_line[key_text] = line
            kept.append(row)
            if photos[row] is None:
                named = cells[row] if photo_column else f"{PUBLIC_PHOTOS}/{key_text}.jpg"
                message = f"product {key_text}: no photo {named or 'named'}"
                problems.append(Problem("missing-photo", file, line, named or None, message))
    attributes = attribute_columns(rows.header, {key})
    columns: dict[str, Sequence[str | None]] = {
        "id": ids,
        "photo": photos,
        "name": [cell or None for cell in rows.column(name_column)] if name_column else [],
        "year": _labels(rows.column(year_column)) if year_column else [],
        **{name: _labels(rows.column(name)) for name in attributes},
    }
    table = polars.DataFrame(
        {
            name: [cells[row] for row in kept] if cells else [None] * len(kept)
            for name, cells in columns.items()
        },
        schema=dict.fromkeys(columns, polars.String),
    ).with_columns(  # pandas writes years with gaps as 2012.0
        polars.col("year").cast(polars.Float64, strict=False).cast(polars.Int64, strict=False)
    )
    return Catalogue(table, source, problems, attributes)


def _photos_alone(store: Folder | Zip, source: Path) -> Catalogue:
    import polars

    photos = [name for name in store.walk() if _is_photo(name)]
    if not photos:
        raise HangtagError(
            f"{source}: neither a table ({_listed(sorted(TABLES))}) nor photos in it"
        )
    columns = {"id": _ids_of(photos), "photo": photos, "name": None, "year": None}
    schema = {"id": polars.String, "photo": polars.String, "name": polars.String}
    return Catalogue(polars.DataFrame(columns, schema={**schema, "year": polars.Int64}), source)


def _ids_of(photos: Iterable[str | None]) -> list[str]:
    """File names without their endings; with their folders where names of two photos agree."""
    paths = [PurePosixPath(photo or "") for photo in photos]
    stems: dict[str, set[PurePosixPath]] = {}
    for path in paths:
        stems.setdefault(path.stem, set()).add(path)
    return [
        path.stem
        if len(stems[path.stem]) == 1
        else str(path.with_suffix(""))
        if len({other.with_suffix("") for other in stems[path.stem]}) == len(stems[path.stem])
        else str(path)
        for path in paths
    ]


def _checked(catalogue: Catalogue, progress: Callable[[int, int], None] | None) -> Catalogue:
    import polars

    def error_of(photo: str) -> str | None:
        try:
            read_photo(catalogue.photo_bytes(photo))
        except PhotoError as error:
            # read_photo sees bytes alone; the name is known here.
            return f"{photo}: {str(error).removeprefix('photo: ')}"
        except HangtagError as error:
            return str(error)
        return None

    photos = catalogue.table["photo"].drop_nulls().to_list()
    unreadable: dict[str, str] = {}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for done, (photo, message) in enumerate(
            zip(photos, pool.map(error_of, photos), strict=True), start=1
        ):
            if message is not None:
                unreadable[photo] = message
            if progress:
                progress(done, len(photos))
    readable = polars.col("photo").is_in(list(unreadable)).not_()
    return replace(
        catalogue,
        table=catalogue.table.with_columns(photo=polars.when(readable).then("photo")),
        problems=[
            *catalogue.problems,
            *(
                Problem("unreadable-photo", str(catalogue.source), None, photo, message)
                for photo, message in unreadable.items()
            ),
        ],
    )


def _labels(cells: list[str | None]) -> list[str | None]:
    return [None if cell in MISSING else cell for cell in cells]


def _is_photo(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in PHOTO_SUFFIXES


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
