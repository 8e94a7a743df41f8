"""The column of photos of a table, read row by row, so that a table's size doesn't matter."""

import csv
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, count
from pathlib import Path

from hangtag.catalogue import PHOTOS, pick
from hangtag.errors import HangtagError

_CELLS = 50_000
"""Cells of a Parquet file that are read at a time."""


def photo_cells(path: Path, photo_column: str | None) -> Iterator[str | None] | None:
    """The cells that name photos, in order; None for cells that are missing or empty.

    Args:
        path: A CSV, TSV, Parquet or JSON Lines table.
        photo_column: Its column of photos; guessed from its name by default.

    Returns:
        The cells; None if no column looks like one of photos.

    Raises:
        HangtagError: The table can't be read or has no such column.
    """
    read = {".parquet": _parquet_cells, ".jsonl": _json_cells, ".ndjson": _json_cells}
    return read.get(path.suffix.lower(), _delimited_cells)(path, photo_column)


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

    with _explained(path):
        table = polars.scan_parquet(path)
        column = _choose(table.collect_schema().names(), photo_column, path)
    if column is None:
        return None
    # In slices: a batched reader of Polars would read ahead, to the whole column.
    column_alone = table.select(polars.col(column).cast(polars.String))

    def cells() -> Iterator[str | None]:
        for start in count(step=_CELLS):
            with _explained(path):
                found = column_alone.slice(start, _CELLS).collect()[column]
            if found.is_empty():
                return
            yield from map(_text, found)

    return cells()


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    import polars

    try:
        yield
    except (polars.exceptions.PolarsError, OSError) as error:
        raise HangtagError(
            f"{path}: not a Parquet file that can be read; write it again"
        ) from error
