"""Finding who wears a garment, and taking the wearer away in training."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from hangtag.augmentation import Augmenter
from hangtag.photo_cache import WEARER, product_mask
from hangtag.recipe import Augmentation
from hangtag.wearer import wearer

SKIN, HAIR, SHIRT = (222, 170, 140), (40, 30, 28), (30, 80, 160)
FACE, ARM, CHEST, CROWN = (24, 48), (80, 21), (70, 48), (13, 48)
"""Rows and columns of points on the figure."""


def figure(shirt: tuple[int, int, int] = SHIRT, *, head: bool = True) -> np.ndarray:
    image = Image.new("RGB", (96, 128), "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((28, 44, 68, 120), fill=shirt)
    if head:
        draw.rectangle((18, 50, 26, 100), fill=SKIN)
        draw.rectangle((70, 50, 78, 100), fill=SKIN)
        draw.ellipse((38, 8, 58, 44), fill=HAIR)
        draw.ellipse((41, 16, 55, 42), fill=SKIN)
    return np.asarray(image)


def found(pixels: np.ndarray) -> np.ndarray:
    return wearer(pixels, product_mask(pixels) > 0)


def test_head_hair_and_arms_are_the_wearer_and_the_shirt_is_not() -> None:
    marked = found(figure())
    assert marked[FACE]
    assert marked[ARM]
    assert marked[CROWN]
    assert not marked[46:, 30:66].any()


@pytest.mark.parametrize(
    "pixels",
    [
        figure(head=False),
        figure(SKIN, head=False),
        np.full((128, 96, 3), 255, np.uint8),
        np.full((128, 96, 3), SKIN, np.uint8),
    ],
    ids=["nobody", "a garment of skin colour", "white", "skin colour everywhere"],
)
def test_without_a_face_there_is_nobody(pixels: np.ndarray) -> None:
    assert not found(pixels).any()


def test_a_garment_as_light_as_its_wearer_is_left_alone() -> None:
    assert not found(figure(SKIN)).any()


def undressed(wearing: float, *, worn: bool) -> np.ndarray:
    """What training shows of the figure: uint8 (128, 96, 3), nothing else changed."""
    pixels = figure()
    mask = product_mask(pixels)
    mask[found(pixels)] = WEARER
    still = Augmentation(
        flip=False, zoom=(1, 1), stretch=0, rotation=0, shift=0, brightness=0, contrast=0,
        colour_cast=0, wearer=wearing,
    )  # fmt: skip
    photos = torch.from_numpy(np.dstack([pixels, mask])[None])
    changed = Augmenter(still)(photos, (128, 96), torch.tensor([worn]))
    return changed[0].permute(1, 2, 0).round().byte().numpy()


def test_the_wearer_turns_white_and_the_garment_stays() -> None:
    shown = undressed(1.0, worn=True)
    for point in (FACE, ARM, CROWN):
        assert (shown[point] > 250).all()
    assert (shown[48:118, 32:64] == SHIRT).all()


@pytest.mark.parametrize(("wearing", "worn"), [(0.0, True), (1.0, False)])
def test_nobody_is_taken_from_other_products(wearing: float, worn: bool) -> None:
    assert (undressed(wearing, worn=worn) == figure()).all()
