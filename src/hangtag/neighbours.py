"""Learning which training products' photos are most like one: the bank that `hangtag.voting` asks.

A photo is looked at in two ways: at where its edges run, which tells photos of one sitting,
whatever the product's colour, and at the network's embedding, which tells what it shows. In each,
what differs little between a product and the next one of the catalogue, but much between others,
counts most.
"""

from collections.abc import Iterable, Mapping

import numpy as np

from hangtag.calibration import ENOUGH, softmax
from hangtag.cores import available_cores
from hangtag.errors import require
from hangtag.graph_outputs import Bank, View, add_edges, add_look, add_neighbours
from hangtag.model import EDGES, EMBEDDING, INPUT, LOGITS, NEARNESS, VOTES, Neighbours
from hangtag.progress import Progress
from hangtag.session import open_session
from hangtag.tagger import Tagger
from hangtag.training_data import TrainingData
from hangtag.voting import share_of_votes

_MOST = 40_000
"""How many training products there are in the bank at most, some 100 bytes each."""

_SAMPLE = 10_000
"""How many of them the principal components are found from."""

_ROWS = 20
"""Squares from the top of a photo to its bottom."""

_COMPONENTS = (1200, 512)
"""Principal components of the edges and of the embedding that are looked at."""

_WIDTHS = (208, 128)
"""Of what becomes of them, in numbers of two bits."""

_CONTENT = 0.5
"""How much of the comparison is by the embedding."""

_OUTER = 0.98
"""From how many standard deviations on a value has one of the outer levels (Max, "Quantizing for
Minimum Distortion", 1960)."""

_START = (-1.5, 1.0)
"""Log-odds of the votes' share where nothing is known, and how they change with nearness, the
spread of the validation photos' being one."""

_LEAST_SLOPE = 0.5
"""How much they change at least: a shop's own photos are all rather near, and hardly tell how
little the votes are worth to photos of another."""

_SOME = 1e-9
"""What stands for no variance at all."""

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
    rows = np.random.default_rng(_SEED).permutation(rows)[:_MOST]
    rows = rows[np.argsort(data.sequence[rows], kind="stable")]
    add_edges(tagger.model.onnx_path, tagger.input_size[0], _ROWS)
    looks = _learn_to_look(tagger, data.own[rows], data, progress)
    bank = Bank(
        codes=codes_of(looks),
        labels={one.name: only_values(data.targets[one.name][rows]) for one in data.attributes},
        values={one.name: len(one.values) for one in data.attributes},
        count=count,
    )
    add_neighbours(tagger.model.onnx_path, bank)
    return Neighbours(products=len(rows), log_odds=_log_odds(tagger, data, bank))


def _learn_to_look(
    tagger: Tagger, positions: np.ndarray, data: TrainingData, progress: Progress | None
) -> np.ndarray:
    """Add the output ``look`` to a graph: float32 (M, d) of photos that follow each other."""
    normalise = require("train", "sklearn.preprocessing").normalize
    session = open_session(tagger.model, available_cores())
    edges, content = [], []
    for photos in data.pool.batches(positions):
        seen, embedding = session.run([EDGES, EMBEDDING], {INPUT: photos})
        edges.append(seen.astype(np.float16))
        content.append(normalise(embedding).astype(np.float16))
        if progress:
            progress("looking at training photos", sum(map(len, edges)), len(positions))
    looked_at = [np.concatenate(one) for one in (edges, content)]
    lengths = (1 - _CONTENT) ** 0.5, _CONTENT**0.5
    views = [*map(_view, looked_at, _COMPONENTS, _WIDTHS, lengths)]
    add_look(tagger.model.onnx_path, *views)
    return np.concatenate(
        [
            view.length * normalise(seen.astype(np.float32) @ view.weights + view.bias)
            for seen, view in zip(looked_at, views, strict=True)
        ],
        axis=1,
    )


