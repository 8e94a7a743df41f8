"""Telling photos of products from photos of anything else.

The score adds up two kinds of evidence, both read off the embedding. One is a linear classifier
that learnt training photos against pictures that show no product (`hangtag.no_product`). The other
is how near the embedding comes to what training photos look like: its largest cosine similarity to
their cluster centres (after Sun et al., "Out-of-Distribution Detection with Deep Nearest
Neighbors", 2022, with centres in place of all the photos, which wouldn't fit into the file).
"""

from collections.abc import Callable, Iterator

import numpy as np
import torch

from hangtag.augmentation import Augmenter, backgrounds
from hangtag.errors import require
from hangtag.graph_outputs import add_domain_score
from hangtag.model import Domain
from hangtag.no_product import NoProduct, Picture
from hangtag.recipe import Augmentation
from hangtag.tagger import Tagger
from hangtag.training_data import TrainingData

_PICTURES = 6000
"""How many photos, and how many pictures of no product, the classifier learns from at most."""

_INVERSE_PENALTY = 1e-3
"""scikit-learn's C: the sum of losses against the weights' squares."""

_CENTRES = 64
"""How many clusters stand for the training photos at most."""

_FALSE_ALARMS = 0.03
"""Share of validation photos of any kind that the threshold may wrongly turn away."""

_ELSEWHERE = {"paired": 0.15, "covered": 0.25, "marked": 0.3}
"""How much of what other shops do to photos the classifier sees at least, whatever training did."""

_BATCH = 64
_SEED = 0


def fit_domain(tagger: Tagger, data: TrainingData, recipe: Augmentation) -> Domain:
    """Add an out-of-domain score to a model's graph, and fit its threshold.

    The folder's checksums are no longer right then; `hangtag.model.write_info` mends them.

    Args:
        tagger: Of a model folder whose graph has no such score yet. It doesn't see the change.
        data: The model was trained on. Training photos fit the score, validation photos the
            threshold: of own, alternate and extra photos none may be turned away more often than
            three in a hundred.
        recipe: How training changed photos. The classifier learns that they show products then,
            too, or it would turn away what other shops set behind theirs and print over them.
    """
    weights, centres = _fit(tagger, data, recipe)
    add_domain_score(tagger.model.onnx_path, weights, centres)
    thresholds = []
    for positions in data.kinds("validation"):
        embeddings = tagger.run_all(data.pool.batches(positions)).embedding
        scores = embeddings @ weights + _nearness(embeddings, centres)
        thresholds.append(np.quantile(scores, _FALSE_ALARMS))
    return Domain(threshold=float(min(thresholds)))


def _fit(tagger: Tagger, data: TrainingData, recipe: Augmentation) -> tuple[np.ndarray, np.ndarray]:
    """The classifier's weights float32 (D,) and the centres float32 (clusters, D).

    Over the training photos, what the weights give and the cosines times the centres' common length
    both vary by one.
    """
    linear = require("train", "sklearn.linear_model")
    cluster = require("train", "sklearn.cluster")
    normalise = require("train", "sklearn.preprocessing").normalize
    kinds = data.kinds("train")
    chosen = data.sample("train", _PICTURES, np.random.default_rng(_SEED))
    scenes = data.own[data.rows("train", extra=True)]

    def one_of(groups: list[np.ndarray]) -> Callable[[np.random.Generator], Picture]:
        def photo(random: np.random.Generator) -> Picture:
            group = groups[random.integers(len(groups))]
            return data.pool.rgb(random.choice(group, 1))[0]

        return photo

    makes = NoProduct(one_of(kinds), one_of([scenes]) if len(scenes) else None, _SEED)
    photos = tagger.run_all(data.pool.batches(chosen)).embedding
    changed = tagger.run_all(_changed(data, chosen, recipe, tagger.input_size)).embedding
    pictures = makes.make(len(photos))
    nothing = tagger.run_all(
        np.array_split(pictures, range(_BATCH, len(pictures), _BATCH))
    ).embedding
    middle, spread = photos.mean(axis=0), photos.std(axis=0) + 1e-6
    seen = (np.concatenate([photos, changed, nothing]) - middle) / spread
    is_photo = np.arange(len(seen)) < len(photos) + len(changed)
    fitted = linear.LogisticRegression(C=_INVERSE_PENALTY, max_iter=1000).fit(seen, is_photo)
    weights = fitted.coef_[0] / spread
    weights /= max(float((photos @ weights).std()), 1e-6)
    clusters = cluster.MiniBatchKMeans(
        min(_CENTRES, len(photos)), random_state=_SEED, n_init=1, max_iter=30
    ).fit(normalise(photos))
    centres = normalise(clusters.cluster_centers_)
    centres /= max(float(_nearness(photos, centres).std()), 1e-6)
    return weights.astype(np.float32), centres.astype(np.float32)


def _changed(
    data: TrainingData, positions: np.ndarray, recipe: Augmentation, size: tuple[int, int]
) -> Iterator[np.ndarray]:
    """Photos as training and other shops change them, the same way each time: uint8 (n, h, w, 3)
    at a time."""
    often = {name: max(share, getattr(recipe, name)) for name, share in _ELSEWHERE.items()}
    augment = Augmenter(recipe.model_copy(update=often), backgrounds(data, recipe))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        for photos in data.pool.batches(positions, masks=True):
            shown = augment(torch.from_numpy(photos), size).round().byte()
            yield shown.permute(0, 2, 3, 1).contiguous().numpy()


def _nearness(embeddings: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Largest cosine similarity to a centre, times the centres' common length, float (N,)."""
    normalise = require("train", "sklearn.preprocessing").normalize
    return (normalise(embeddings) @ centres.T).max(axis=1)
