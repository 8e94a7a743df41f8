"""The products that a photo is compared to, and their votes, as part of a model's graph."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from hangtag.graph_outputs import Bank, add_neighbours, remove_neighbours

_NEAREST = 10
"""How many of its nearest products tell how crowded it is around one."""

_CHUNK = 1000
"""Products at a time that are compared to all."""


def bank_of(looks: np.ndarray, targets: Mapping[str, np.ndarray], count: int) -> Bank:
    """The bank of products with their labels.

    Args:
        looks: float32 (M, d): the graph's output ``look`` for the products' photos.
        targets: bool (M, values) by attribute: the values that the products' labels allow.
        count: How many of the nearest vote.
    """
    codes = looks > 0
    return Bank(
        codes=codes,
        crowding=_crowding(looks, codes),
        labels={name: _only_values(allowed) for name, allowed in targets.items()},
        values={name: allowed.shape[1] for name, allowed in targets.items()},
        count=count,
    )


def set_bank(file: Path, bank: Bank) -> None:
    """Let a bank's products vote in place of those that vote in a graph, if any do.

    Args:
        file: Graph with the output ``look``; written anew.
        bank: What to compare photos to.
    """
    remove_neighbours(file)
    add_neighbours(file, bank)


def _crowding(looks: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """The mean cosine of each look (M, d) and its nearest codes but its own: float32 (M,)."""
    count = min(_NEAREST, len(looks) - 1)
    if not count:
        return np.zeros(len(looks), np.float32)
    signs = np.where(codes, 1, -1).T.astype(np.float32) / codes.shape[1] ** 0.5
    crowding = np.empty(len(looks), np.float32)
    for start in range(0, len(looks), _CHUNK):
        rows = np.arange(start, min(start + _CHUNK, len(looks)))
        cosines = looks[rows] @ signs
        cosines[np.arange(len(rows)), rows] = -1
        crowding[rows] = np.partition(cosines, -count, axis=1)[:, -count:].mean(axis=1)
    return crowding


def _only_values(allowed: np.ndarray) -> np.ndarray:
    """The number of the only value that a row, bool (N, C), allows; C where there isn't one."""
    return np.where(allowed.sum(axis=1) == 1, allowed.argmax(axis=1), allowed.shape[1])
