"""Pictures that the pages show: thumbnails, and heat maps laid over a photo."""

import base64
import io

import numpy as np
from PIL import Image

from hangtag.framing import frame
from hangtag.heat_map import heat_picture

THUMBNAIL = 320
"""Longer side of a thumbnail in pixels: sharp at the width of a card."""

LARGE = 900
"""Longer side of the photo that a person looks at closely."""

_JPEG_QUALITY = 82


def shrink(photo: np.ndarray, longest: int) -> Image.Image:
    """Fit a photo, uint8 (H, W, 3), into a square of ``longest`` pixels; never enlarged."""
    picture = Image.fromarray(photo)
    picture.thumbnail((longest, longest), Image.Resampling.LANCZOS, reducing_gap=3.0)
    return picture


def jpeg(picture: Image.Image) -> bytes:
    """Encode a picture as JPEG."""
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=_JPEG_QUALITY, optimize=True)
    return out.getvalue()


def data_uri(encoded: bytes) -> str:
    """Put a JPEG into an address that needs no request."""
    return "data:image/jpeg;base64," + base64.b64encode(encoded).decode("ascii")


def heat_map(picture: Image.Image, activation: np.ndarray) -> bytes:
    """Lay a class activation map over the photo that it explains.

    Args:
        picture: The photo, RGB, in any size.
        activation: float32 (h, w), 0 to 1, over the network's input: what `hangtag.framing` chose
            of the photo, in h × w pixels.

    Returns:
        A PNG of the photo's size.
    """
    pixels = np.asarray(picture)
    seen = frame(pixels, (activation.shape[0], activation.shape[1]))
    window = (max(1, round(seen.width)), max(1, round(seen.height)))
    heat = Image.fromarray(activation.astype(np.float32))
    placed = Image.new("F", picture.size)
    corner = (round(seen.left), round(seen.top))
    placed.paste(heat.resize(window, Image.Resampling.BICUBIC), corner)
    return heat_picture(pixels, np.asarray(placed))
