"""The products that a photo is compared to, and their votes, as part of a model's graph."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from hangtag.graph_outputs import Bank, add_neighbours, remove_neighbours


def set_bank(
    file: Path,
    looks: np.ndarray,
    targets: Mapping[str, np.ndarray],
    count: int,
    *,
    passed_over: int = 0,
) -> None:
    """Let products vote in place of those that vote in a graph, if any do.

    Args:
        file: Graph with the output ``look``; written anew.
        looks: float32 (M, d): that output for the products' photos.
        targets: bool (M, values) by attribute: the values that the products' labels allow.
        count: How many of the nearest vote.
        passed_over: See `hangtag.graph_outputs.Bank`.
    """
    remove_neighbours(file)
    bank = Bank(
        codes=looks > 0,
        labels={name: _only_values(allowed) for name, allowed in targets.items()},
        values={name: allowed.shape[1] for name, allowed in targets.items()},
        count=count,
        passed_over=passed_over,
    )
    add_neighbours(file, bank)


def _only_values(allowed: np.ndarray) -> np.ndarray:
    """The number of the only value that a row, bool (N, C), allows; C where there isn't one."""
    return np.where(allowed.sum(axis=1) == 1, allowed.argmax(axis=1), allowed.shape[1])
