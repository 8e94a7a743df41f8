"""What counts as a copy of a photo, and what doesn't."""

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

from drawing import draw_garment
from hangtag.catalogue import read_catalogue
from hangtag.copies import copy_groups, find_copies, fingerprint


def pixels(kind: str, colour: str = "Red", seed: int = 0, **labels: str) -> np.ndarray:
    return np.asarray(draw_garment(kind, colour, seed=seed, **labels))


def saved_again(photo: np.ndarray, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer).convert("RGB"))


def groups(*photos: np.ndarray | None) -> list[int]:
    found = find_copies([None if photo is None else fingerprint(photo) for photo in photos])
    return found.group.tolist()


def test_same_pixels_are_exact_copies_however_many() -> None:
    shirt, shoe = pixels("Shirts"), pixels("Heels")
    found = find_copies([fingerprint(photo) for photo in (shirt, shoe, shirt, shirt)])
    assert found.exact == [[0, 2, 3]]
    assert found.near == []
    assert found.group.tolist() == [0, 1, 0, 0]
    assert found.group.dtype == np.int64


def test_a_photo_saved_lit_or_sized_otherwise_is_a_near_copy() -> None:
    shirt = np.asarray(draw_garment("Shirts", "Blue", size=(320, 240)))
    lit = np.asarray(ImageEnhance.Brightness(Image.fromarray(shirt)).enhance(0.85))
    small = np.asarray(Image.fromarray(shirt).resize((120, 160), Image.Resampling.BICUBIC))
    for other in (saved_again(shirt, 60), lit, small):
        found = find_copies([fingerprint(shirt), fingerprint(other)])
        assert found.exact == []
        assert [pair[:2] for pair in found.near] == [(0, 1)]
        assert found.group.tolist() == [0, 0]


def test_products_alike_are_no_copies() -> None:
    assert groups(
        pixels("Tshirts", "Red"),
        pixels("Tshirts", "Green"),
        pixels("Tshirts", "Red", seed=5),
        pixels("Tshirts", "Red", season="Winter"),
        pixels("Shirts", "Red"),
    ) == [0, 1, 2, 3, 4]


def test_one_differing_spot_keeps_products_apart() -> None:
    plain = pixels("Tshirts", "White")
    logo = plain.copy()
    logo[35:45, 25:35] = (200, 30, 30)
    assert groups(plain, logo) == [0, 1]


def test_copies_of_copies_are_one_group_named_by_its_first_row() -> None:
    shirt = np.asarray(draw_garment("Shirts", "Blue", size=(160, 120)))
    again = saved_again(shirt, 70)
    assert groups(pixels("Heels"), again, shirt, again) == [0, 1, 1, 1]


def test_rows_without_a_photo_are_nobodys_copy() -> None:
    shirt = pixels("Shirts")
    assert groups(None, shirt, None, shirt) == [0, 1, 2, 1]
    assert groups() == []
    assert groups(None) == [0]


def test_blank_photos_of_different_white_are_left_apart() -> None:
    blank = [np.full((80, 60, 3), shade, np.uint8) for shade in (255, 254, 255)]
    assert groups(*blank) == [0, 1, 0]


def test_a_catalogue_with_broken_and_missing_photos(tmp_path: Path) -> None:
    draw_garment("Shirts", "Blue").save(tmp_path / "a.png")
    draw_garment("Shirts", "Blue").save(tmp_path / "b.png")
    (tmp_path / "c.jpg").write_bytes(b"no photo")
    table = tmp_path / "table.csv"
    table.write_text("id,photo\n1,a.png\n2,c.jpg\n3,gone.jpg\n4,b.png\n")
    told: list[tuple[int, int]] = []
    found = copy_groups(read_catalogue(table), progress=lambda *numbers: told.append(numbers))
    assert found.group.tolist() == [0, 1, 2, 0]
    assert told[-1] == (4, 4)
