"""Photos of a catalogue's rows, with lines of text below them, for the macro ``cards``."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hangtag.errors import HangtagError
from hangtag.photo import read_photo
from hangtag.reports.page import THUMBNAIL, thumbnail

if TYPE_CHECKING:
    from hangtag.catalogue import Catalogue


@dataclass(frozen=True)
class Card:
    """Some photos, as ``data:`` URIs, and the lines below them; ``tone`` colours the frame."""

    pictures: list[str]
    lines: list[str]
    tone: str = ""


class Photos:
    """Makes cards of a catalogue's rows; photos that can't be read are left out."""

    def __init__(self, catalogue: "Catalogue"):
        self._catalogue = catalogue
        self._names = catalogue.table["photo"].to_list()

    def card(self, rows: Iterable[int], lines: list[str], tone: str = "") -> Card:
        """Put the photos of some rows on a card."""
        pictures = [picture for row in rows if (picture := self._picture(row))]
        return Card(pictures, lines, tone)

    def _picture(self, row: int) -> str | None:
        if self._names[row] is None:
            return None
        try:
            data = self._catalogue.photo_bytes(self._names[row])
            return thumbnail(read_photo(data, smallest=THUMBNAIL[::-1]))
        except HangtagError:
            return None
