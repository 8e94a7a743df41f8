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


def turned(photo: np.ndarray, mask: np.ndarray, seed: int) -> np.ndarray:
    """How training shows a photo that lies on a side if it may: float (128, 96, 3)."""
    still = Augmentation(
        flip=False, zoom=(1, 1), stretch=0, rotation=0, shift=0, brightness=0, contrast=0,
        colour_cast=0, quarter_turn=1,
    )  # fmt: skip
    torch.manual_seed(seed)
    photos = torch.from_numpy(np.dstack([photo, mask])[None])
    return Augmenter(still)(photos, (128, 96))[0].permute(1, 2, 0).numpy()


def test_photos_from_elsewhere_may_lie_on_either_side_and_shop_photos_stand() -> None:
    photo = np.zeros((128, 96, 3), np.uint8)
    photo[:64] = [255, 0, 0]
    everything = np.full((128, 96), 255, np.uint8)
    sides = {
        tuple(np.argwhere(turned(photo, everything, seed)[64, :, 0] > 128)[0]) for seed in range(8)
    }
    assert sides == {(0,), (48,)}
    photo[:] = 255
    photo[:20, :48] = 0
    on_white = np.where(photo[..., 0] == 0, 255, 0).astype(np.uint8)
    assert np.abs(turned(photo, on_white, 0) - photo).max() < 1
