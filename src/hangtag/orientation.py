"""Learning to tell which way up photos lie, from the network's embedding.

No label is needed: photos are turned, and a linear classifier learns whether what it sees is
upright, on a side or upside down. `hangtag.turning` says what is made of it.
"""

import math

import numpy as np

from hangtag.calibration import ENOUGH
from hangtag.errors import require
from hangtag.graph import add_orientation
from hangtag.model import Orientation
from hangtag.tagger import Output, Tagger
from hangtag.training_data import TrainingData
from hangtag.turning import SEEN_AS, from_other_sides, odds, together

_PICTURES = 6000
"""How many photos the classifier learns from at most, each from four sides."""

_INVERSE_PENALTY = 1e-2
"""scikit-learn's C: the sum of losses against the weights' squares."""

_DOUBTED = 0.02
"""Share of a shop's upright photos that are looked at from all sides: the price in time."""

_WRONGLY_TURNED = 0.001
"""Share of them that may be turned."""

_LEAST_ODDS = math.log(99)
"""A photo is turned if that is right 99 times in a hundred, or surer, by what was seen of it."""

_SEED = 0


def fit_orientation(tagger: Tagger, data: TrainingData) -> Orientation | None:
    """Add the output ``orientation`` to a model's graph, and fit when photos are turned.

    The folder's checksums are no longer right then; `hangtag.model.write_info` mends them.

    Args:
        tagger: Of a model folder whose graph has no such output yet. It doesn't see the change.
        data: The model was trained on. Training photos fit the classifier; validation photos of
            the shop, which hang upright, set from where on a photo is doubted and turned. Photos
            from elsewhere set nothing, since some of them do lie on a side.

    Returns:
        None, and the graph as it was, where too few validation photos could tell how often a
        photo would be turned wrongly.
    """
    upright = [kind for kind in data.kinds("validation", extra=False) if len(kind) >= ENOUGH]
    if not upright:
        return None
    weights, bias = _fit(tagger, data)

    def says(output: Output) -> np.ndarray:
        logits = output.embedding @ weights + bias
        return logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)

    seen = [says(tagger.run_all(data.pool.batches(kind))) for kind in upright]
    doubted = min(float(np.quantile(one[:, 0], _DOUBTED)) for one in seen)
    thresholds = [_LEAST_ODDS]
    for kind, orientation in zip(upright, seen, strict=True):
        rows = np.flatnonzero(orientation[:, 0] < doubted)
        if len(rows):
            others = says(tagger.run_all([from_other_sides(data.pool.rgb(kind[rows]))]))
            degrees, log_odds = odds(together(orientation[rows], others))
            turned = np.sort(log_odds[degrees != 0])[::-1]
            allowed = int(_WRONGLY_TURNED * len(kind))
            thresholds += [float(odd) for odd in turned[allowed : allowed + 1]]
    add_orientation(tagger.model.onnx_path, weights, bias)
    return Orientation(doubted=doubted, threshold=max(thresholds))


def _fit(tagger: Tagger, data: TrainingData) -> tuple[np.ndarray, np.ndarray]:
    """The classifier's weights float32 (D, 3) and bias float32 (3,), for the embedding."""
    linear = require("train", "sklearn.linear_model")
    rng = np.random.default_rng(_SEED)
    kinds = data.kinds("train")
    chosen = [rng.permutation(kind)[: _PICTURES // len(kinds)] for kind in kinds]
    seen, lies = [], []
    for photos in data.pool.batches(np.concatenate(chosen)):
        sides = (photos, from_other_sides(photos))
        seen += [tagger.run(side).embedding for side in sides]
        lies.append(np.repeat(SEEN_AS, len(photos)))
    embeddings = np.concatenate(seen)
    middle, spread = embeddings.mean(axis=0), embeddings.std(axis=0) + 1e-6
    fitted = linear.LogisticRegression(C=_INVERSE_PENALTY, max_iter=1000).fit(
        (embeddings - middle) / spread, np.concatenate(lies)
    )
    weights = (fitted.coef_ / spread).T
    bias = fitted.intercept_ - middle @ weights
    return weights.astype(np.float32), bias.astype(np.float32)
