"""Learning how much neighbours' votes count, for each attribute (`hangtag.voting`)."""

from collections.abc import Mapping

import numpy as np

from hangtag.calibration import ENOUGH, softmax
from hangtag.errors import require
from hangtag.model import LOGITS, NEARNESS, VOTES
from hangtag.voting import evidence, share_of_votes

_START = (-1.5, 1.0, 0.0, 0.0, 0.0)
"""Log-odds of the votes' share where nothing is known, and how they change with nearness and the
other evidence, the spread of each among the validation photos being one."""

_LEAST_SLOPE = 0.5
"""How much they change at least: a shop's own photos are all rather near, and hardly tell how
little the votes are worth to photos of another."""

UNUSUAL = 0.3
"""How much of what photos as they are do those count that are unlike them in some way."""


def fit_log_odds(
    said: Mapping[str, np.ndarray],
    targets: Mapping[str, np.ndarray],
    kind: np.ndarray,
    counts: np.ndarray | float = 1.0,
) -> dict[str, tuple[float, ...]]:
    """How the log-odds of the votes' share depend on the evidence, by attribute with enough labels.

    Args:
        said: Outputs of the graph for N photos that aren't in the bank: ``nearness``,
            ``logits/<attribute>`` and ``votes/<attribute>``.
        targets: bool (N, values) by attribute: the values that labels allow.
        kind: int (N,): kinds of photos, which count alike.
        counts: float (N,), how much of that each photo counts.
    """
    counts = np.broadcast_to(counts, kind.shape)
    fitted = {}
    for name, allowed in targets.items():
        labelled = says_something(allowed)
        if labelled.sum() >= ENOUGH:
            votes, alone = said[VOTES + name], softmax(said[LOGITS + name])
            fitted[name] = _fit(
                evidence(alone, votes, said[NEARNESS])[labelled],
                votes.sum(axis=1)[labelled],
                (alone * allowed).sum(axis=1)[labelled],
                (votes * allowed).sum(axis=1)[labelled],
                alike(kind[labelled]) * counts[labelled],
            )
    return fitted


def says_something(allowed: np.ndarray) -> np.ndarray:
    """Rows bool (N,) whose labels, bool (N, values), allow some values and not all."""
    count = allowed.sum(axis=1)
    return (count > 0) & (count < allowed.shape[1])


def alike(kind: np.ndarray) -> np.ndarray:
    """Weights float (N,) under which a hundred photos from elsewhere count like all the shop's.

    Args:
        kind: int (N,): 0 for own photos, 1 for alternate ones, 2 for those of extra catalogues.
    """
    _, number, counts = np.unique(kind, return_inverse=True, return_counts=True)
    return np.where(counts < ENOUGH, 1.0, counts.max() / counts)[number]


def _fit(
    tells: np.ndarray,
    known: np.ndarray,
    alone: np.ndarray,
    voted: np.ndarray,
    weights: np.ndarray,
) -> tuple[float, ...]:
    """The log-odds, start and slopes, that make labels likeliest, with a normal prior.

    Args:
        tells: float (N, 4): the evidence.
        known: float (N,): share of the neighbours whose label is known.
        alone: float (N,): what the network gives to the values that the label allows.
        voted: float (N,): what the neighbours give to them.
        weights: float (N,): how much each photo counts.
    """
    optimize = require("train", "scipy.optimize")
    middle, spread = tells.mean(axis=0), tells.std(axis=0) + 1e-6
    features = np.column_stack([np.ones(len(tells)), (tells - middle) / spread])
    start = np.array(_START)

    def loss(numbers: np.ndarray) -> tuple[float, np.ndarray]:
        share = share_of_votes(features @ numbers)
        likelihood = np.maximum((1 - share * known) * alone + share * voted, 1e-9)
        slope = -weights * (voted - known * alone) / likelihood * share * (1 - share)
        far = numbers - start
        return float(far @ far - weights @ np.log(likelihood)), slope @ features + 2 * far

    free = (None, None)
    bounds = [free, (_LEAST_SLOPE, None), *[free] * (len(start) - 2)]
    found = optimize.minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B").x
    slopes = found[1:] / spread
    return tuple(map(float, (found[0] - slopes @ middle, *slopes)))
