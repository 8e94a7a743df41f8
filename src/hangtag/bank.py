"""The products that a photo is compared to, and their votes: in a model's graph, or alone."""

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime

from hangtag.cores import available_cores
from hangtag.graph_outputs import Bank, add_neighbours, remove_neighbours, write_look
from hangtag.model import LOOK

_NEAREST = 10
"""How many of its nearest products tell how crowded it is around one."""

_CHUNK = 250
"""Products at a time that are compared to all."""

_STRETCHES = 5
"""Parts of a bank, one of which is left out at a time."""


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


def ask(bank: Bank, looks: np.ndarray) -> dict[str, np.ndarray]:
    """What a model's graph with this bank gives for looks, without its network.

    Args:
        bank: What to compare photos to.
        looks: float32 (N, d): the graph's output ``look`` for some photos.

    Returns:
        ``nearness`` float32 (N,) and, by attribute, ``votes/<attribute>`` float32 (N, values).
    """
    with tempfile.TemporaryDirectory(prefix="hangtag-") as folder:
        file = Path(folder) / "bank.onnx"
        write_look(file, looks.shape[1])
        add_neighbours(file, bank)
        graph = file.read_bytes()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = available_cores()
    session = onnxruntime.InferenceSession(graph, options)
    names = [one.name for one in session.get_outputs()]
    starts = range(0, len(looks), _CHUNK)
    found = [session.run(names, {LOOK: looks[start : start + _CHUNK]}) for start in starts]
    return dict(zip(names, map(np.concatenate, zip(*found, strict=True)), strict=True))


def ask_strangers(bank: Bank, looks: np.ndarray, places: np.ndarray) -> dict[str, np.ndarray]:
    """What `ask` gives where a product's siblings aren't in the bank, as a new season's aren't.

    Siblings are listed beside each other. So of the bank, in the catalogue's order, a fifth is left
    out: the stretch in which a photo's product is, or would be.

    Args:
        bank: With some products at least for each stretch.
        looks: float32 (N, d).
        places: int (N,): where in the bank's order each photo's product is, or would be.
    """
    said: dict[str, np.ndarray] = {}
    for stretch in np.array_split(np.arange(len(bank.codes)), _STRETCHES):
        mine = np.flatnonzero((stretch[0] <= places) & (places <= stretch[-1]))
        if len(mine):
            for name, values in ask(_without(bank, stretch), looks[mine]).items():
                every = said.setdefault(name, np.empty((len(looks), *values.shape[1:]), np.float32))
                every[mine] = values
    return said


def _without(bank: Bank, rows: np.ndarray) -> Bank:
    """A bank less some rows, all others of which may vote."""
    return replace(
        bank,
        codes=np.delete(bank.codes, rows, axis=0),
        crowding=np.delete(bank.crowding, rows),
        labels={name: np.delete(labels, rows) for name, labels in bank.labels.items()},
        passed_over=0,
    )


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
