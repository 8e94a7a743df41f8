"""Learning which training products' photos are most like one: the bank that `hangtag.voting` asks.

A photo is looked at in two ways: at the mean colours of its squares, which tell photos of one
sitting, and at the network's embedding, which tells what they show. Each is brought to its
principal components; both together, turned at random, become a code of as many bits, one sign each.
"""

import numpy as np

from hangtag.calibration import ENOUGH, softmax
from hangtag.cores import available_cores
from hangtag.errors import require
from hangtag.graph_outputs import Bank, View, add_neighbours
from hangtag.model import INPUT, LOGITS, NEARNESS, VOTES, Neighbours
from hangtag.progress import Progress
from hangtag.session import open_session
from hangtag.tagger import Tagger
from hangtag.training_data import TrainingData
from hangtag.voting import share_of_votes

_MOST = 40_000
"""How many training products there are in the bank at most, some 50 bytes each."""

_SAMPLE = 10_000
"""How many of them the principal components are found from."""

_ROWS = 20
"""Squares from the top of a photo to its bottom."""

_COMPONENTS = (192, 128)
"""Of the colours and of the embedding."""

_BITS = 320
_WHITENED = (0.8, 0.0)
"""How far the components of either are brought to one spread: 1 would be all the way."""

_CONTENT = 0.5
"""How much of the comparison is by the embedding."""

_START = (-1.5, 1.0)
"""Log-odds of the votes' share where nothing is known, and how they change with nearness, the
spread of the validation photos' being one."""

_LEAST_SLOPE = 0.5
"""How much they change at least: a shop's own photos are all rather near, and hardly tell how
little the votes are worth to photos of another."""

_SEED = 0


def fit_neighbours(
    tagger: Tagger, data: TrainingData, count: int, progress: Progress | None = None
) -> Neighbours | None:
    """Add neighbours' votes to a model's graph, and fit how much they count.

    The folder's checksums are no longer right then; `hangtag.model.write_info` mends them.

    Args:
        tagger: Of a model folder whose graph has no such votes yet. It doesn't see the change.
        data: The model was trained on. Own photos of the main catalogue's training products become
            the bank; validation photos of all kinds say how much their votes count.
        count: How many of the nearest vote; 0 for none.
        progress: Told about the training photos.

    Returns:
        None, and the graph as it was, where there are no votes to count, or too few photos to say
        how much they would.
    """
    rows = data.rows("train", extra=False)
    if not count or min(len(rows), len(data.rows("validation", extra=False))) < ENOUGH:
        return None
    rows = np.sort(np.random.default_rng(_SEED).permutation(rows)[:_MOST])
    bank = _bank(tagger, data, rows, count, progress)
    add_neighbours(tagger.model.onnx_path, bank)
    return Neighbours(products=len(rows), log_odds=_log_odds(tagger, data, bank))


