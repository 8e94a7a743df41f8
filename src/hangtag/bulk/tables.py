"""The column of photos of a table, read row by row, so that a table's size doesn't matter."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, count
from pathlib import Path
from typing import TextIO

from hangtag.catalogue import PHOTOS, pick
from hangtag.errors import HangtagError
from hangtag.rows import encoding_of, read_delimited

_BLOCK = 2**14
"""Bytes of a text that are read at a time to find out its encoding."""

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


def _open(path: Path) -> TextIO:
    try:
        with path.open("rb") as file:
            encoding = encoding_of(iter(lambda: file.read(_BLOCK), b""))
        return path.open(encoding=encoding, errors="replace")
    except OSError as error:
        raise HangtagError(
            f"{path}: can't be read ({error.strerror}); check the file's rights"
        ) from error


def _delimited_cells(path: Path, photo_column: str | None) -> Iterator[str | None] | None:
    lines = _open(path)
    table = read_delimited(line.replace("\0", "") for line in lines)
    column = _choose(table.header, photo_column, path)
    if column is None:
        lines.close()
        return None
    position = table.header.index(column)

    def cells() -> Iterator[str | None]:
        with lines:
            for _, record in table.records:
                found = table.fitted(record)
                yield found[position].strip() if position < len(found) else None

    return cells()


def _json_cells(path: Path, photo_column: str | None) -> Iterator[str | None] | None:
    lines = _open(path)

    def rows() -> Iterator[dict[str, object]]:
        with lines:
            for line in lines:
                if line.strip():
                    try:
                        value = json.loads(line)
                    except (ValueError, RecursionError):
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
