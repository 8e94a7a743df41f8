"""Drawn garments as training data: all that fitting something to a trained network asks for."""

from collections.abc import Mapping, Sequence

import numpy as np

from drawing import draw_garment
from hangtag.attributes import Attribute, Taxonomy
from hangtag.tagger import Tagger
from hangtag.training_data import NO_PHOTO, PhotoPool, TrainingData

KINDS = ("Tshirts", "Jeans", "Heels", "Caps", "Shirts")
COLOURS = ("Red", "Blue", "Black", "Green", "Yellow", "Pink")
_TRAINING = 240


def noisy_input(tagger: Tagger, photo: np.ndarray, dice: np.random.Generator) -> np.ndarray:
    """A photo with noise of its own as the cache holds it: uint8 (h, w, 4), all of it product."""
    noisy = np.clip(photo + dice.integers(-12, 12, photo.shape), 0, 255)
    seen = tagger.prepare(noisy.astype(np.uint8))
    return np.dstack([seen, np.full(tagger.input_size, 255, np.uint8)])


def drawn_photos(tagger: Tagger, validation: int) -> TrainingData:
    """Training photos of garments, each with noise of its own, and some for validation."""
    dice = np.random.default_rng(0)
    photos = []
    for number in range(_TRAINING + validation):
        kind, colour = KINDS[number % len(KINDS)], COLOURS[number % len(COLOURS)]
        photo = np.asarray(draw_garment(kind, colour).convert("RGB"))
        photos.append(noisy_input(tagger, photo, dice))
    return as_training_data(photos, _TRAINING)


def as_training_data(
    photos: Sequence[np.ndarray],
    learnt: int,
    attributes: Sequence[Attribute] = (),
    targets: Mapping[str, np.ndarray] | None = None,
) -> TrainingData:
    """Products of one photo each, from `noisy_input`: the first ``learnt`` train, others judge."""
    return TrainingData(
        attributes=[*attributes],
        details={},
        auxiliary=[],
        taxonomy=Taxonomy(),
        pool=PhotoPool([np.stack(photos)]),
        own=np.arange(len(photos)),
        alternate=np.full(len(photos), NO_PHOTO),
        targets=dict(targets or {}),
        sequence=np.arange(len(photos)),
        parts=np.repeat(["train", "validation"], [learnt, len(photos) - learnt]),
        extra=np.zeros(len(photos), bool),
        split="random",
    )
