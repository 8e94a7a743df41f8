"""Pictures that the pages show: thumbnails, and heat maps laid over a photo."""

import base64
import io

import numpy as np
from PIL import Image

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
        activation: float32 (h, w), 0 to 1, over the network's input: the photo fitted into
            h × w pixels, centred, with borders where the proportions differ.

    Returns:
        A PNG of the photo's size.
    """
    inner = _without_borders(activation, picture.width / picture.height)
    heat = Image.fromarray(inner.astype(np.float32)).resize(picture.size, Image.Resampling.BICUBIC)
    return heat_picture(np.asarray(picture), np.asarray(heat))


def _without_borders(activation: np.ndarray, aspect: float) -> np.ndarray:
    height, width = activation.shape
    inner_height = min(height, max(1, round(width / aspect)))
    inner_width = min(width, max(1, round(height * aspect)))
    top, left = (height - inner_height) // 2, (width - inner_width) // 2
    return activation[top : top + inner_height, left : left + inner_width]
