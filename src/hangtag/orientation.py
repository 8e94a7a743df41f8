"""Learning to tell which way up photos lie, from the network's embedding.

No label is needed: photos are turned, and a linear classifier learns whether what it sees is
upright, on a side or upside down. `hangtag.turning` says what is made of it.
"""

import math
from dataclasses import replace

import numpy as np

from hangtag.calibration import ENOUGH
from hangtag.errors import require
from hangtag.graph_outputs import add_orientation
from hangtag.model import Orientation
from hangtag.photo import to_input
from hangtag.tagger import Output, Tagger
from hangtag.training_data import TrainingData
from hangtag.turning import SEEN_AS, SIDES, odds, seen_from_all_sides, turned_input

_PICTURES = 6000
"""How many photos the classifier learns from at most, each from four sides."""

_CUT = 0.5
"""Share of them of which a part is cut out that may be wide: otherwise the bars beside a wide photo
in an upright input would say that it lies on a side."""

_INVERSE_PENALTY = 1e-2
"""scikit-learn's C: the sum of losses against the weights' squares."""

_DOUBTED = 0.02
"""Share of a shop's upright photos that are looked at from all sides: the price in time."""

_WRONGLY_TURNED = 0.0003
"""Share of them that may be turned; of fewer than three thousand, none. A shop hangs nearly all of
its photos upright, so what is gained on the others soon costs more there than it's worth."""

_LEAST_ODDS = math.log(99)
"""Log-odds below which no photo is turned, however few of the validation photos would be."""

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
    kinds = [kind for kind in data.kinds("validation", extra=False) if len(kind) >= ENOUGH]
    if not kinds:
        return None
    weights, bias = _fit(tagger, data)

    def run(photos: np.ndarray) -> Output:
        output = tagger.run(photos)
        logits = output.embedding @ weights + bias
        logits -= np.logaddexp.reduce(logits, axis=1, keepdims=True)
        return replace(output, orientation=logits)

    seen = [
        np.concatenate([run(photos).orientation for photos in data.pool.batches(kind)])
        for kind in kinds
    ]
    doubted = min(float(np.quantile(one[:, 0], _DOUBTED)) for one in seen)
    thresholds = [_LEAST_ODDS]
    for kind, orientation in zip(kinds, seen, strict=True):
        log_odds = []
        for row in np.flatnonzero(orientation[:, 0] < doubted):
            photo = data.pool.rgb(kind[[row]])
            sides, _ = seen_from_all_sides(photo, orientation[[row]], run)
            (degrees,), (found,) = odds(sides)
            log_odds += [float(found)] if degrees else []
        allowed = int(_WRONGLY_TURNED * len(kind))
        thresholds += sorted(log_odds, reverse=True)[allowed : allowed + 1]
    add_orientation(tagger.model.onnx_path, weights, bias)
    return Orientation(doubted=doubted, threshold=max(thresholds))


def _fit(tagger: Tagger, data: TrainingData) -> tuple[np.ndarray, np.ndarray]:
    """The classifier's weights float32 (D, 3) and bias float32 (3,), for the embedding."""
    linear = require("train", "sklearn.linear_model")
    rng = np.random.default_rng(_SEED)
    embeddings, lies = [], []
    for photos in data.pool.batches(data.sample("train", _PICTURES, rng)):
        shown = [
            to_input(_part(photo, rng), tagger.input_size) if rng.random() < _CUT else photo
            for photo in photos
        ]
        for side in SIDES:
            views = [turned_input(photo, 90 * side) for photo in shown]
            embeddings.append(tagger.run(np.stack(views)).embedding)
            lies.append(np.full(len(views), SEEN_AS[side]))
    seen = np.concatenate(embeddings)
    middle, spread = seen.mean(axis=0), seen.std(axis=0) + 1e-6
    fitted = linear.LogisticRegression(C=_INVERSE_PENALTY, max_iter=1000).fit(
        (seen - middle) / spread, np.concatenate(lies)
    )
    weights = (fitted.coef_ / spread).T
    bias = fitted.intercept_ - middle @ weights
    return weights.astype(np.float32), bias.astype(np.float32)


def _part(photo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Cut an upright photo above and below until it's as wide as it was high, or less so."""
    height, width = photo.shape[:2]
    rows = round(rng.uniform(min(width**2 / height, height), height))
    top = rng.integers(height - rows + 1)
    return photo[top : top + rows]
