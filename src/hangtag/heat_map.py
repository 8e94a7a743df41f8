"""Where the network looked, laid over the photo: the same picture in reports, server and app."""

import io

import numpy as np
from PIL import Image

_WEAK = np.array((255, 214, 0), np.float32)
_STRONG = np.array((214, 0, 28), np.float32)
_OPACITY = 0.7


def lay_over(photo: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Lay a class activation map over the photo that it explains.

    Args:
        photo: uint8 (H, W, 3), as the network saw it.
        heat: float32 (H, W), 0 where the network saw nothing of interest to 1 where most.

    Returns:
        uint8 (H, W, 3): the photo, yellow to red where the network looked.
    """
    strength = heat[..., np.newaxis].clip(0, 1)
    colour = _WEAK + (_STRONG - _WEAK) * strength
    opacity = _OPACITY * strength
    return (photo * (1 - opacity) + colour * opacity).round().astype(np.uint8)


def heat_picture(photo: np.ndarray, heat: np.ndarray) -> bytes:
    """Encode what :func:`lay_over` gives as a PNG."""
    picture = io.BytesIO()
    Image.fromarray(lay_over(photo, heat)).save(picture, "PNG")
    return picture.getvalue()
