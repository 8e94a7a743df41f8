"""Counting in what a shop says of the products most like one.

Many products of a shop have siblings: the same shoe in another colour, the next shirt of a series,
photographed in one sitting. Their labels tell more of a product than its photo does, above all of
whom and what season it's for. So the training products whose photos are nearest vote, beside the
network, the more the nearer they are (after Nakata et al., "Revisiting a kNN-based Image
Classification System with High-capacity Storage", 2022). Photos of another shop are near to none
and hear little of it. `hangtag.neighbours` says how nearness is measured.

A product may look like many and be a sibling of none, as the first of a new season. So votes also
count by how much they agree with each other and with the network, and by how sure that is.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from hangtag.calibration import softmax

if TYPE_CHECKING:
    from hangtag.model import Neighbours

_LEAST = 1e-7
"""The probability of what neither network nor neighbours think of."""

_FAINT = 1e-4
"""A smaller probability, or one as near to 1, tells no more of what votes are worth."""


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
        nearness: float32 (N,): of the nearest, within -1.5 and 1.5.
        neighbours: How much they count.

    Returns:
        float32 (N, values) by attribute: the mixtures' log-probabilities, other logits as they are.
    """
    mixed = dict(logits)
    for name, (start, *slopes) in neighbours.log_odds.items():
        if name in logits:
            said = softmax(logits[name])
            tells = evidence(said, votes[name], nearness)[:, : len(slopes)]
            share = share_of_votes(start + tells @ np.array(slopes))[:, np.newaxis]
            known = votes[name].sum(axis=1, keepdims=True)
            mixture = (1 - share * known) * said + share * votes[name]
            mixed[name] = np.log(np.maximum(mixture, _LEAST)).astype(np.float32)
    return mixed


def evidence(said: np.ndarray, votes: np.ndarray, nearness: np.ndarray) -> np.ndarray:
    """What tells how much votes are worth: float (N, 4).

    These are the nearness; the log-odds of the value that has most votes, and of the one that the
    network finds likeliest; and the log of how probably the network and a neighbour say the same.

    Args:
        said: float32 (N, values): the network's probabilities.
        votes: float32 (N, values).
        nearness: float32 (N,).
    """
    same = np.log(np.maximum((said * votes).sum(axis=1), _FAINT))
    return np.stack([nearness, _odds(votes.max(axis=1)), _odds(said.max(axis=1)), same], axis=1)


def _odds(probability: np.ndarray) -> np.ndarray:
    within = np.clip(probability, _FAINT, 1 - _FAINT)
    return np.log(within / (1 - within))


def share_of_votes(log_odds: np.ndarray) -> np.ndarray:
    """How much of the whole the votes make, 0 to 1, of log-odds of any shape."""
    return 1 / (1 + np.exp(-np.clip(log_odds, -50, 50)))
