"""Finding who wears a garment, so that training can take the wearer away.

One shop shows adults' clothes worn and children's laid flat; a network that learns from it alone
takes whatever is laid flat for a child's. With the wearer gone it has to look at the garment.
"""

import numpy as np

_HIGHEST_FACE = 0.25
"""How far down the product, as a share of its height, a face's middle may lie."""

_OFF_CENTRE = 0.22
"""How far from the photo's middle, as a share of its width."""

_FACE = (0.002, 0.07)
"""Least and largest area of a face, as a share of the photo's."""

_OWN_TONE = 9
"""How far, in Cr and Cb, a pixel may be from the face's colour and still be this wearer's skin."""

_MOSTLY_SKIN = 0.4
"""Where more of the product than this has the face's colour, the garment may have it, too."""

_SHOULDERS = 1.6
"""How many times wider than the head the product is at the shoulders."""


def wearer(pixels: np.ndarray, product: np.ndarray) -> np.ndarray:
    """Mark skin, head and hair of a person in a photo.

    A patch of skin colour at the top is the face; other skin is what has this face's tone;
    whatever is above the shoulders is head. A rough cut: hair that falls over the shoulders stays.

    Args:
        pixels: uint8 (h, w, 3).
        product: bool (h, w), True where it isn't background.

    Returns:
        bool (h, w); nowhere True where no face is found.
    """
    from scipy import ndimage

    nobody = np.zeros_like(product)
    if product.all() or not product.any():
        return nobody
    width = product.shape[1]
    skin, cr, cb = _tones(pixels)
    skin &= product
    patches, count = ndimage.label(ndimage.binary_opening(skin))
    if not count:
        return nobody
    rows = np.flatnonzero(product.any(axis=1))
    top, tall = rows[0], rows[-1] + 1 - rows[0]
    numbers = np.arange(1, count + 1)
    areas = ndimage.sum_labels(skin, patches, numbers) / product.size
    down, across = np.array(ndimage.center_of_mass(skin, patches, numbers)).T
    faces = (areas > _FACE[0]) & (areas < _FACE[1]) & (down < top + _HIGHEST_FACE * tall)
    faces &= np.abs(across - width / 2) < _OFF_CENTRE * width
    if not faces.any():
        return nobody
    face = int(np.argmax(np.where(faces, areas, 0)))
    here = patches == face + 1
    bare = skin & (np.abs(cr - np.median(cr[here])) < _OWN_TONE)
    bare = ndimage.binary_opening(bare & (np.abs(cb - np.median(cb[here])) < _OWN_TONE))
    if bare.sum() > _MOSTLY_SKIN * product.sum():
        return nobody
    found = ndimage.binary_dilation(bare) & product
    across_product, middle = product.sum(axis=1), int(down[face])
    head = max(float(np.median(across_product[top : middle + 1])), 0.1 * width)
    shoulders = np.flatnonzero(across_product[middle:] > _SHOULDERS * head)
    if len(shoulders):
        above = middle + shoulders[0]
        found[:above] |= product[:above]
    return found


def skin_coloured(pixels: np.ndarray) -> np.ndarray:
    """Where a photo has the colour of skin, whatever it is: bool (h, w) of uint8 (h, w, 3).

    Ranges of Cr and Cb after Chai and Ngan, "Face segmentation using skin-color map", 1999.
    """
    return _tones(pixels)[0]


def _tones(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    red, green, blue = np.moveaxis(pixels.astype(np.float32), -1, 0)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    cr, cb = 0.713 * (red - luma) + 128, 0.564 * (blue - luma) + 128
    skin = (luma > 50) & (red > green) & (cr > 136) & (cr < 176) & (cb > 80) & (cb < 125)
    return skin, cr, cb
