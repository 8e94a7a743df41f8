"""What the network sees of photos that shops frame differently."""

import tracemalloc

import numpy as np
import pytest

from hangtag.framing import frame
from hangtag.photo import to_input

SIZE = (128, 96)
WHITE, RED = (255, 255, 255), (200, 20, 30)


def photo(
    shape: tuple[int, int],
    rows: tuple[int, int],
    columns: tuple[int, int],
    background: tuple[int, int, int] = WHITE,
) -> np.ndarray:
    pixels = np.full((*shape, 3), background, np.uint8)
    pixels[slice(*rows), slice(*columns)] = RED
    return pixels


def extent(made: np.ndarray) -> tuple[int, int]:
    """Height and width of what is red."""
    red = (made[..., 0] > 120) & (made[..., 1] < 120)
    return int(red.any(axis=1).sum()), int(red.any(axis=0).sum())


@pytest.mark.parametrize("shape", [(400, 600), (400, 400), (400, 300)])
@pytest.mark.parametrize("background", [WHITE, (60, 70, 80)])
def test_a_product_has_its_size_on_canvases_of_any_shape(
    shape: tuple[int, int], background: tuple[int, int, int]
) -> None:
    left = shape[1] // 2 - 80
    made = to_input(photo(shape, (40, 360), (left, left + 160), background), SIZE)
    assert extent(made) == pytest.approx((102, 51), abs=2)


@pytest.mark.parametrize("left", [2, 120, 430])
def test_a_product_beside_the_middle_is_not_cut(left: int) -> None:
    made = to_input(photo((400, 600), (40, 360), (left, left + 160)), SIZE)
    assert extent(made) == pytest.approx((102, 51), abs=2)


@pytest.mark.parametrize("top", [10, 200, 350])
def test_a_tiny_product_is_brought_nearer(top: int) -> None:
    made = to_input(photo((400, 300), (top, top + 40), (100, 130)), SIZE)
    assert extent(made) == pytest.approx((90, 67), abs=5)


def test_a_speck_is_not_blown_up() -> None:
    made = to_input(photo((400, 300), (200, 208), (150, 158)), SIZE)
    assert max(extent(made)) < 8


def test_a_wide_product_stays_whole() -> None:
    made = to_input(photo((300, 600), (120, 180), (0, 600)), SIZE)
    assert extent(made) == pytest.approx((10, 96), abs=1)


def test_a_photo_whose_border_is_not_empty_is_shown_whole() -> None:
    striped = photo((400, 600), (0, 400), (0, 300))
    made = to_input(striped, SIZE)
    assert extent(made) == pytest.approx((64, 48), abs=1)


def test_a_garment_cut_by_the_lower_edge_loses_the_sides_alone() -> None:
    made = to_input(photo((400, 400), (40, 400), (120, 280)), SIZE)
    assert extent(made) == pytest.approx((115, 51), abs=2)


def test_specks_of_compression_do_not_hold_the_border() -> None:
    noisy = photo((400, 600), (40, 360), (220, 380)).astype(int)
    noisy += np.random.default_rng(1).integers(-6, 7, noisy.shape)
    made = to_input(noisy.clip(0, 255).astype(np.uint8), SIZE)
    assert extent(made) == pytest.approx((102, 51), abs=2)


def test_a_photo_that_is_all_border_costs_no_more_than_its_border() -> None:
    strip = np.full((1, 2_000_000, 3), WHITE, np.uint8)
    tracemalloc.start()
    seen = frame(strip, SIZE)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 2.5 * strip.nbytes  # the border has each of its pixels twice
    assert tuple(seen.background) == WHITE
