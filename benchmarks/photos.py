"""The photos that are measured on."""

import zipfile
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

import numpy as np

from hangtag.catalogue import Catalogue, read_catalogue
from hangtag.photo_reader import PhotoReader
from hangtag.split import assign

KINDS = {"full-size": "full-size.zip", "small": "fashion-product-images-small.zip"}
"""Product photos as a shop has them (1080 × 1440 and 1800 × 2400), and 60 × 80 thumbnails."""


def unpack(data: Path, kind: str, folder: Path, most: int) -> list[Path]:
    """Unpack up to ``most`` photos of a kind, so that all ways read the same files."""
    paths = []
    with zipfile.ZipFile(data / KINDS[kind]) as archive:
        members = (name for name in archive.namelist() if name.endswith(".jpg"))
        for name in islice(members, most):
            path = folder / kind / Path(name).name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(archive.read(name))
            paths.append(path)
    return paths


def products(data: Path, split: str) -> tuple[Catalogue, PhotoReader, list[int]]:
    """The public catalogue, its photos (the larger ones where there are some), a part's rows."""
    catalogue = read_catalogue(data / KINDS["small"])
    larger = data / "larger.zip"
    reader = PhotoReader(catalogue, larger if larger.is_file() else None)
    rows = np.flatnonzero(assign(catalogue) == split).tolist()
    return catalogue, reader, [row for row in rows if reader.has(row)]


def repeated(paths: list[Path], count: int) -> Iterator[Path]:
    """The same photos again and again, until there are ``count``."""
    return islice(cycle(paths), count)