def _bank(
    tagger: Tagger, data: TrainingData, rows: np.ndarray, count: int, progress: Progress | None
) -> Bank:
    """What photos are compared to: those of rows (M,)."""
    cell = max(1, round(tagger.input_size[0] / _ROWS))
    normalise = require("train", "sklearn.preprocessing").normalize
    colours, content = [], []
    for photos in data.pool.batches(data.own[rows]):
        colours.append(_mean_colours(photos, cell))
        content.append(normalise(tagger.run(photos).embedding).astype(np.float16))
        if progress:
            progress("looking at training photos", sum(map(len, colours)), len(rows))
    seen = [np.concatenate(one) for one in (colours, content)]
    views = _turned([*map(_components, seen, _COMPONENTS, _WHITENED)])
    signs = np.concatenate(
        [
            sum(_query(looked_at[some], view) for looked_at, view in zip(seen, views, strict=True))
            > 0
            for some in np.array_split(np.arange(len(rows)), 1 + len(rows) // _SAMPLE)
        ]
    )
    return Bank(
        cell=cell,
        colours=views[0],
        content=views[1],
        codes=np.packbits(signs, axis=1),
        labels={one.name: _labels(data.targets[one.name][rows]) for one in data.attributes},
        values={one.name: len(one.values) for one in data.attributes},
        count=count,
    )


def _mean_colours(photos: np.ndarray, cell: int) -> np.ndarray:
    """Mean colours of squares, 0 to 1, of photos uint8 (N, h, w, 3).

    Returns:
        float16 (N, channels × rows × columns).
    """
    count, rows, columns = len(photos), photos.shape[1] // cell, photos.shape[2] // cell
    squares = photos[:, : rows * cell, : columns * cell].reshape(
        count, rows, cell, columns, cell, 3
    )
    means = squares.mean(axis=(2, 4), dtype=np.float32).transpose(0, 3, 1, 2) / 255
    return means.astype(np.float16).reshape(count, -1)


def _components(seen: np.ndarray, count: int, whitened: float) -> tuple[np.ndarray, np.ndarray]:
    """Weights (D, d) and bias (d,) that bring rows to their principal components."""
    decomposition = require("train", "sklearn.decomposition")
    sample = np.random.default_rng(_SEED).permutation(len(seen))[:_SAMPLE]
    rows = seen[np.sort(sample)].astype(np.float32)
    found = decomposition.PCA(
        min(count, *rows.shape), svd_solver="randomized", random_state=_SEED
    ).fit(rows)
    variance = found.explained_variance_
    spread = np.maximum(variance / variance[0], 1e-6) ** (whitened / 2)
    weights = (found.components_ / spread[:, np.newaxis]).T
    return weights, found.mean_ @ weights


def _turned(components: list[tuple[np.ndarray, np.ndarray]]) -> list[View]:
    """Views whose sum is a query of length one, turned at random into as many bits."""
    widths = [weights.shape[1] for weights, _ in components]
    rng = np.random.default_rng(_SEED)
    blocks = 1 + (_BITS - 1) // sum(widths)
    turns = [np.linalg.qr(rng.normal(size=(sum(widths),) * 2))[0] for _ in range(blocks)]
    turn = np.concatenate(turns, axis=1)[:, :_BITS] * (sum(widths) / _BITS) ** 0.5
    shares = [(1 - _CONTENT) ** 0.5, _CONTENT**0.5]
    return [
        View(
            weights=weights.astype(np.float16),
            bias=bias.astype(np.float32),
            turn=(share * part).astype(np.float16),
        )
        for (weights, bias), share, part in zip(
            components, shares, np.split(turn, [widths[0]]), strict=True
        )
    ]


def _query(seen: np.ndarray, view: View) -> np.ndarray:
    """One view's part of the queries: float32 (N, bits)."""
    normalise = require("train", "sklearn.preprocessing").normalize
    mapped = seen.astype(np.float32) @ view.weights.astype(np.float32) - view.bias
    return normalise(mapped) @ view.turn.astype(np.float32)


def _labels(allowed: np.ndarray) -> np.ndarray:
    """The number of the only value that a row, bool (N, C), allows; C where there isn't one."""
    return np.where(allowed.sum(axis=1) == 1, allowed.argmax(axis=1), allowed.shape[1])


def _log_odds(tagger: Tagger, data: TrainingData, bank: Bank) -> dict[str, tuple[float, float]]:
    """How the log-odds of the votes' share depend on nearness, by attribute with enough labels."""
    rows, positions, kind = data.shown("validation")
    session = open_session(tagger.model, available_cores())
    names = [NEARNESS, *(prefix + name for name in bank.labels for prefix in (LOGITS, VOTES))]
    batches = [session.run(names, {INPUT: photos}) for photos in data.pool.batches(positions)]
    found = dict(zip(names, map(np.concatenate, zip(*batches, strict=True)), strict=True))
    fitted = {}
    for name in bank.labels:
        allowed = data.targets[name][rows]
        labelled = allowed.any(axis=1) & ~allowed.all(axis=1)
        if labelled.sum() >= ENOUGH:
            votes = found[VOTES + name]
            fitted[name] = _fit(
                found[NEARNESS][labelled],
                votes.sum(axis=1)[labelled],
                (softmax(found[LOGITS + name]) * allowed).sum(axis=1)[labelled],
                (votes * allowed).sum(axis=1)[labelled],
                _alike(kind[labelled]),
            )
    return fitted


def _alike(kind: np.ndarray) -> np.ndarray:
    """Weights float (N,) under which a hundred photos from elsewhere count like all the shop's."""
    _, number, counts = np.unique(kind, return_inverse=True, return_counts=True)
    return np.where(counts < ENOUGH, 1.0, counts.max() / counts)[number]


def _fit(
    nearness: np.ndarray,
    known: np.ndarray,
    alone: np.ndarray,
    voted: np.ndarray,
    weights: np.ndarray,
) -> tuple[float, float]:
    """The log-odds, start and slope, that make labels likeliest, with a normal prior.

    Args:
        nearness: float (N,).
        known: float (N,): share of the neighbours whose label is known.
        alone: float (N,): what the network gives to the values that the label allows.
        voted: float (N,): what the neighbours give to them.
        weights: float (N,): how much each photo counts.
    """
    optimize = require("train", "scipy.optimize")
    middle, spread = float(nearness.mean()), float(nearness.std()) + 1e-6
    features = np.stack([np.ones_like(nearness), (nearness - middle) / spread], axis=1)
    start = np.array(_START)

    def loss(numbers: np.ndarray) -> tuple[float, np.ndarray]:
        share = share_of_votes(features @ numbers)
        likelihood = np.maximum((1 - share * known) * alone + share * voted, 1e-9)
        slope = -weights * (voted - known * alone) / likelihood * share * (1 - share)
        far = numbers - start
        return float(far @ far - weights @ np.log(likelihood)), slope @ features + 2 * far

    bounds = [(None, None), (_LEAST_SLOPE, None)]
    found = optimize.minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B").x
    return float(found[0] - found[1] * middle / spread), float(found[1] / spread)
