"""Tables as they are found in the wild, read row by row: nothing is dropped without a word."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import PurePath

from hangtag.errors import HangtagError

DELIMITED = frozenset({".csv", ".tsv", ".txt"})
TABLES = frozenset({".csv", ".tsv", ".parquet", ".jsonl", ".ndjson"})
"""Endings of the files that are taken for tables when a folder or a zip is searched."""


@dataclass(frozen=True)
class Problem:
    """Something wrong in a catalogue, and where.

    ``kind`` is one of ``missing-photo``, ``unreadable-photo``, ``malformed-row``, ``repaired-row``,
    ``duplicate-id`` and ``foreign-id``; ``line`` counts from 1 in the table's text (in
    Parquet: rows from 1).
    """

    kind: str
    file: str
    line: int | None
    photo: str | None
    message: str


@dataclass
class Rows:
    """A table's cells as text, with the line each row starts at."""

    header: list[str]
    cells: list[list[str | None]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def column(self, name: str) -> list[str | None]:
        """The cells of one column, stripped of surrounding blanks; None where there is no cell."""
        position = self.header.index(name)
        return [None if (cell := row[position]) is None else cell.strip() for row in self.cells]


def read_rows(data: bytes, file: str) -> Rows:
    """Read a CSV, TSV, Parquet or JSON Lines table.

    Args:
        data: Content of the file.
        file: Its name, which tells the format and stands in problems and errors.

    Raises:
        HangtagError: The format is unknown, the file is empty or not what its name says.
    """
    suffix = PurePath(file).suffix.lower()
    if suffix not in TABLES | DELIMITED:
        raise HangtagError(
            f"{file}: not a table that can be read; give a .csv, .tsv, .parquet or .jsonl file"
        )
    if not data.strip():
        raise HangtagError(f"{file}: the file is empty; a table with a header line is needed")
    if suffix == ".parquet":
        rows = _read_parquet(data, file)
    elif suffix in DELIMITED:
        rows = _read_delimited(_decode(data), file)
    else:
        rows = _read_json_lines(_decode(data), file)
    repeated = sorted({name for name in rows.header if rows.header.count(name) > 1})
    if repeated:
        raise HangtagError(f"{file}: column {repeated[0]!r} occurs twice; rename one of them")
    return rows


def _decode(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    data = data.replace(b"\0", b"")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _read_delimited(text: str, file: str) -> Rows:
    # Only real line ends: str.splitlines would also break a name at a form feed or U+2028.
    lines = io.StringIO(text, newline=None).readlines()
    first = next(line for line in lines if line.strip())
    delimiter = max(",\t;", key=first.count)
    rows = Rows([])
    for line, record in _records(lines, delimiter):
        if not any(cell.strip() for cell in record):
            continue
        if not rows.header:
            rows.header = [name.strip() for name in record]
            continue
        width = len(rows.header)
        if len(record) < width:
            message = f"{len(record)} fields instead of {width}; the row is left out"
            rows.problems.append(Problem("malformed-row", file, line, None, message))
            continue
        if len(record) > width:
            surplus = record[width - 1 :]
            last = surplus[0]
            if any(cell.strip() for cell in surplus[1:]):
                last = delimiter.join(surplus)
                message = f"unquoted {delimiter!r} in the last column: taken as {last!r}"
                rows.problems.append(Problem("repaired-row", file, line, None, message))
            record[width - 1 :] = [last]
        rows.cells.append([*record])
        rows.lines.append(line)
    return rows


def _records(lines: list[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Split lines into records, each with the number of its first line.

    A quote that is opened and never properly closed would swallow the lines after it. The first
    line of such a record is read alone, with quotes as ordinary characters.
    """
    csv.field_size_limit(2**31 - 1)
    start, width = 0, 0
    while start < len(lines):
        reader = csv.reader(islice(lines, start, None), delimiter=delimiter)
        base = start
        for record in reader:
            end = base + reader.line_num
            width = width or len(record)
            if end - start > 1 and _swallowed(lines[start:end], record, width, delimiter):
                plain = csv.reader([lines[start]], delimiter=delimiter, quoting=csv.QUOTE_NONE)
                yield start + 1, next(plain)
                start += 1
                break
            yield start + 1, record
            start = end


def _swallowed(lines: list[str], record: list[str], width: int, delimiter: str) -> bool:
    """Whether a record of several lines is one line with a stray quote, and other rows."""
    unclosed = sum(line.count('"') for line in lines) % 2 == 1
    rows = width > 1 and all(line.count(delimiter) == width - 1 for line in lines)
    return unclosed or rows or len(record) != width


def _read_json_lines(text: str, file: str) -> Rows:
    found: list[tuple[int, dict[str, object]]] = []
    rows = Rows([])
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError:
            value = None
        if isinstance(value, dict):
            found.append((number, value))
        else:
            message = "not a JSON object; the row is left out"
            rows.problems.append(Problem("malformed-row", file, number, None, message))
    if not found:
        raise HangtagError(f"{file}: no line holds a JSON object; JSON Lines are needed")
    rows.header = list(dict.fromkeys(name for _, value in found for name in value))
    rows.lines = [number for number, _ in found]
    rows.cells = [[_text(value.get(name)) for name in rows.header] for _, value in found]
    return rows


def _text(value: object) -> str | None:
    return None if value is None else value if isinstance(value, str) else json.dumps(value)


def _read_parquet(data: bytes, file: str) -> Rows:
    import polars

    try:
        frame = polars.read_parquet(io.BytesIO(data))
    except (polars.exceptions.PolarsError, OSError) as error:
        raise HangtagError(
            f"{file}: not a Parquet file that can be read; write it again"
        ) from error
    flat = [
        name
        for name, dtype in frame.schema.items()
        if not dtype.is_nested() and dtype not in (polars.Binary, polars.Object)
    ]
    frame = frame.select(polars.col(flat).cast(polars.String))
    return Rows(flat, [list(row) for row in frame.rows()], list(range(1, frame.height + 1)))
