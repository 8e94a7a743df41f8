"""Results on disk: appended as they come, resumable after a kill at any moment, whole or not there.

While a run lasts, its rows stand in ``OUTPUT.part``: JSON lines, the first of which says what run
they belong to. A row counts once its line is complete, so a kill costs at most a torn last line,
which is cut off when the run goes on. At the end the part becomes the CSV, Parquet or JSON Lines
file that was asked for, and is only then moved to its name.
"""

import errno
import io
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from hangtag.errors import HangtagError

if TYPE_CHECKING:
    import polars

    from hangtag.tags import PhotoTags

FORMATS = (".csv", ".jsonl", ".parquet")
_RUN = "hangtag run"
_BEGINNING = f'{{"{_RUN}":'.encode()
_FORMAT_VERSION = 1
# What is held while the output is made: a block of JSON lines, a row group of a Parquet file.
_BLOCK = 2**20
_ROW_GROUP = 2**15


def flat_row(tags: "PhotoTags", attributes: Iterable[str]) -> dict[str, Any]:
    """One photo's tags as a table row: for each attribute its value, confidence and decision."""
    row: dict[str, Any] = {"photo": tags.photo}
    for name in attributes:
        tag = tags.tags.get(name)
        row[name] = tag and tag.value
        row[f"{name}_confidence"] = tag and round(float(tag.confidence), 6)
        row[f"{name}_decision"] = tag and tag.decision
    known = tags.known_product
    row["known_product"] = None if known is None else bool(known)
    row["turned"] = tags.turned
    return {**row, "model": tags.model, "error": tags.error}


def json_line(row: Mapping[str, Any]) -> bytes:
    """A row as one line of JSON.

    A name on disk may hold bytes that are no text; they become question marks.
    """
    return (
        json.dumps(row, separators=(",", ":"), ensure_ascii=False).encode(errors="replace") + b"\n"
    )


def table_schema(attributes: Iterable[str]) -> dict[str, "polars.DataType | type"]:
    """Columns and types of the table that `flat_row` makes rows of."""
    import polars

    schema: dict[str, polars.DataType | type] = {"photo": polars.String}
    for name in attributes:
        schema[name] = polars.String
        schema[f"{name}_confidence"] = polars.Float32
        schema[f"{name}_decision"] = polars.String
    return {
        **schema,
        "known_product": polars.Boolean,
        "turned": polars.Int32,
        "model": polars.String,
        "error": polars.String,
    }


def check_output(output: Path) -> Path:
    """Refuse an output that couldn't be written at the end.

    Returns:
        Where it will lie: the output itself, or what it is a link to.

    Raises:
        HangtagError: Its ending is unknown, it is a folder, or its folder doesn't exist.
    """
    if output.is_symlink():
        output = Path(os.path.realpath(output))
    if output.suffix.lower() not in FORMATS:
        raise HangtagError(
            f"{output}: unknown kind of output; end its name in {', '.join(FORMATS)}"
        )
    if output.is_dir():
        raise HangtagError(f"{output}: is a folder; name a file")
    if not output.parent.is_dir():
        raise HangtagError(f"{output}: its folder doesn't exist; make it first")
    return output


def changed_options(earlier: Mapping[str, Any], run: Mapping[str, Any]) -> str:
    """Name what an earlier run had otherwise; empty when it was the same."""
    return " and ".join(name for name in run if earlier.get(name) != run[name])


