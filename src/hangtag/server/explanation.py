"""Where the network looked, as a picture."""

import io

import numpy as np
from PIL import Image

_WEAK = np.array((255, 214, 0), np.float32)
_STRONG = np.array((214, 0, 28), np.float32)
_OPACITY = 0.7


def heat_picture(photo: np.ndarray, heat: np.ndarray) -> bytes:
    """Lay a class activation map over the photo that it explains.

    Args:
        photo: uint8 (H, W, 3), as the network saw it.
        heat: float32 (H, W), 0 where the network saw nothing of interest to 1 where most.

    Returns:
        A PNG of the same size: the photo, yellow to red where the network looked.
    """
    strength = heat[..., np.newaxis].clip(0, 1)
    colour = _WEAK + (_STRONG - _WEAK) * strength
    opacity = _OPACITY * strength
    blended = photo * (1 - opacity) + colour * opacity
    picture = io.BytesIO()
    Image.fromarray(blended.round().astype(np.uint8)).save(picture, "PNG")
    return picture.getvalue()
