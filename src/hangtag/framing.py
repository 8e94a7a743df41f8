"""Which part of a photo the network sees, so that a shop's way of framing matters less.

Shops put the same shoe on square, upright or wide canvases, large or lost in white. Where the
border of a photo is empty, it is cut until the photo has the network's shape, instead of adding
bars; and what would stay tiny is brought nearer.
"""

from dataclasses import dataclass

import numpy as np

from hangtag.border import border

_SAMPLED = 64
"""Pixels of the longer side, at least, that are looked at."""

_BORDER_SAMPLED = 4096
"""Outermost pixels that are looked at, at least, where a photo has so many."""

_SAME, _OTHER = 14, 20
"""Levels of a channel: up to the first a pixel is background, above the second it is product."""

_EMPTY_BORDER = 0.7
"""Share of the outermost pixels that must be background."""

_MARGIN = 0.03
"""Share of the frame that stays free beside the product, where the photo leaves some free."""

_SPECK, _TINY, _ENLARGED = 0.05, 0.5, 0.7
"""Products whose larger side takes less than the second of the frame get the third; what takes less
than the first is no product."""


@dataclass(frozen=True)
class Frame:
    """A window into a photo, in its pixels; it may reach beyond the photo.

    Attributes:
        top: Of the window's first row; below 0 where it begins above the photo.
        left: The same across.
        height: Of the window.
        width: Of the window.
        background: uint8 (3,), the median of the photo's outermost pixels: what lies beyond it.
    """

    top: float
    left: float
    height: float
    width: float
    background: np.ndarray


def frame(photo: np.ndarray, shape: tuple[int, int]) -> Frame:
    """Choose what the network sees of a photo.

    The whole photo, centred, unless its border is empty: then as much of the border is cut as
    fits the shape without touching the product, and a product that fills less than half of the
    frame is enlarged.

    Args:
        photo: uint8 (H, W, 3).
        shape: Height and width, of which only the proportion counts.
    """
    sides = np.array(photo.shape[:2], float)
    outermost = border(photo)
    # A photo can be all border; to sort and compare millions of pixels says no more than some.
    outermost = outermost[:: max(1, len(outermost) // _BORDER_SAMPLED)]
    background = np.sort(outermost, axis=0)[len(outermost) // 2]
    ratios = sides / shape
    scale = ratios.max()
    middle = sides / 2
    product = _product(photo, outermost, background)
    if product is not None:
        start, end = product
        least = ((end - start) / shape).max()
        with_margin = np.minimum((end - start) / (1 - 2 * _MARGIN), sides)
        scale = min(scale, max(ratios.min(), (with_margin / shape).max()))
        if _SPECK < least / scale < _TINY:
            scale = least / _ENLARGED
        middle = _around(start, end, sides, scale * np.array(shape))
    window = scale * np.array(shape)
    top, left = middle - window / 2
    return Frame(float(top), float(left), float(window[0]), float(window[1]), background)


def _product(
    photo: np.ndarray, outermost: np.ndarray, background: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """First and last row and column of what isn't background; None where the border isn't empty."""
    if (_distance(outermost, background) <= _SAME).mean() < _EMPTY_BORDER:
        return None
    step = max(1, max(photo.shape[:2]) // _SAMPLED)
    differs = _distance(photo[::step, ::step], background) > _OTHER
    rows, columns = np.flatnonzero(differs.any(axis=1)), np.flatnonzero(differs.any(axis=0))
    if not len(rows):
        return None
    start = step * np.array([rows[0], columns[0]], float)
    end = np.minimum(step * np.array([rows[-1] + 1, columns[-1] + 1], float), photo.shape[:2])
    return start, end


def _distance(pixels: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """Largest difference of a channel: int16 (…) of uint8 (…, 3)."""
    red, green, blue = np.moveaxis(np.abs(pixels.astype(np.int16) - colour), -1, 0)
    return np.maximum(np.maximum(red, green), blue)


def _around(
    start: np.ndarray, end: np.ndarray, sides: np.ndarray, window: np.ndarray
) -> np.ndarray:
    """The window's middle: the photo's, moved no further than the product needs."""
    free = np.minimum((window - (end - start)) / 2, _MARGIN * window)
    middle = np.clip(sides / 2, end + free - window / 2, start - free + window / 2)
    return np.where(window < sides, middle, sides / 2)
