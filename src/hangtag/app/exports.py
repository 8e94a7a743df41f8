"""What a person takes away from a review: CSV, JSON, Excel, and a catalogue to train with.

Each tag says who decided it: ``model`` or ``person``.
"""

import csv
import io
import json
import re
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING, Any, Literal

from PIL import Image

from hangtag.app.review import ReviewedPhoto, ReviewedTag
from hangtag.catalogue import PUBLIC_PHOTOS, PUBLIC_TABLE
from hangtag.errors import require
from hangtag.photo import read_photo
from hangtag.turning import turned

if TYPE_CHECKING:
    import polars

Labels = Literal["settled", "person"]
"""Which tags a catalogue takes: all but the open ones, or only those that a person decided."""

_SHEET = "Tags"
_FORMULA = r"^[=+\-@\t\r]"
_JPEG_MAGIC = b"\xff\xd8\xff"
_JPEG_QUALITY = 95
_DECIMALS = 4


def table(photos: Iterable[ReviewedPhoto], attributes: Sequence[str]) -> "polars.DataFrame":
    """Lay a review out flat, a row per photo.

    Returns:
        The columns of ``hangtag tag -o``, and two more per attribute: ``photo``; for each attribute
        ``NAME`` (the value that holds), ``NAME_confidence`` (the model's, 0 to 1; null where a
        person chose a value that the model didn't consider), ``NAME_decision`` (``accept``, or
        ``review``: still open), ``NAME_decided_by`` (``model`` or ``person``), ``NAME_suggested``
        (the model's value); then ``known_product``, ``turned``, ``model``, ``error``.
    """
    import polars

    schema: dict[str, Any] = {"photo": polars.String}
    for name in attributes:
        schema[name] = polars.String
        schema[f"{name}_confidence"] = polars.Float64
        schema |= dict.fromkeys(
            [f"{name}_decision", f"{name}_decided_by", f"{name}_suggested"], polars.String
        )
    schema |= {
        "known_product": polars.Boolean,
        "turned": polars.Int32,
        "model": polars.String,
        "error": polars.String,
    }
    rows = []
    for photo in photos:
        row: dict[str, Any] = {"photo": photo.name}
        for name, tag in photo.tags.items():
            row |= {f"{name}{ending}": cell for ending, cell in _cells(tag).items()}
        row["known_product"] = photo.known_product
        row["turned"] = photo.turned
        row["model"] = photo.model or None
        row["error"] = photo.error
        rows.append(row)
    return polars.DataFrame(rows, schema=schema)


def to_csv(photos: Iterable[ReviewedPhoto], attributes: Sequence[str]) -> bytes:
    """Write the flat table as CSV: UTF-8 with a byte-order mark, which Excel needs to see it.

    File names come from anywhere: a cell with one that a table program would take for a formula
    begins with ``'``.
    """
    import polars

    guarded = polars.col("photo", "error").str.replace(_FORMULA, "'${0}")
    return table(photos, attributes).with_columns(guarded).write_csv(include_bom=True).encode()


def to_json(photos: Iterable[ReviewedPhoto]) -> bytes:
    """Write a list of photos in the form of `PhotoTags.to_dict`, with who decided each tag."""
    entries = [
        {
            "photo": photo.name,
            "tags": {name: _entry(tag) for name, tag in (photo.tags | photo.details).items()},
            "model": photo.model or None,
            "error": photo.error,
            "known_product": photo.known_product,
            "turned": photo.turned,
        }
        for photo in photos
    ]
    return json.dumps(entries, ensure_ascii=False, indent=2).encode()


def to_excel(photos: Iterable[ReviewedPhoto], attributes: Sequence[str]) -> bytes:
    """Write the flat table as a workbook: open tags amber, a person's decisions green.

    Raises:
        MissingExtraError: XlsxWriter isn't installed.
    """
    xlsxwriter = require("app", "xlsxwriter")
    rows = table(photos, attributes)
    out = io.BytesIO()
    # File names come from anywhere: none of them may become a formula or a link.
    plain = {"strings_to_formulas": False, "strings_to_urls": False, "in_memory": True}
    with xlsxwriter.Workbook(out, plain) as workbook:
        sheet = workbook.add_worksheet(_SHEET)
        colours = {
            "review": workbook.add_format({"bg_color": "#FFE8B3", "font_color": "#7A4B00"}),
            "person": workbook.add_format({"bg_color": "#D5EFE6", "font_color": "#0B5345"}),
        }
        rows.write_excel(
            workbook,
            sheet,
            table_style="Table Style Light 1",
            column_formats={f"{name}_confidence": "0%" for name in attributes},
            freeze_panes=(1, 1),
            autofit=True,
        )
        for name in attributes:
            _colour(rows, sheet, colours, name)
    return out.getvalue()


