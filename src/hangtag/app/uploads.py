"""Uploads: what a person dropped, as photos. Zips are opened, within limits."""

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from hangtag.catalogue import PHOTO_SUFFIXES
from hangtag.photo import DEFAULT_LIMITS

MAX_MEMBERS = 5000
"""Photos that are taken from one zip."""

MAX_ZIP_BYTES = 4 * 2**30
"""Bytes that the photos of one zip may unpack to, together."""

_JUNK = ("__MACOSX/", ".")


@dataclass(frozen=True)
class Upload:
    """One photo as it arrived: its name and bytes, or why there are none."""

    name: str
    data: bytes = b""
    error: str | None = None


def unpack(name: str, file: BinaryIO) -> Iterator[Upload]:
    """Turn an uploaded file into photos: itself, or what is in it when it is a zip.

    Anything that isn't a zip passes as it is; whether it is a photo shows when it is decoded.
    Photos of a zip are found by their endings, in folders too; everything else in it is left
    out. A zip without photos, or one that can't be read, gives one upload with an error.
    """
    if not _is_zip(name, file):
        file.seek(0)
        yield Upload(name, file.read())
        return
    try:
        with zipfile.ZipFile(file) as archive:
            yield from _members(name, archive)
    except Exception:  # noqa: BLE001  on odd zips zipfile raises nearly anything
        yield Upload(name, error=f"{name}: the zip is damaged or unusual; pack it again")


def _is_zip(name: str, file: BinaryIO) -> bool:
    file.seek(0)
    return Path(name).suffix.lower() == ".zip" or file.read(4) == b"PK\x03\x04"


def _members(name: str, archive: zipfile.ZipFile) -> Iterator[Upload]:
    photos = [
        member
        for member in archive.infolist()
        if PurePosixPath(member.filename).suffix.lower() in PHOTO_SUFFIXES
        and not any(
            part.startswith(_JUNK)
            for part in (member.filename, PurePosixPath(member.filename).name)
        )
    ]
    if not photos:
        yield Upload(name, error=f"{name}: there is no photo in this zip; pack JPEG or PNG files")
    left = MAX_ZIP_BYTES
    for number, member in enumerate(photos):
        if number == MAX_MEMBERS or member.file_size > left:
            rest = len(photos) - number
            yield Upload(
                name,
                error=f"{name}: {rest:,} photos left out, the zip is too large; split it",
            )
            return
        upload = _member(archive, member)
        left -= len(upload.data)
        yield upload


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Upload:
    name = member.filename
    if member.file_size > DEFAULT_LIMITS.max_bytes:
        return Upload(name, error=f"{name}: too large; save it smaller")
    try:
        with archive.open(member) as file:
            # One byte more than allowed shows a header that lies about the size.
            data = file.read(DEFAULT_LIMITS.max_bytes + 1)
    except (RuntimeError, NotImplementedError):
        return Upload(name, error=f"{name}: encrypted or packed unusually; pack it as a plain zip")
    except Exception:  # noqa: BLE001  and so do its decompressors on damaged data
        return Upload(name, error=f"{name}: damaged in the zip; pack it again")
    if len(data) > DEFAULT_LIMITS.max_bytes:
        return Upload(name, error=f"{name}: too large; save it smaller")
    return Upload(name, data)