def _view(seen: np.ndarray, components: int, width: int, length: float) -> View:
    """How to look at what was seen of photos that follow each other, float16 (M, D).

    Linear discriminant analysis, each photo and the next one being taken for a class (after
    Bar-Hillel et al., "Learning Distance Functions using Equivalence Relations", 2003): directions
    in which neighbours differ least, measured by how much all photos do. Those that don't belong
    together, one where a sitting ends, differ in all directions and favour none.
    """
    decomposition = require("train", "sklearn.decomposition")
    covariance = require("train", "sklearn.covariance")
    linalg = require("train", "scipy.linalg")
    rng = np.random.default_rng(_SEED)
    sample = seen[np.sort(rng.permutation(len(seen))[:_SAMPLE])].astype(np.float32)
    count = min(components, *sample.shape)
    found = decomposition.PCA(count, svd_solver="randomized", random_state=_SEED).fit(sample)
    principal = found.transform(seen.astype(np.float32)).astype(float)
    steps = np.diff(principal, axis=0) / 2**0.5
    within, _ = covariance.ledoit_wolf(steps, assume_centered=True)
    within += _SOME * np.eye(count)
    ratios, directions = linalg.eigh(covariance.empirical_covariance(principal), within)
    ratios, directions = ratios[-width:], directions[:, -width:]
    told_apart = np.sqrt(np.maximum(1 - 1 / np.maximum(ratios, 1), 0))
    # Turned at random, all values vary alike, and two bits do for each.
    turn = np.linalg.qr(rng.normal(size=(len(ratios),) * 2))[0]
    weights = found.components_.T @ (directions * told_apart @ turn)
    return View(
        weights=weights.astype(np.float32),
        bias=(-found.mean_ @ weights).astype(np.float32),
        length=length,
    )


def codes_of(looks: np.ndarray) -> np.ndarray:
    """The numbers of the levels, int (M, d), that come nearest to looks, float32 (M, d)."""
    outer = _OUTER * np.maximum(looks.std(axis=0), _SOME)
    return np.digitize(looks / outer, (-1, 0, 1))


def only_values(allowed: np.ndarray) -> np.ndarray:
    """The number of the only value that a row, bool (N, C), allows; C where there isn't one."""
    return np.where(allowed.sum(axis=1) == 1, allowed.argmax(axis=1), allowed.shape[1])


def _log_odds(tagger: Tagger, data: TrainingData, bank: Bank) -> dict[str, tuple[float, float]]:
    """How much the votes count, by the validation photos of all kinds."""
    rows, positions, kind = data.shown("validation")
    session = open_session(tagger.model, available_cores())
    names = said_with_votes(bank.labels)
    batches = [session.run(names, {INPUT: photos}) for photos in data.pool.batches(positions)]
    said = dict(zip(names, map(np.concatenate, zip(*batches, strict=True)), strict=True))
    return fit_log_odds(said, {name: data.targets[name][rows] for name in bank.labels}, kind)


def said_with_votes(attributes: Iterable[str]) -> list[str]:
    """The graph's outputs that `fit_log_odds` asks for."""
    return [NEARNESS, *(prefix + name for name in attributes for prefix in (LOGITS, VOTES))]


def fit_log_odds(
    said: Mapping[str, np.ndarray], targets: Mapping[str, np.ndarray], kind: np.ndarray
) -> dict[str, tuple[float, float]]:
    """How the log-odds of the votes' share depend on nearness, by attribute with enough labels.

    Args:
        said: Outputs of the graph for N photos that aren't in the bank, as `said_with_votes` names
            them.
        targets: bool (N, values) by attribute: the values that labels allow.
        kind: int (N,): kinds of photos, which count alike.
    """
    fitted = {}
    for name, allowed in targets.items():
        labelled = allowed.any(axis=1) & ~allowed.all(axis=1)
        if labelled.sum() >= ENOUGH:
            votes = said[VOTES + name]
            fitted[name] = _fit(
                said[NEARNESS][labelled],
                votes.sum(axis=1)[labelled],
                (softmax(said[LOGITS + name]) * allowed).sum(axis=1)[labelled],
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
