"""Drawn garments as the part of training data that learning which way up photos lie asks for."""

import numpy as np

from drawing import draw_garment
from hangtag.tagger import Tagger
from hangtag.training_data import PhotoPool

KINDS = ("Tshirts", "Jeans", "Heels", "Caps", "Shirts")
COLOURS = ("Red", "Blue", "Black", "Green", "Yellow", "Pink")
_TRAINING = 240


class DrawnPhotos:
    """Training photos of garments, each with noise of its own, and some for validation."""

    def __init__(self, tagger: Tagger, validation: int) -> None:
        dice = np.random.default_rng(0)
        photos = []
        for number in range(_TRAINING + validation):
            kind, colour = KINDS[number % len(KINDS)], COLOURS[number % len(COLOURS)]
            photo = np.asarray(draw_garment(kind, colour).convert("RGB"))
            noisy = np.clip(photo + dice.integers(-12, 12, photo.shape), 0, 255)
            seen = tagger.prepare(noisy.astype(np.uint8))
            photos.append(np.dstack([seen, np.full(tagger.input_size, 255, np.uint8)]))
        self.pool = PhotoPool([np.stack(photos)])

    def kinds(self, part: str, *, extra: bool = True) -> list[np.ndarray]:
        every = np.arange(len(self.pool))
        return [every[_TRAINING:] if part == "validation" else every[:_TRAINING]]
