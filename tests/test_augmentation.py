"""What training does to photos, beside cutting out and undressing."""

import numpy as np
import torch

from hangtag.augmentation import Augmenter
from hangtag.recipe import Augmentation

CHECKS = np.kron(np.indices((16, 12)).sum(0) % 2, np.ones((8, 8))).astype(np.uint8) * 255


def softened(seed: int, *, jpeg: float) -> np.ndarray:
    """How training shows a chessboard that loses detail: float (128, 96, 3)."""
    still = Augmentation(
        flip=False, zoom=(1, 1), stretch=0, rotation=0, shift=0, brightness=0, contrast=0,
        colour_cast=0, soften=1, jpeg=jpeg,
    )  # fmt: skip
    photo = np.dstack([CHECKS, CHECKS // 2, 255 - CHECKS, np.full_like(CHECKS, 255)])
    torch.manual_seed(seed)
    return Augmenter(still)(torch.from_numpy(photo[None]), (128, 96))[0].permute(1, 2, 0).numpy()


def test_poor_files_have_the_blocks_of_jpegs_and_the_colours_of_the_photo() -> None:
    for seed in range(5):
        plain, poor = softened(seed, jpeg=0), softened(seed, jpeg=1)
        assert 3 < np.abs(plain - poor).mean() < 40
        assert np.abs(plain.mean((0, 1)) - poor.mean((0, 1))).max() < 6


def laid(
    photo: np.ndarray, mask: np.ndarray, quarter: float, *, flip: bool = False, free: float = 0
) -> np.ndarray:
    """How training shows sixteen of a photo, of which some are turned: (16, 128, 96, 3)."""
    still = Augmentation(
        flip=flip, zoom=(1, 1), stretch=0, rotation=0, shift=0, brightness=0, contrast=0,
        colour_cast=0, quarter_turn=quarter, any_turn=free,
    )  # fmt: skip
    torch.manual_seed(0)
    photos = torch.from_numpy(np.repeat(np.dstack([photo, mask])[None], 16, axis=0))
    return Augmenter(still)(photos, (128, 96)).permute(0, 2, 3, 1).numpy()


def corners(shown: np.ndarray) -> set[tuple[bool, ...]]:
    """In which corners of what a photo shows there is red, of photos (N, 128, 96, 3)."""
    inner = shown[:, [[36, 36], [91, 91]], [[8, 87], [8, 87]], 0] > 128
    return {tuple(bool(one) for one in photo.ravel()) for photo in inner}


def test_photos_from_elsewhere_may_lie_on_either_side_and_shop_photos_stand() -> None:
    photo, everything = np.zeros((128, 96, 3), np.uint8), np.full((128, 96), 255, np.uint8)
    photo[:40, :30] = [255, 0, 0]
    left, right = (False, False, True, False), (False, True, False, False)
    assert corners(laid(photo, everything, 1)) == {left, right}
    assert len(corners(laid(photo, everything, 1, flip=True))) == 4
    standing = np.abs(laid(photo, everything, 0.5) - photo).max((1, 2, 3)) < 1
    assert 3 < standing.sum() < 13
    photo[:] = 255
    photo[:20, :48] = 0
    on_white = np.where(photo[..., 0] == 0, 255, 0).astype(np.uint8)
    assert np.abs(laid(photo, on_white, 1) - photo).max() < 1


def test_photos_from_elsewhere_may_lie_in_any_direction_and_shop_photos_stand() -> None:
    rows, columns = np.indices((128, 96))
    photo = np.zeros((128, 96, 3), np.uint8)
    photo[(np.abs(columns - 48) < 8) & (rows < 64)] = [255, 0, 0]
    everything = np.full((128, 96), 255, np.uint8)
    pointing = set()
    for shown in laid(photo, everything, 0, free=1):
        below, beside = np.argwhere(shown[..., 0] > 128).mean(0) - [63.5, 47.5]
        pointing.add(round(np.degrees(np.arctan2(below, beside)) / 45))
    assert len(pointing) > 5
    photo[photo[..., 0] == 0] = 255
    on_white = np.where(photo[..., 1] == 0, 255, 0).astype(np.uint8)
    assert np.abs(laid(photo, on_white, 0, free=1) - photo).max() < 1


def plainly(photo: np.ndarray, **changes: float) -> np.ndarray:
    """How training shows forty of a photo that isn't changed otherwise: (40, 128, 96, 3)."""
    still = Augmentation(
        flip=False, zoom=(1, 1), stretch=0, rotation=0, shift=0, brightness=0, contrast=0,
        colour_cast=0,
    )  # fmt: skip
    torch.manual_seed(0)
    photos = np.repeat(np.dstack([photo, np.full(photo.shape[:2], 255, np.uint8)])[None], 40, 0)
    augment = Augmenter(still.model_copy(update=changes))
    return augment(torch.from_numpy(photos), (128, 96)).permute(0, 2, 3, 1).numpy()


def test_some_photos_show_the_product_twice() -> None:
    photo = np.full((128, 96, 3), 255, np.uint8)
    photo[44:84, 20:40] = [200, 0, 0]
    shown = plainly(photo, paired=0.5)
    alone = np.abs(shown - photo).max((1, 2, 3)) < 1
    assert 8 < alone.sum() < 32
    twice = shown[~alone]
    assert (twice[:, :30] == 255).all() and (twice[:, -30:] == 255).all()
    red = twice[..., 1] < 128
    assert red[:, :, :48].any((1, 2)).all()
    beside = red[:, :, 48:].mean((1, 2))
    assert beside.min() < 0.04 < beside.max()


def test_parts_of_some_photos_are_hidden() -> None:
    photo = np.full((128, 96, 3), [10, 200, 90], np.uint8)
    shown = plainly(photo, covered=0.5)
    hidden = (np.abs(shown - photo).max(-1) > 1).mean((1, 2))
    assert 8 < (hidden > 0).sum() < 32
    assert hidden.max() < 0.21


def test_words_and_badges_are_printed_over_some_photos() -> None:
    photo = np.full((128, 96, 3), [10, 120, 200], np.uint8)
    printed = (np.abs(plainly(photo, marked=0.5) - photo).max(-1) > 8).mean((1, 2))
    assert 8 < (printed > 0).sum() < 32
    assert printed.max() < 0.6


def test_words_let_the_product_shine_through_and_badges_dont() -> None:
    dark, light = (np.full((128, 96, 3), level, np.uint8) for level in (20, 235))
    apart = (plainly(light, marked=1) - plainly(dark, marked=1))[..., 0] / (235 - 20)
    hidden = (apart < 0.01).mean((1, 2))
    badges = hidden > 0.01
    assert 3 < badges.sum() < 25
    assert hidden[badges].max() < 0.2
    assert apart[~badges].min() > 0.2
