"""Counting in what a shop says of the products most like one.

Many products of a shop have siblings: the same shoe in another colour, the next shirt of a series,
photographed in one sitting. Their labels tell more of a product than its photo does, above all of
whom and what season it's for. So the training products whose photos are nearest vote, beside the
network, the more the nearer they are (after Nakata et al., "Revisiting a kNN-based Image
Classification System with High-capacity Storage", 2022). Photos of another shop are near to none
and hear little of it. `hangtag.neighbours` says how nearness is measured.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from hangtag.calibration import softmax

if TYPE_CHECKING:
    from hangtag.model import Neighbours

_LEAST = 1e-7
"""The probability of what neither network nor neighbours think of."""


def counted_in(
    logits: Mapping[str, np.ndarray],
    votes: Mapping[str, np.ndarray],
    nearness: np.ndarray,
    neighbours: "Neighbours",
) -> dict[str, np.ndarray]:
    """Mix what a network says with its photos' neighbours' votes.

    Args:
        logits: float32 (N, values) by attribute.
        votes: float32 (N, values) for those of ``neighbours``: each row sums to the share of the
            neighbours whose label is known, 0 to 1.
        nearness: float32 (N,): of the nearest, -1 to 1.
        neighbours: How much they count.

    Returns:
        float32 (N, values) by attribute: the mixtures' log-probabilities, other logits as they are.
    """
    mixed = dict(logits)
    for name, (start, slope) in neighbours.log_odds.items():
        if name in logits:
            share = share_of_votes(start + slope * nearness)[:, np.newaxis]
            known = votes[name].sum(axis=1, keepdims=True)
            mixture = (1 - share * known) * softmax(logits[name]) + share * votes[name]
            mixed[name] = np.log(np.maximum(mixture, _LEAST)).astype(np.float32)
    return mixed


def share_of_votes(log_odds: np.ndarray) -> np.ndarray:
    """How much of the whole the votes make, 0 to 1, of log-odds of any shape."""
    return 1 / (1 + np.exp(-np.clip(log_odds, -50, 50)))
