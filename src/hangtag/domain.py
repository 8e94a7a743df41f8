"""Telling photos of products from photos of anything else.

The score adds up two kinds of evidence. One is the largest logit of each head of the taxonomy:
heads that know a thing speak up, and of what they have never seen they all say little (MaxLogit of
Hendrycks et al., "Scaling Out-of-Distribution Detection for Real-World Settings", 2022). The other
is a linear classifier of the embedding, which learnt training photos against pictures that show no
product (`hangtag.no_product`).
"""

from collections.abc import Callable, Sequence

import numpy as np

from hangtag.attributes import TYPE, TYPE_PARENTS
from hangtag.errors import require
from hangtag.graph import add_domain_score
from hangtag.model import Domain
from hangtag.no_product import NoProduct, Picture
from hangtag.tagger import Tagger
from hangtag.training_data import NO_PHOTO, TrainingData

_PICTURES = 6000
"""How many photos, and how many pictures of no product, the classifier learns from at most."""

_INVERSE_PENALTY = 1e-4
"""scikit-learn's C: the sum of losses against the weights' squares."""

_LOUDNESS = 0.3
"""Weight of the largest logits, in standard deviations, against one of the classifier's."""

_FALSE_ALARMS = 0.03
"""Share of validation photos of any kind that the threshold may wrongly turn away."""

_BATCH = 64
_SEED = 0


def domain_heads(attributes: Sequence[str]) -> list[str]:
    """Heads whose largest logits count: the taxonomy's, or all if there is none."""
    return [name for name in (TYPE, *TYPE_PARENTS) if name in attributes] or list(attributes)


def fit_domain(tagger: Tagger, data: TrainingData) -> Domain:
    """Add an out-of-domain score to a model's graph, and fit its threshold.

    The folder's checksums are no longer right then; `hangtag.model.write_info` mends them.

    Args:
        tagger: Of a model folder whose graph has no such score yet. It doesn't see the change.
        data: The model was trained on. Training photos fit the score, validation photos the
            threshold: of own, alternate and extra photos none may be turned away more often than
            three in a hundred.
    """
    heads = domain_heads([attribute.name for attribute in tagger.attributes])
    weights = _fit_classifier(tagger, data, heads)
    add_domain_score(tagger.model.onnx_path, weights, heads)
    thresholds = []
    for positions in _kinds(data, "validation"):
        embeddings, loudness = _run(tagger, data.pool.rgb(positions), heads)
        thresholds.append(np.quantile(embeddings @ weights + loudness, _FALSE_ALARMS))
    return Domain(threshold=float(min(thresholds)))


def _kinds(data: TrainingData, part: str) -> list[np.ndarray]:
    """Positions of own, alternate and extra photos, of those that there are."""
    own, extra = (data.own[data.rows(part, extra=extra)] for extra in (False, True))
    alternate = data.alternate[data.rows(part)]
    return [kind for kind in (own, alternate[alternate != NO_PHOTO], extra) if len(kind)]


def _fit_classifier(tagger: Tagger, data: TrainingData, heads: Sequence[str]) -> np.ndarray:
    """Weights float32 (D,) of the embedding, scaled to be added to the sum of largest logits."""
    linear = require("train", "sklearn.linear_model")
    rng = np.random.default_rng(_SEED)
    kinds = _kinds(data, "train")
    # As many of each kind, so that a few phone photos among many shop photos count, too.
    chosen = [rng.permutation(kind)[: _PICTURES // len(kinds)] for kind in kinds]
    scenes = data.own[data.rows("train", extra=True)]

    def one_of(groups: list[np.ndarray]) -> Callable[[np.random.Generator], Picture]:
        def photo(random: np.random.Generator) -> Picture:
            group = groups[random.integers(len(groups))]
            return data.pool.rgb(random.choice(group, 1))[0]

        return photo

    makes = NoProduct(one_of(kinds), one_of([scenes]) if len(scenes) else None, _SEED)
    photos, loudness = _run(tagger, data.pool.rgb(np.concatenate(chosen)), heads)
    nothing, _ = _run(tagger, makes.make(len(photos)), heads)
    middle, spread = photos.mean(axis=0), photos.std(axis=0) + 1e-6
    seen = (np.concatenate([photos, nothing]) - middle) / spread
    is_photo = np.arange(len(seen)) < len(photos)
    fitted = linear.LogisticRegression(C=_INVERSE_PENALTY, max_iter=1000).fit(seen, is_photo)
    weights = fitted.coef_[0] / spread
    scale = loudness.std() / (_LOUDNESS * max(float((photos @ weights).std()), 1e-6))
    return (scale * weights).astype(np.float32)


def _run(tagger: Tagger, photos: Picture, heads: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings float32 (N, D), and sums of the largest logits float32 (N,)."""
    outputs = [tagger.run(photos[at : at + _BATCH]) for at in range(0, len(photos), _BATCH)]
    largest = [sum(output.logits[name].max(axis=1) for name in heads) for output in outputs]
    return np.concatenate([output.embedding for output in outputs]), np.concatenate(largest)