def write_catalogue(
    photos: Iterable[ReviewedPhoto],
    attributes: Sequence[str],
    out: IO[bytes],
    *,
    labels: Labels = "settled",
) -> int:
    """Write a catalogue that can be trained with, as a zip in the layout of the public dataset.

    ``styles.csv`` has the columns ``id``, the attributes and ``productDisplayName`` (the name of
    the photo's file); ``images/`` has a JPEG for each id, turned upright where it was for its tags.
    An id is the stem of the photo's name, numbered where two are the same. Tags that don't qualify
    are left empty, which is how a catalogue says that it doesn't know; photos without any tag are
    left out, and so are those whose files are :func:`missing`.

    Args:
        photos: Whose tags and files are written.
        attributes: Columns.
        out: Where the zip goes; a file opened for binary writing.
        labels: Which tags qualify.

    Returns:
        How many photos were written.
    """
    text = io.StringIO()
    styles = csv.writer(text, lineterminator="\n")
    styles.writerow(["id", *attributes, "productDisplayName"])
    taken: set[str] = set()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for photo in photos:
            tags = {name: tag.value for name, tag in photo.tags.items() if _qualifies(tag, labels)}
            if photo.path is None or not any(tags.values()):
                continue
            try:
                data = photo.path.read_bytes()
            except OSError:
                continue
            product = _unused_id(photo.name, taken)
            taken.add(product)
            archive.writestr(f"{PUBLIC_PHOTOS}/{product}.jpg", _as_jpeg(data, photo.turned))
            styles.writerow([product, *(tags.get(name) or "" for name in attributes), photo.name])
        archive.writestr(PUBLIC_TABLE, text.getvalue())
    return len(taken)


def missing(photos: Iterable[ReviewedPhoto]) -> list[ReviewedPhoto]:
    """Find the photos whose files are gone, as after someone emptied the temporary folder."""
    return [photo for photo in photos if photo.path is not None and not photo.path.is_file()]


def _cells(tag: ReviewedTag) -> dict[str, str | float | None]:
    return {
        "": tag.value,
        "_confidence": _confidence(tag),
        "_decision": "review" if tag.open else "accept",
        "_decided_by": tag.decided_by,
        "_suggested": tag.suggestion.value,
    }


def _entry(tag: ReviewedTag) -> dict[str, Any]:
    suggestion = tag.suggestion
    return {
        "value": tag.value,
        "confidence": _confidence(tag),
        "decision": "review" if tag.open else "accept",
        "decided_by": tag.decided_by,
        "suggested": suggestion.value,
        "alternatives": [
            {"value": other.value, "confidence": round(other.confidence, _DECIMALS)}
            for other in suggestion.alternatives
        ],
    }


def _confidence(tag: ReviewedTag) -> float | None:
    confidence = None if tag.value is None else tag.guesses.get(tag.value)
    return None if confidence is None else round(confidence, _DECIMALS)


def _colour(rows: "polars.DataFrame", sheet: Any, colours: dict[str, Any], name: str) -> None:
    column = rows.get_column_index(name)
    cells = zip(rows[name], rows[f"{name}_decision"], rows[f"{name}_decided_by"], strict=True)
    for row, (value, decision, decided_by) in enumerate(cells, start=1):
        colour = colours.get("review" if decision == "review" else decided_by)
        if colour is not None:
            sheet.write(row, column, value or "", colour)


def _qualifies(tag: ReviewedTag, labels: Labels) -> bool:
    return tag.decided_by == "person" if labels == "person" else not tag.open


def _unused_id(name: str, taken: set[str]) -> str:
    stem = re.sub(r"[^\w.-]+", "-", PurePosixPath(name).stem).strip("-.") or "photo"
    product, number = stem, 1
    while product in taken:
        number += 1
        product = f"{stem}-{number}"
    return product


def _as_jpeg(data: bytes, degrees: int) -> bytes:
    if data.startswith(_JPEG_MAGIC) and not degrees:
        return data
    out = io.BytesIO()
    photo = turned(read_photo(data), degrees)
    Image.fromarray(photo).save(out, "JPEG", quality=_JPEG_QUALITY)
    return out.getvalue()
