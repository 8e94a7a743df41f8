"""Tables of further attributes, joined to the catalogue whose products they describe."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hangtag.columns import IDS, pick
from hangtag.errors import HangtagError
from hangtag.rows import read_rows

if TYPE_CHECKING:
    from hangtag.catalogue import Catalogue


def join_details(
    catalogues: "Sequence[Catalogue]", tables: Sequence[str | Path]
) -> "list[Catalogue]":
    """Join each table to the catalogue that has the largest share of its ids.

    Numbers are ids in many shops, so one that coincides says nothing. Where there is a choice, a
    line says which catalogue it was.

    Returns:
        The catalogues in their order, with the tables' attributes.

    Raises:
        HangtagError: A table that can't be read or joined, that names no product, or that fits two
            catalogues equally well.
    """
    found = list(catalogues)
    for table in map(Path, tables):
        number = _described(found, table)
        found[number] = found[number].with_columns_from(table)
        if len(found) > 1:
            print(f"{table}: describes {found[number].source}", file=sys.stderr)
    return found


def _described(catalogues: "Sequence[Catalogue]", table: Path) -> int:
    """The number of the catalogue that a table is of; the first if that can't be told."""
    if len(catalogues) == 1 or not table.is_file():
        return 0
    rows = read_rows(table.read_bytes(), str(table))
    column = pick(rows.header, IDS)
    if column is None:
        return 0
    ids = {product for product in rows.column(column) if product}
    shared = [len(ids.intersection(one.table["id"])) for one in catalogues]
    most = max(shared)
    best = [one for one, count in zip(catalogues, shared, strict=True) if count == most]
    if most and len(best) > 1:
        raise HangtagError(
            f"{table}: its ids fit {best[0].source} as well as {best[1].source}; "
            "number the products of one of them otherwise, in its table of details, too"
        )
    return shared.index(most)
