"""Cutting a product out of its surroundings, so that training can show it as a studio would.

Phone photos show clothes on floors, beds and doors. A network that meets men's shirts laid flat
only there may not know them again on another shop's white.
"""

import numpy as np

from hangtag.border import border

_EDGE = 0.04
"""Share of each side, at the photo's edges, that is taken for surroundings at first."""

_ROUNDS = 4
_SMALLEST_PART = 0.25
"""Parts smaller than this share of the largest are crumbs of the floor."""

_AREA = (0.1, 0.75)
"""Least and largest share of the photo that a product takes."""

_AT_THE_EDGE = 0.2
"""Largest share of the edge that a product reaches, unless it's cropped or the cut went wrong."""

_IN_THE_MIDDLE = 0.5
"""Least share of the photo's middle ninth that a product covers."""


def cut_out(pixels: np.ndarray) -> np.ndarray | None:
    """Tell a product from whatever lies around it.

    GrabCut (Rother et al., 2004, by OpenCV), told only that the edges are surroundings; what it
    finds is smoothed, and believed where it has a product's size and place.

    Args:
        pixels: uint8 (h, w, 3), RGB.

    Returns:
        bool (h, w), True on the product; None where no cut can be believed.
    """
    import cv2
    from scipy import ndimage

    height, width = pixels.shape[:2]
    top, left = round(_EDGE * height), round(_EDGE * width)
    inside = (slice(top, height - top), slice(left, width - left))
    labels = np.zeros((height, width), np.uint8)
    window = (left, top, width - 2 * left, height - 2 * top)
    models = np.zeros((2, 1, 65))
    cv2.setRNGSeed(1)
    try:
        cv2.grabCut(
            np.ascontiguousarray(pixels[..., ::-1]), labels, window, models[0], models[1],
            _ROUNDS, cv2.GC_INIT_WITH_RECT,
        )  # fmt: skip
    except cv2.error:  # One colour only: nothing to tell apart.
        return None
    product = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
    product = ndimage.binary_fill_holes(ndimage.binary_closing(product, iterations=2))
    parts, count = ndimage.label(ndimage.binary_opening(product, iterations=2))
    if not count:
        return None
    areas = np.bincount(parts.ravel())[1:]
    product = np.isin(parts, 1 + np.flatnonzero(areas > _SMALLEST_PART * areas.max()))
    edge = border(product[inside])
    middle = product[height // 3 : 2 * height // 3, width // 3 : 2 * width // 3]
    fits = _AREA[0] < product.mean() < _AREA[1] and edge.mean() < _AT_THE_EDGE
    return product if fits and middle.mean() > _IN_THE_MIDDLE else None
