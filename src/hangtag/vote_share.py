"""Learning how much neighbours' votes count: by nearness, for each attribute (`hangtag.voting`)."""

from collections.abc import Iterable, Mapping

import numpy as np

from hangtag.calibration import ENOUGH, softmax
from hangtag.errors import require
from hangtag.model import LOGITS, NEARNESS, VOTES
from hangtag.voting import share_of_votes

_START = (-1.5, 1.0)
"""Log-odds of the votes' share where nothing is known, and how they change with nearness, the
spread of the validation photos' being one."""

_LEAST_SLOPE = 0.5
"""How much they change at least: a shop's own photos are all rather near, and hardly tell how
little the votes are worth to photos of another."""


def said_with_votes(attributes: Iterable[str]) -> list[str]:
    """The graph's outputs that `fit_log_odds` asks for."""
    return [NEARNESS, *(prefix + name for name in attributes for prefix in (LOGITS, VOTES))]


def fit_log_odds(
    said: Mapping[str, np.ndarray],
    targets: Mapping[str, np.ndarray],
    kind: np.ndarray,
    counts: np.ndarray | float = 1.0,
) -> dict[str, tuple[float, float]]:
    """How the log-odds of the votes' share depend on nearness, by attribute with enough labels.

    Args:
        said: Outputs of the graph for N photos that aren't in the bank, as `said_with_votes` names
            them.
        targets: bool (N, values) by attribute: the values that labels allow.
        kind: int (N,): kinds of photos, which count alike.
        counts: float (N,), how much of that each photo counts.
    """
    counts = np.broadcast_to(counts, kind.shape)
    fitted = {}
    for name, allowed in targets.items():
        labelled = says_something(allowed)
        if labelled.sum() >= ENOUGH:
            votes = said[VOTES + name]
            fitted[name] = _fit(
                said[NEARNESS][labelled],
                votes.sum(axis=1)[labelled],
                (softmax(said[LOGITS + name]) * allowed).sum(axis=1)[labelled],
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
