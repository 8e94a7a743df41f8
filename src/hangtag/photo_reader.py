"""The photos of a catalogue's products, or others of the same products in their place."""

from pathlib import Path

from hangtag.catalogue import Catalogue, read_catalogue
from hangtag.errors import HangtagError


class PhotoReader:
    """Finds the bytes of a catalogue's photos, or of other photos of the same products.

    Args:
        catalogue: Whose rows to read.
        instead: A folder or zip of photos named by the products' ids; a product that has none
            there keeps its own.

    Raises:
        HangtagError: ``instead`` has no photo of any of the products.
    """

    def __init__(self, catalogue: Catalogue, instead: str | Path | None = None) -> None:
        self._catalogue = catalogue
        self._photos = catalogue.table["photo"].to_list()
        self._other: Catalogue | None = None
        self._instead: dict[int, str] = {}
        if instead is None:
            return
        self._other = read_catalogue(instead)
        by_id = dict(self._other.table.select("id", "photo").iter_rows())
        for row, product in enumerate(catalogue.table["id"]):
            if by_id.get(product) is not None:
                self._instead[row] = by_id[product]
        if not self._instead:
            raise HangtagError(
                f"{instead}: no photo is named by an id of {catalogue.source}; "
                "name photos like the products, 1234.jpg"
            )

    def has(self, row: int) -> bool:
        """Tell whether a product has a photo."""
        return row in self._instead or self._photos[row] is not None

    def name(self, row: int) -> str:
        """Name the photo of a product that has one."""
        return self._instead.get(row) or self._photos[row]

    def read(self, row: int) -> bytes:
        """Read the file of a product's photo.

        Raises:
            HangtagError: It can't be read.
        """
        if self._other is not None and row in self._instead:
            return self._other.photo_bytes(self._instead[row])
        return self._catalogue.photo_bytes(self._photos[row])
