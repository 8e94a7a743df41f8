"""Cutting a product out of its surroundings, and showing it in a studio in training."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from hangtag.augmentation import Augmenter
from hangtag.catalogue import read_catalogue
from hangtag.cut_out import cut_out
from hangtag.photo_cache import cached_photos, product_mask
from hangtag.recipe import Augmentation

SHIRT = (176, 42, 48)


def on_a_floor(*, product: bool = True) -> np.ndarray:
    """A shirt on boards: uint8 (128, 96, 3)."""
    image = Image.new("RGB", (96, 128), (150, 110, 70))
    draw = ImageDraw.Draw(image)
    for board in range(0, 128, 16):
        draw.line((0, board, 96, board), fill=(90, 60, 35), width=2)
    if product:
        draw.polygon([(30, 30), (66, 30), (84, 50), (74, 60), (68, 54), (68, 104), (28, 104),
                      (28, 54), (22, 60), (12, 50)], fill=SHIRT)  # fmt: skip
    noise = np.random.default_rng(3).integers(-8, 9, (128, 96, 3))
    return np.clip(np.asarray(image, int) + noise, 0, 255).astype(np.uint8)


def test_a_shirt_is_told_from_the_floor() -> None:
    photo = on_a_floor()
    found = cut_out(photo)
    shirt = np.abs(photo.astype(int) - SHIRT).max(axis=2) < 20
    assert found is not None
    assert (found & shirt).sum() / (found | shirt).sum() > 0.9


@pytest.mark.parametrize(
    "photo",
    [
        np.full((128, 96, 3), 120, np.uint8),
        np.zeros((128, 96, 3), np.uint8),
        np.random.default_rng(1).integers(0, 256, (128, 96, 3)).astype(np.uint8),
        on_a_floor()[40:100, 30:66],
    ],
    ids=["grey", "black", "noise", "close-up"],
)
def test_where_nothing_stands_out_there_is_no_cut(photo: np.ndarray) -> None:
    assert cut_out(photo) is None


def test_cached_photos_are_cut_out_whatever_lies_around(tmp_path: Path) -> None:
    floor = on_a_floor()
    found = cut_out(floor)
    assert found is not None
    white = np.where(found[..., None], floor, 255).astype(np.uint8)
    for name, photo in (("a", floor), ("b", white), ("c", np.full_like(floor, 120))):
        Image.fromarray(photo).save(tmp_path / f"{name}.png")
    pixels = cached_photos(read_catalogue(tmp_path), (128, 96)).pixels
    shirts = pixels[:2, ..., 3] > 0
    assert (shirts == found).mean(axis=(1, 2)).min() > 0.97
    assert (pixels[2, ..., 3] == 255).all()


def test_where_training_shows_no_studio_nothing_is_cut_out(tmp_path: Path) -> None:
    Image.fromarray(on_a_floor()).save(tmp_path / "a.png")
    catalogue = read_catalogue(tmp_path)
    uncut = cached_photos(catalogue, (128, 96), cuts=False)
    assert (uncut.pixels[..., 3] == 255).all()
    assert (cached_photos(catalogue, (128, 96)).pixels[..., 3] == 0).any()


def shown(photo: np.ndarray, mask: np.ndarray, **changes: float) -> np.ndarray:
    """What training shows of a photo, with nothing else changed: uint8 (128, 96, 3)."""
    still = Augmentation(
        flip=False, zoom=(1, 1), stretch=0, rotation=0, shift=0, brightness=0, contrast=0,
        colour_cast=0, **changes,
    )  # fmt: skip
    photos = torch.from_numpy(np.dstack([photo, mask])[None])
    return Augmenter(still)(photos, (128, 96))[0].permute(1, 2, 0).round().byte().numpy()


def test_in_the_studio_the_floor_turns_pale_and_the_shirt_stays() -> None:
    photo = on_a_floor()
    found = cut_out(photo)
    assert found is not None
    studio = shown(photo, np.where(found, 255, 0).astype(np.uint8), studio=1.0)
    assert (studio[~found] > 190).all()
    assert (studio[60:100, 32:64] == photo[60:100, 32:64]).all()


def test_each_photo_is_shown_where_its_shop_did_not() -> None:
    floor = on_a_floor()
    found = cut_out(floor)
    assert found is not None
    from_floor = np.where(found, 255, 0).astype(np.uint8)
    assert (shown(floor, from_floor, background=1.0) == floor).all()
    white = np.where(found[..., None], floor, 255).astype(np.uint8)
    from_white = product_mask(white)
    assert (shown(white, from_white, studio=1.0) == white).all()
    assert (shown(white, from_white, background=1.0)[0, 0] != 255).any()


def test_products_from_floors_are_moved_to_other_floors_and_not_onto_other_products() -> None:
    photo = on_a_floor()
    found = cut_out(photo)
    assert found is not None
    mask = np.where(found, 255, 0).astype(np.uint8)
    grass = np.dstack([np.full((128, 96, 3), [20, 160, 20], np.uint8), np.zeros_like(mask)])
    grass[20:108, 20:76] = [220, 20, 20, 255]
    still = Augmentation(
        flip=False, zoom=(1, 1), stretch=0, rotation=0, shift=0, brightness=0, contrast=0,
        colour_cast=0, moved=1.0,
    )  # fmt: skip
    backgrounds = torch.from_numpy(np.repeat(grass[None], 4, axis=0))
    photos = torch.from_numpy(np.repeat(np.dstack([photo, mask])[None], 32, axis=0))
    torch.manual_seed(0)
    shown = Augmenter(still, backgrounds)(photos, (128, 96)).permute(0, 2, 3, 1).numpy()
    assert (np.abs(shown[:, 60:100, 32:64] - photo[60:100, 32:64]) < 1).all()
    red, green = shown[..., 0][:, ~found], shown[..., 1][:, ~found]
    grown = (np.abs(green - 160) < 25) & (red < 60)
    assert (grown.mean(1) > 0.6).sum() > 16
    assert (red - green > 100).mean() < 0.2


def test_shadows_darken_the_ground_near_the_product() -> None:
    photo = on_a_floor()
    found = cut_out(photo)
    assert found is not None
    mask = np.where(found, 255, 0).astype(np.uint8)
    around: dict[bool, list[float]] = {True: [], False: []}
    for seed in range(12):
        for shadow in (False, True):
            torch.manual_seed(seed)
            ground = shown(photo, mask, studio=1.0, shadow=0.5 * shadow).astype(int)
            near = ground[84:94, 22:26].mean()
            around[shadow].append(ground[:6, :6].mean() - near)
    assert max(map(abs, around[False])) < 1
    assert max(around[True]) > 8
    assert sum(fall < 1 for fall in around[True]) >= 3
