"""Turning photos upright that lie on a side or stand on their head, before they are tagged.

EXIF says how a camera was held, but messengers strip it, and a shirt on the floor is photographed
from any side. The network's output ``orientation`` says which way up a photo seems to lie (after
Gidaris et al., "Unsupervised Representation Learning by Predicting Image Rotations", 2018). It
can't tell left from right, since it learnt from mirror images, too, and it errs on one photo in
ten. So where it doubts that a photo is upright, the photo is looked at from all four sides, and
what is seen of it from each of them is put together: that tells left from right, and errs far less.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from hangtag.photo import to_input

if TYPE_CHECKING:
    from hangtag.model import Orientation
    from hangtag.tagger import Output

SIDES = range(4)
"""The sides that a photo is looked at from, in quarter turns clockwise."""

SEEN_AS = np.array([0, 1, 2, 1])
"""Columns of the output ``orientation`` by quarter turns: upright, on a side, upside down."""


def turned(photo: np.ndarray, degrees: int) -> np.ndarray:
    """Turn a photo, (H, W, 3), clockwise by 0, 90, 180 or 270 degrees."""
    return np.ascontiguousarray(np.rot90(photo, -degrees // 90))


def turned_input(photo: np.ndarray, degrees: int) -> np.ndarray:
    """Turn what a network sees clockwise, and fit it into the network's input again.

    A photo that lies on a side came to its input with bars above and below; they are cut first, so
    that they make it no smaller than it has to be.

    Args:
        photo: uint8 (h, w, 3).
        degrees: 0, 90, 180 or 270.

    Returns:
        uint8 (h, w, 3).
    """
    if degrees in (90, 270):
        size = (photo.shape[0], photo.shape[1])
        return to_input(turned(_without_bars(photo), degrees), size)
    return turned(photo, degrees)


def _without_bars(photo: np.ndarray) -> np.ndarray:
    """Cut as many rows above as below if they hold one colour and nothing else."""
    bar = (photo == photo[0, 0]).all(axis=(1, 2))
    rows = 0 if bar.all() else min(bar.argmin(), bar[::-1].argmin())
    return photo[rows : len(photo) - rows]


def seen_from_all_sides(
    inputs: np.ndarray, as_they_are: np.ndarray, run: Callable[[np.ndarray], "Output"]
) -> "tuple[np.ndarray, list[Output]]":
    """Look at photos from the other sides, too.

    Args:
        inputs: uint8 (N, h, w, 3).
        as_they_are: float (N, 3), the network's output ``orientation`` of them.
        run: Runs the network.

    Returns:
        float (N, 4, 3): ``orientation`` of the photos turned clockwise by 0, 90, 180 and 270
        degrees; and all that the network says of them turned by the last three.
    """
    others = [run(np.stack([turned_input(one, 90 * side) for one in inputs])) for side in SIDES[1:]]
    return np.stack([as_they_are, *(one.orientation for one in others)], axis=1), others


def odds(orientation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Put together what was seen of photos from all sides.

    Args:
        orientation: float (N, 4, 3), from `seen_from_all_sides`.

    Returns:
        degrees: int (N,): by how much each should be turned clockwise.
        log_odds: float (N,): for this against all else, in nats, as if the four views were
            independent of each other and a photo lay on any side as often as upright.
    """
    # A photo that `cure` quarter turns set upright has `cure - side` of them left after `side`.
    sides = np.array(SIDES)
    left = SEEN_AS[(sides[:, np.newaxis] - sides) % len(SIDES)]
    evidence = orientation[:, sides, left].sum(axis=2)
    best = evidence.argmax(axis=1)
    others = np.where(sides == best[:, np.newaxis], -np.inf, evidence)
    return 90 * best, evidence.max(axis=1) - np.logaddexp.reduce(others, axis=1)


def upright(
    inputs: np.ndarray, run: Callable[[np.ndarray], "Output"], orientation: "Orientation"
) -> "tuple[Output, np.ndarray]":
    """Look at photos, and at those that don't seem upright from all sides.

    Args:
        inputs: uint8 (N, h, w, 3).
        run: Runs the network.
        orientation: From where on a photo is doubted, and turned.

    Returns:
        What the network says of the photos, of those that had to be turned after that; and
        int (N,): by how many degrees each was turned clockwise.
    """
    output = run(inputs)
    degrees = np.zeros(len(inputs), int)
    doubted = np.flatnonzero(output.orientation[:, 0] < orientation.doubted)
    if not len(doubted):
        return output, degrees
    seen, others = seen_from_all_sides(inputs[doubted], output.orientation[doubted], run)
    found, log_odds = odds(seen)
    degrees[doubted] = np.where(log_odds > orientation.threshold, found, 0)
    for side, other in zip(SIDES[1:], others, strict=True):
        chosen = degrees[doubted] == 90 * side
        output.overwrite(doubted[chosen], other, chosen)
    return output, degrees
