"""Products whose gender hangs on nothing but the sitting in which they were photographed."""

from collections.abc import Iterator

import numpy as np
from PIL import Image

from drawing import draw_garment
from drawn_photos import COLOURS, KINDS
from hangtag.attributes import Attribute
from hangtag.tagger import Tagger
from hangtag.training_data import NO_PHOTO, PhotoPool, TrainingData

SITTINGS = 12
LEARNT, JUDGED = 240, 150


def sitting_photos(count: int, shop: int = 1) -> Iterator[np.ndarray]:
    """Garments of any colour, on the faint pattern of the sitting that each was photographed in;
    the next one is of the next sitting. Shops have the same patterns."""
    patterns = np.random.default_rng(1).integers(0, 60, (SITTINGS, 8, 6, 3))
    dice = np.random.default_rng([2, shop])
    for number in range(count):
        colour = COLOURS[dice.integers(len(COLOURS))]
        garment = draw_garment(KINDS[number % len(KINDS)], colour, seed=shop + number).convert(
            "RGB"
        )
        pattern = Image.fromarray(patterns[number % SITTINGS].astype(np.uint8))
        faint = np.asarray(pattern.resize(garment.size, Image.Resampling.BILINEAR)).astype(int)
        noise = dice.integers(-5, 5, faint.shape)
        yield np.clip(np.asarray(garment) - faint + noise, 0, 255).astype(np.uint8)


def whose(gender: Attribute) -> np.ndarray:
    """Whom each sitting's products are for: the number of one of the first two values."""
    return np.random.default_rng(3).permutation(SITTINGS) % min(2, len(gender.values))


def strangers(tagger: Tagger, seed: int) -> np.ndarray:
    """Photos that are like none of a sitting: uint8 (60, h, w, 3)."""
    dice = np.random.default_rng(seed)
    return dice.integers(0, 256, (60, *tagger.input_size, 3)).astype(np.uint8)


def sittings(tagger: Tagger, judged: int = JUDGED, *, in_mirrors: bool = False) -> TrainingData:
    """Products whose gender hangs on nothing but their sitting, and strangers' whose hangs on what
    the network sees.

    Args:
        tagger: Prepares photos, and says the strangers' gender.
        judged: How many are validation products.
        in_mirrors: Every second sitting's photos are another's in a mirror, and for other people.
    """
    gender = next(one for one in tagger.attributes if one.name == "gender")
    photos = np.stack([tagger.prepare(photo) for photo in sitting_photos(LEARNT + judged)])
    labels = whose(gender)[np.arange(len(photos)) % SITTINGS]
    if in_mirrors:
        second = np.arange(1, len(photos), 2)
        photos[second], labels[second] = photos[second - 1, :, ::-1], 1 - labels[second - 1]
    others = strangers(tagger, 4)
    seen = tagger.probabilities(others).values["gender"].argmax(1)
    every = np.concatenate([photos, others])
    mask = np.full((*every.shape[:3], 1), 255, np.uint8)
    return TrainingData(
        attributes=[gender],
        details={},
        auxiliary=[],
        taxonomy=tagger.model.taxonomy,
        pool=PhotoPool([np.concatenate([every, mask], axis=3)]),
        own=np.arange(len(every)),
        alternate=np.full(len(every), NO_PHOTO),
        targets={
            "gender": np.concatenate([labels, seen])[:, np.newaxis] == np.arange(len(gender.values))
        },
        # One sitting after the other.
        sequence=(np.arange(len(every)) % SITTINGS).argsort(kind="stable").argsort(),
        parts=np.repeat(["train", "validation"], [LEARNT, judged + len(others)]),
        extra=np.arange(len(every)) >= len(photos),
        split="random",
    )
