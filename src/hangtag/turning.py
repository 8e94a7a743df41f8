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

SIDES = 4
"""From how many sides a photo is looked at."""

SEEN_AS = np.array([0, 1, 2, 1])
"""Columns of the output ``orientation`` by quarter turns: upright, on a side, upside down."""


def turned(photo: np.ndarray, degrees: int) -> np.ndarray:
    """Turn a photo, (H, W, 3), clockwise by a multiple of 90 degrees."""
    return np.ascontiguousarray(np.rot90(photo, -degrees // 90))


def turned_input(photo: np.ndarray, degrees: int) -> np.ndarray:
    """Turn what a network sees, uint8 (h, w, 3), clockwise, and fit it into its input again."""
    return to_input(turned(photo, degrees), (photo.shape[0], photo.shape[1]))


def from_other_sides(inputs: np.ndarray) -> np.ndarray:
    """Turn what a network sees by 90, 180 and 270 degrees.

    Args:
        inputs: uint8 (N, h, w, 3).

    Returns:
        uint8 (3 N, h, w, 3): all of them turned clockwise by 90 degrees, then by 180, then by 270.
    """
    return np.stack([turned_input(one, 90 * side) for side in range(1, SIDES) for one in inputs])


def together(orientation: np.ndarray, from_others: np.ndarray) -> np.ndarray:
    """Lay out what the network says of photos by the sides that they were seen from.

    Args:
        orientation: float (N, 3), of the photos as they are.
        from_others: float (3 N, 3), of `from_other_sides`.

    Returns:
        float (N, 4, 3).
    """
    return np.concatenate([orientation, from_others]).reshape(SIDES, -1, 3).swapaxes(0, 1)


def odds(orientation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Put together what was seen of photos from all sides.

    Args:
        orientation: float (N, 4, 3): what the network says of N photos as they are and turned
            clockwise by 90, 180 and 270 degrees.

    Returns:
        degrees: int (N,): by how much each should be turned clockwise.
        log_odds: float (N,): for this against all else, in nats.
    """
    sides = np.arange(SIDES)
    # A photo that a turn by `cure` sets upright has `cure - side` quarter turns left after `side`.
    left = SEEN_AS[(sides[:, np.newaxis] - sides) % SIDES]
    evidence = orientation[:, sides, left].sum(axis=2)
    best = evidence.argmax(axis=1)
    others = np.where(np.arange(SIDES) == best[:, np.newaxis], -np.inf, evidence)
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
    others = run(from_other_sides(inputs[doubted]))
    sides = together(output.orientation[doubted], others.orientation)
    found, log_odds = odds(sides)
    degrees[doubted] = np.where(log_odds > orientation.threshold, found, 0)
    chosen = np.flatnonzero(degrees[doubted])
    side = degrees[doubted][chosen] // 90
    output.replace(doubted[chosen], others, (side - 1) * len(doubted) + chosen)
    return output, degrees
