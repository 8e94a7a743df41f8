"""The order in which products came into a catalogue, as far as their ids tell.

Shops number products as they come; what was photographed in one sitting has numbers that follow
each other.
"""

import re
from collections.abc import Sequence

import numpy as np

_NUMBER = re.compile(r"(\d+)")


def sequence(ids: Sequence[str]) -> np.ndarray:
    """Places of products in the order of their ids, in which SKU-9 comes before SKU-10.

    Args:
        ids: Of products; where two are the same, the first one comes first.

    Returns:
        int64 (products,): 0 for the first.
    """
    order = sorted(range(len(ids)), key=lambda row: _natural(ids[row]))
    places = np.empty(len(ids), np.int64)
    places[order] = np.arange(len(ids))
    return places


def _natural(product: str) -> list[tuple[int, str]]:
    """Digits compare as numbers, before anything else."""
    parts = _NUMBER.split(product)
    return [
        (int(part), "") if odd else (-1, part)
        for odd, part in zip([False, True] * len(parts), parts, strict=False)
    ]