class PartFile:
    """The rows of an unfinished run.

    Args:
        output: The file that is wanted in the end.
        run: What the rows depend on (model, inputs, options), by names that a user understands.
        attributes: Names of the attributes, in the order of the columns.

    Raises:
        HangtagError: There is a part already that belongs to another run or is being written.

    Attributes:
        done: Rows in it.
        errors: Of these, rows of photos that couldn't be read.
    """

    def __init__(self, output: Path, run: Mapping[str, Any], attributes: Iterable[str]):
        # A link stays one: its target is replaced.
        self.output = output = check_output(output)
        self.path = output.with_name(output.name + ".part")
        self.attributes = list(attributes)
        self.done = self.errors = 0
        with self._explained():
            # Unbuffered: what a write reported as written is what a kill leaves behind.
            self._file: BinaryIO = self.path.open("a+b", buffering=0)
            try:
                self._lock()
                self._go_on({"version": _FORMAT_VERSION, **run})
            except BaseException:
                self._file.close()
                raise

    def append(self, results: Iterable["PhotoTags"]) -> None:
        """Add rows; when this returns they are safe from a kill.

        Raises:
            HangtagError: The disk is full or fails; earlier rows are kept.
        """
        lines = []
        errors = 0
        for tags in results:
            row = tags.to_dict() if self._is_lines else flat_row(tags, self.attributes)
            lines.append(json_line(row))
            errors += tags.error is not None
        with self._explained():
            self._write(b"".join(lines))
        self.done += len(lines)
        self.errors += errors

    def finish(self) -> None:
        """Turn the part into the output, which appears complete or not at all."""
        made = self.output.with_name(self.output.name + ".tmp")
        with self._explained():
            try:
                if self._is_lines:
                    self._copy_lines(made)
                else:
                    self._convert(made)
                with made.open("rb+") as file:
                    os.fsync(file.fileno())
                os.replace(made, self.output)  # noqa: PTH105  atomic on every system
            finally:
                made.unlink(missing_ok=True)
            self._file.close()
            self.path.unlink()

    def close(self) -> None:
        """Stop writing; the part stays for a later run."""
        self._file.close()

    @property
    def _is_lines(self) -> bool:
        return self.output.suffix.lower() == ".jsonl"

    def _lock(self) -> None:
        with suppress(ImportError):  # Windows has no fcntl
            import fcntl

            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise HangtagError(
                    f"{self.path}: another run is writing it; wait for it or choose another output"
                ) from error

    def _go_on(self, run: dict[str, Any]) -> None:
        """Read what an earlier run left, cut off a torn line, and check that it is the same run."""
        self._file.seek(0)
        if not _BEGINNING.startswith(self._file.read(len(_BEGINNING))):
            raise HangtagError(f"{self.path}: not of an earlier run; move it away or delete it")
        self._file.seek(0)
        whole = 0
        with os.fdopen(os.dup(self._file.fileno()), "rb") as lines:
            for line in lines:
                row = _parse(line)
                if row is None:
                    break
                if whole == 0:
                    self._require_same(row[_RUN], run)
                else:
                    self.done += 1
                    self.errors += row.get("error") is not None
                whole += len(line)
        self._file.truncate(whole)
        if whole == 0:
            self._write(json_line({_RUN: run}))

    def _require_same(self, earlier: dict[str, Any], run: dict[str, Any]) -> None:
        if changed := changed_options(earlier, run):
            raise HangtagError(
                f"{self.path}: belongs to an unfinished run with other {changed}; "
                "run that one again to finish it, or delete the file to begin anew"
            )

    def _write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[self._file.write(left) :]

    def _copy_lines(self, made: Path) -> None:
        with self.path.open("rb") as part, made.open("wb") as file:
            part.readline()
            shutil.copyfileobj(part, file)

    def _convert(self, made: Path) -> None:
        import polars

        try:
            if self.output.suffix.lower() == ".parquet":
                self._write_parquet(made)
            else:
                with made.open("wb") as file:
                    for number, table in enumerate(self._tables()):
                        table.write_csv(file, include_header=number == 0)
        except polars.exceptions.PolarsError as error:
            raise OSError(errno.EIO, str(error)) from error

    def _write_parquet(self, made: Path) -> None:
        import polars
        from polars.io.plugins import register_io_source

        def tables(*_: object) -> Iterator["polars.DataFrame"]:
            return self._tables()

        rows = register_io_source(tables, schema=polars.Schema(table_schema(self.attributes)))
        rows.sink_parquet(made, row_group_size=_ROW_GROUP)

    def _tables(self) -> Iterator["polars.DataFrame"]:
        """The rows, some at a time.

        Read as ordinary blocks: Polars maps a file that it reads itself into memory as a whole.
        """
        import polars

        schema = table_schema(self.attributes)
        with self.path.open("rb") as part:
            part.readline()
            while lines := part.readlines(_BLOCK):
                yield polars.read_ndjson(io.BytesIO(b"".join(lines)), schema=schema)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._file_closed_quietly()
            cure = "check the disk and its rights"
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                cure = "free some space"
            raise HangtagError(
                f"{self.path}: can't be written ({error.strerror or error}); {cure} and run the "
                f"same command again: the rows in it are kept"
            ) from error

    def _file_closed_quietly(self) -> None:
        with suppress(AttributeError, OSError):
            self._file.close()


def _parse(line: bytes) -> dict[str, Any] | None:
    if not line.endswith(b"\n"):
        return None
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None
