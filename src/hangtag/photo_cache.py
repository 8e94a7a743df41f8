"""Decoded photos on disk: each is read and resized once, and memory-mapped from then on."""

import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hangtag.border import border
from hangtag.cache import cache_folder, fingerprint, kept, new_array
from hangtag.cut_out import cut_out
from hangtag.errors import HangtagError
from hangtag.photo import read_photo, to_input
from hangtag.progress import Progress
from hangtag.wearer import wearer

if TYPE_CHECKING:
    from hangtag.catalogue import Catalogue

_NEARLY_WHITE = 232
WEARER = 200
"""In the masks of cached photos: who wears the product, between 0 (background) and 255."""

_CHUNK = 256


@dataclass(frozen=True)
class PhotoCache:
    """The photos of a catalogue at one size.

    Attributes:
        pixels: uint8 (rows, h, w, 4), memory-mapped: RGB, and a mask that is 255 on the product,
            `WEARER` on who wears it (where the background is white) and 0 on the background (255
            everywhere if it can't be told from the product).
        readable: bool (rows,); the other rows' pixels are black.
    """

    pixels: np.ndarray
    readable: np.ndarray


def cached_photos(
    catalogue: "Catalogue",
    size: tuple[int, int],
    progress: Progress | None = None,
    *,
    cuts: bool = True,
    wearers: bool = True,
) -> PhotoCache:
    """Read all photos of a catalogue, from the cache where an earlier run has filled it.

    Args:
        catalogue: Rows without a photo, or with one that can't be read, become unreadable.
        size: Height and width in pixels.
        progress: Told about the decoding.
        cuts: Whether products are cut out where the background isn't white, which takes 30 ms
            each. Without it no background can be told there.
        wearers: Whether who wears a product is marked, which takes 1.4 ms each.

    Raises:
        HangtagError: The cache can't be written, e.g. because the disk is full.
    """
    file = cache_folder() / f"photos-{fingerprint(catalogue, size, cuts, wearers)}.npy"
    marks = file.with_suffix(".json")
    if not (file.exists() and marks.exists()):
        mask = partial(_mask, cuts=cuts, wearers=wearers)
        with kept(marks) as new_marks, kept(file) as new_file:
            new_marks.write_text(json.dumps(_fill(catalogue, size, mask, new_file, progress)))
    pixels = np.load(file, mmap_mode="r")
    readable = np.ones(len(pixels), bool)
    readable[json.loads(marks.read_text())] = False
    return PhotoCache(pixels, readable)


def _fill(
    catalogue: "Catalogue",
    size: tuple[int, int],
    mask: Callable[[np.ndarray], np.ndarray],
    file: Path,
    progress: Progress | None,
) -> list[int]:
    """Decode all photos into a file; returns the rows of those that can't be."""
    photos = catalogue.table["photo"].to_list()

    def decode(photo: str | None) -> np.ndarray | None:
        if photo is None:
            return None
        try:
            pixels = to_input(read_photo(catalogue.photo_bytes(photo), smallest=size), size)
        except HangtagError:
            return None
        return np.dstack([pixels, mask(pixels)])

    shape = (len(photos), *size, 4)
    pixels = new_array(file, shape, np.uint8)
    unreadable = []
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        row = 0
        for chunk in _chunks(photos):
            for decoded in pool.map(decode, chunk):
                if decoded is None:
                    unreadable.append(row)
                else:
                    pixels[row] = decoded
                row += 1
            if progress:
                progress("reading photos", row, len(photos))
    pixels.flush()
    return unreadable


def _chunks(photos: Sequence[str | None]) -> "list[list[str | None]]":
    source = iter(photos)
    return list(iter(lambda: list(islice(source, _CHUNK)), []))


def _mask(pixels: np.ndarray, *, cuts: bool, wearers: bool) -> np.ndarray:
    mask = product_mask(pixels)
    if mask.all():
        product = cut_out(pixels) if cuts else None
        return mask if product is None else np.where(product, mask, 0)
    if wearers:
        mask[wearer(pixels, mask > 0)] = WEARER
    return mask


def product_mask(pixels: np.ndarray) -> np.ndarray:
    """Tell the product from a white background: all nearly white pixels that touch the border.

    Args:
        pixels: uint8 (h, w, 3).

    Returns:
        uint8 (h, w): 0 on the background, 255 elsewhere; 255 everywhere when less than a third of
        the border is white, as in a photo that wasn't taken in a studio.
    """
    from scipy import ndimage

    white = pixels.min(axis=2) >= _NEARLY_WHITE
    if border(white).mean() < 1 / 3:
        return np.full(white.shape, 255, np.uint8)
    regions, _ = ndimage.label(white)
    outer = np.unique(border(regions))
    background = np.isin(regions, outer[outer > 0])
    return np.where(background, 0, 255).astype(np.uint8)
