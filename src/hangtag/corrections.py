"""Findings as a table, and a catalogue with some of them corrected, beside the original."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from hangtag.attributes import TYPE
from hangtag.audit import Finding
from hangtag.catalogue import PUBLIC_PHOTOS, PUBLIC_TABLE
from hangtag.consistency import taxonomy_of
from hangtag.errors import HangtagError

if TYPE_CHECKING:
    from hangtag.catalogue import Catalogue

CHANGES = "changes.csv"
"""The log of what a corrected catalogue changed."""

SURE = 0.9
"""Findings with a lower score are left for a person to decide."""

_COLUMNS = ["id", "photo", "attribute", "given", "suggested", "score", "kind", "reason"]


@dataclass(frozen=True)
class Change:
    """A label that was changed: a row of the log."""

    id: str
    attribute: str
    before: str
    after: str
    score: float
    kind: str
    reason: str


def write_findings(findings: Iterable[Finding], path: Path) -> None:
    """Write findings as CSV, one a line, in their order.

    Raises:
        HangtagError: The file can't be written.
    """
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, _COLUMNS, extrasaction="ignore", lineterminator="\n")
            table.writeheader()
            for one in findings:
                table.writerow({**asdict(one), "score": f"{one.score:.4f}"})
    except OSError as error:
        raise _unwritable(path, error) from error


def read_findings(path: Path, catalogue: "Catalogue") -> list[Finding]:
    """Read a table of findings that a person has been through: rows deleted, suggestions changed.

    Raises:
        HangtagError: It isn't such a table, or speaks of products or attributes that the
            catalogue doesn't have.
    """
    rows = {product: row for row, product in enumerate(catalogue.table["id"])}
    found = []
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file)
            lacking = {"id", "attribute", "suggested"} - set(table.fieldnames or ())
            if lacking:
                raise HangtagError(
                    f"{path}: no column {min(lacking)!r}; give a table written by hangtag audit"
                )
            for line, cells in enumerate(table, start=2):
                if cells["id"] not in rows or cells["attribute"] not in catalogue.attributes:
                    raise HangtagError(
                        f"{path}: line {line}: {catalogue.source} has no {cells['attribute']!r} "
                        f"of a product {cells['id']!r}; is it the table of another catalogue?"
                    )
                row = rows[cells["id"]]
                found.append(
                    Finding(
                        row=row,
                        id=cells["id"],
                        photo=catalogue.table["photo"][row] or "",
                        attribute=cells["attribute"],
                        given=catalogue.table[cells["attribute"]][row] or "",
                        suggested=(cells["suggested"] or "").strip(),
                        score=1.0,
                        kind="reviewed",
                        reason=cells.get("reason") or "",
                    )
                )
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise HangtagError(f"{path}: can't be read ({error}); check the file") from error
    return found


def corrected(
    catalogue: "Catalogue", findings: Sequence[Finding], *, sure: float = SURE
) -> tuple["Catalogue", list[Change]]:
    """Put suggestions in the place of labels; the catalogue itself stays as it is.

    Of several findings about one label the surest counts. An article type that is corrected takes
    its sub- and master category with it.

    Args:
        catalogue: What the findings are about.
        findings: Those without a suggestion, or less sure than ``sure``, change nothing.
        sure: Score from 0 to 1.

    Returns:
        The corrected catalogue, and each change in the order of the rows.
    """
    import polars

    wanted: dict[tuple[int, str], Finding] = {}
    for one in sorted(findings, key=lambda one: -one.score):
        if one.suggested and one.score >= sure:
            wanted.setdefault((one.row, one.attribute), one)
    taxonomy = taxonomy_of(catalogue)
    for (row, attribute), one in list(wanted.items()):
        if attribute == TYPE:
            for level in taxonomy.levels:
                parent = taxonomy.parent(one.suggested, level)
                if parent is not None:
                    reason = f"{one.suggested} belong to {parent}"
                    wanted[row, level] = _instead(one, catalogue, level, parent, reason)
    columns = {name: catalogue.labels(name) for name in catalogue.attributes}
    changes = []
    for (row, attribute), one in sorted(wanted.items()):
        before = columns[attribute][row]
        if before != one.suggested:
            columns[attribute][row] = one.suggested
            changes.append(
                Change(
                    one.id, attribute, before or "", one.suggested, one.score, one.kind, one.reason
                )
            )
    series = [polars.Series(name, cells, polars.String) for name, cells in columns.items()]
    return replace(catalogue, table=catalogue.table.with_columns(series)), changes


def _instead(one: Finding, catalogue: "Catalogue", level: str, parent: str, reason: str) -> Finding:
    given = catalogue.table[level][one.row] or ""
    return replace(one, attribute=level, given=given, suggested=parent, reason=reason)


def write_corrected(catalogue: "Catalogue", changes: Sequence[Change], folder: Path) -> None:
    """Write a corrected catalogue, with copies of its photos, and the log of its changes.

    The folder is laid out like the public dataset. Photos that can't be read are left out.

    Args:
        catalogue: As `corrected` gives it.
        changes: As `corrected` gives them.
        folder: A new or empty one.

    Raises:
        HangtagError: The folder holds something, or can't be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise HangtagError(f"{folder}: not empty; give a new folder")
        names = [
            None if photo is None else _write_photo(catalogue, photo, row, folder)
            for row, photo in enumerate(catalogue.table["photo"])
        ]
        _write_table(catalogue, names, folder / PUBLIC_TABLE)
        with (folder / CHANGES).open("w", newline="", encoding="utf-8") as file:
            log = csv.writer(file, lineterminator="\n")
            log.writerow(field.name for field in fields(Change))
            for change in changes:
                log.writerow({**asdict(change), "score": f"{change.score:.4f}"}.values())
    except OSError as error:
        raise _unwritable(folder, error) from error


def _write_photo(catalogue: "Catalogue", photo: str, row: int, folder: Path) -> str | None:
    path = PurePosixPath(photo)
    if path.is_absolute() or ".." in path.parts or str(path) in (PUBLIC_TABLE, CHANGES):
        path = PurePosixPath(PUBLIC_PHOTOS, f"{row}{path.suffix}")
    target = folder / path
    if target.exists():
        return str(path)
    try:
        data = catalogue.photo_bytes(photo)
    except HangtagError:
        return str(path)  # missing there, too, so reading the copy says so again
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    return str(path)


def _write_table(catalogue: "Catalogue", photos: Sequence[str | None], path: Path) -> None:
    import polars

    table = catalogue.table.with_columns(polars.Series("photo", photos, polars.String))
    table.select("id", "photo", *catalogue.attributes, "year", "name").write_csv(path)


def _unwritable(path: Path, error: OSError) -> HangtagError:
    return HangtagError(f"{path}: can't be written ({error.strerror}); choose another place")
