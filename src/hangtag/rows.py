"""Tables as they are found in the wild, read row by row: nothing is dropped without a word."""

import codecs
import csv
import io
import json
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import PurePath

from hangtag.errors import HangtagError

DELIMITED = frozenset({".csv", ".tsv", ".txt"})
TABLES = frozenset({".csv", ".tsv", ".parquet", ".jsonl", ".ndjson"})
"""Endings of the files that are taken for tables when a folder or a zip is searched."""

_LONGEST_RECORD = 1000
"""Lines in one record, at most: a quote that stays open for longer is a stray one."""


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


def encoding_of(blocks: Iterable[bytes]) -> str:
    """The encoding of a table's text: UTF-16 where it begins with a mark, UTF-8, or Windows-1252.

    Args:
        blocks: The text in pieces, of at least two bytes.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for number, block in enumerate(blocks):
            if number == 0 and block.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                return "utf-16"
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8-sig"


def _decode(data: bytes) -> str:
    return data.decode(encoding_of([data]), errors="replace").replace("\0", "")


@dataclass(frozen=True)
class Delimited:
    """A delimited table, read as far as its header.

    ``records`` are the rows in which anything stands, each with the number of its first line,
    counted from 1; they are read as they are drawn.
    """

    header: list[str]
    delimiter: str
    records: Iterator[tuple[int, list[str]]]

    def fitted(self, record: list[str]) -> list[str]:
        """A record no wider than the header: delimiters too many belong to the last cell."""
        width = len(self.header)
        if len(record) <= width:
            return record
        surplus = record[width - 1 :]
        spills = any(cell.strip() for cell in surplus[1:])
        last = self.delimiter.join(surplus) if spills else surplus[0]
        return [*record[: width - 1], last]


def read_delimited(lines: Iterable[str]) -> Delimited:
    """Read the header of a CSV or TSV table; the delimiter is the commonest in its first line.

    Args:
        lines: The text with its line ends; without any, the header is empty.
    """
    numbered = enumerate(lines, start=1)
    number, first = next(((at, line) for at, line in numbered if line.strip()), (1, ""))
    delimiter = max(",\t;", key=first.count)
    every = _records(chain([first], (line for _, line in numbered)), delimiter, number)
    records = ((at, record) for at, record in every if any(cell.strip() for cell in record))
    _, header = next(records, (number, []))
    return Delimited([name.strip() for name in header], delimiter, records)


def _read_delimited(text: str, file: str) -> Rows:
    # Only real line ends: str.splitlines would also break a name at a form feed or U+2028.
    table = read_delimited(io.StringIO(text, newline=None))
    rows = Rows(table.header)
    width = len(table.header)
    for line, record in table.records:
        if len(record) < width:
            message = f"{len(record)} fields instead of {width}; the row is left out"
            rows.problems.append(Problem("malformed-row", file, line, None, message))
            continue
        cells = table.fitted(record)
        if cells[-1] != record[width - 1]:
            message = f"unquoted {table.delimiter!r} in the last column: taken as {cells[-1]!r}"
            rows.problems.append(Problem("repaired-row", file, line, None, message))
        rows.cells.append([*cells])
        rows.lines.append(line)
    return rows


def _records(lines: Iterable[str], delimiter: str, number: int) -> Iterator[tuple[int, list[str]]]:
    """Split lines into records, each with the number of its first line, which begin at ``number``.

    A quote that is opened and never properly closed would swallow the lines after it. The first
    line of such a record is read alone, with quotes as ordinary characters.
    """
    csv.field_size_limit(2**31 - 1)
    remaining = iter(lines)
    given_back: deque[str] = deque()
    used: list[str] = []

    def following() -> Iterator[str]:
        while len(used) < _LONGEST_RECORD:
            line = given_back.popleft() if given_back else next(remaining, None)
            if line is None:
                return
            used.append(line)
            yield line

    width = 0
    reader = csv.reader(following(), delimiter=delimiter)
    while (record := next(reader, None)) is not None:
        width = width or len(record)
        if len(used) > 1 and _swallowed(used, record, width, delimiter):
            yield number, next(csv.reader(used[:1], delimiter=delimiter, quoting=csv.QUOTE_NONE))
            given_back.extendleft(reversed(used[1:]))
            number += 1
            used.clear()
            reader = csv.reader(following(), delimiter=delimiter)
        else:
            yield number, record
            number += len(used)
            used.clear()


def _swallowed(lines: list[str], record: list[str], width: int, delimiter: str) -> bool:
    """Whether a record of several lines is one line with a stray quote, and other rows."""
    unclosed = sum(line.count('"') for line in lines) % 2 == 1
    rows = width > 1 and all(line.count(delimiter) == width - 1 for line in lines)
    return unclosed or rows or len(record) != width or len(lines) >= _LONGEST_RECORD


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
