"""The photo shows where the network looked, and stays as it is elsewhere."""

import io

import numpy as np
from PIL import Image

from hangtag.heat_map import heat_picture, lay_over

PHOTO = np.full((4, 6, 3), 100, np.uint8)


def test_the_photo_reddens_where_the_heat_is_and_nowhere_else():
    heat = np.zeros((4, 6), np.float32)
    heat[1, 2], heat[1, 3] = 0.5, 1
    laid = lay_over(PHOTO, heat)
    assert (laid[heat == 0] == 100).all()
    weak, strong = laid[1, 2].astype(int), laid[1, 3].astype(int)
    assert strong[0] > strong[1] and strong[0] > strong[2]
    assert weak[1] > strong[1]  # nearer to yellow


def test_heat_out_of_range_gives_colours_in_range():
    assert (lay_over(PHOTO, np.full((4, 6), 7.0)) == lay_over(PHOTO, np.ones((4, 6)))).all()


def test_the_picture_is_a_png_of_the_same_pixels():
    heat = np.linspace(0, 1, 24, dtype=np.float32).reshape(4, 6)
    picture = Image.open(io.BytesIO(heat_picture(PHOTO, heat)))
    assert picture.format == "PNG"
    assert (np.asarray(picture) == lay_over(PHOTO, heat)).all()
