"""Learning what a photo's colours say of its base colour, beside the network.

A network that has learnt to know a product in any light and on any ground has learnt not to look
too closely at its colours. What it has given up for that, a histogram of the photo as it is has
kept: a small network reads the one, and its logits are added to the other's, each with a factor
(Hinton, "Products of Experts", 1999) that validation photos tell. So that yellow light doesn't
mislead it, the small network sees each training photo in another light, too.
"""

import math
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import onnxruntime

from hangtag.attributes import COLOUR
from hangtag.calibration import ENOUGH, log_softmax
from hangtag.errors import require
from hangtag.histogram_output import (
    ColourReader,
    add_colour_reader,
    add_histogram,
    write_histogram_graph,
)
from hangtag.model import HISTOGRAM, INPUT
from hangtag.progress import Progress
from hangtag.tagger import Tagger
from hangtag.training_data import TrainingData
from hangtag.vote_share import alike, says_something

_MOST = 60_000
"""How many photos it learns from at most."""

_EXPOSURE, _CAST = (0.6, 1.15), 0.12
"""Light of other photos than these: how much of it, and how much more or less of a colour."""

_HIDDEN = 256
_EPOCHS = 12
_BATCH = 256
_PENALTY = 1e-2
"""scikit-learn's alpha."""

_SCALE = 8
"""What histograms are multiplied with, so that they vary about as much as weights expect."""

_START = (1.0, 0.0)
"""Factors of the network's logits and of the reader's before anything is known."""

_SEED = 0


def can_read_colours(data: TrainingData) -> bool:
    """Tell whether a base colour is learnt, and enough photos have a label of it to read it from,
    and to tell how much that counts."""
    return any(one.name == COLOUR for one in data.attributes) and all(
        len(_labelled(data, part)[0]) >= ENOUGH for part in ("train", "validation")
    )


def read_colours(tagger: Tagger, data: TrainingData, progress: Progress | None = None) -> None:
    """Let a reader of photos' colours say the base colour with the network, in a model's graph.

    The folder's checksums are no longer right then; `hangtag.model.write_info` mends them.

    Args:
        tagger: Of a model folder whose graph has no such reader yet. It doesn't see the change.
        data: The model was trained on; `can_read_colours`. Training photos of all kinds teach the
            reader; validation photos tell how much it counts, those of each kind alike.
        progress: Told about the photos.
    """
    positions, allowed, _ = _labelled(data, "train")
    chosen = np.random.default_rng(_SEED).permutation(len(positions))[:_MOST]
    chosen.sort()
    size = tagger.input_size
    seen = _histograms(_in_two_lights(data, positions[chosen]), 2 * len(chosen), size, progress)
    reader = _learn(seen, np.concatenate([allowed[chosen]] * 2))
    positions, allowed, kind = _labelled(data, "validation")
    said = log_softmax(tagger.run_all(data.pool.batches(positions)).logits[COLOUR])
    seen = _histograms(data.pool.batches(positions), len(positions), size)
    read = log_softmax(reader.read(seen))
    counts = _fit(said, read, allowed, alike(kind))
    add_histogram(tagger.model.onnx_path, tagger.input_size)
    add_colour_reader(tagger.model.onnx_path, COLOUR, reader, *counts)


def _labelled(data: TrainingData, part: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions, allowed values bool (N, values) and kinds of photos whose label says something;
    of training photos, that it's one value."""
    rows, positions, kind = data.shown(part)
    allowed = data.targets[COLOUR][rows]
    wanted = allowed.sum(axis=1) == 1 if part == "train" else says_something(allowed)
    return positions[wanted], allowed[wanted], kind[wanted]


def _in_two_lights(data: TrainingData, positions: np.ndarray) -> Iterator[np.ndarray]:
    """Photos as they are, then each as in another light; uint8 (n, h, w, 3) at a time."""
    yield from data.pool.batches(positions)
    dice = np.random.default_rng(_SEED)
    least, most = (math.log(one) for one in _EXPOSURE)
    for batch in data.pool.batches(positions):
        exposure = np.exp(dice.uniform(least, most, (len(batch), 1, 1, 1)))
        cast = 1 + dice.uniform(-_CAST, _CAST, (len(batch), 1, 1, 3))
        yield (batch * (exposure * cast).astype(np.float32)).clip(0, 255).astype(np.uint8)


def _histograms(
    photos: Iterable[np.ndarray],
    count: int,
    size: tuple[int, int],
    progress: Progress | None = None,
) -> np.ndarray:
    """What `add_histogram` gives of so many photos, float16 (N, B), without running a network."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "histogram.onnx"
        write_histogram_graph(file, size)
        session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    found: list[np.ndarray] = []
    for batch in photos:
        (histograms,) = session.run([HISTOGRAM], {INPUT: batch})
        found.append(histograms.astype(np.float16))
        if progress:
            progress("looking at photos' colours", sum(map(len, found)), count)
    return np.concatenate(found)


def _learn(seen: np.ndarray, allowed: np.ndarray) -> ColourReader:
    """A reader of histograms, float16 (N, B), of one allowed value each, bool (N, values)."""
    neural = require("train", "sklearn.neural_network")
    middle = seen.mean(axis=0, dtype=np.float32)
    fitted = neural.MLPClassifier(
        (_HIDDEN,), alpha=_PENALTY, batch_size=min(_BATCH, len(seen)), random_state=_SEED
    )
    values = allowed.argmax(axis=1)
    classes = np.unique(values)
    scaled = seen.astype(np.float32)
    scaled -= middle
    scaled *= _SCALE
    for _ in range(_EPOCHS):
        fitted.partial_fit(scaled, values, classes=classes)
    hidden, logits = fitted.coefs_
    hidden_bias, logits_bias = fitted.intercepts_
    if len(classes) == 2:
        # Of two values scikit-learn works out one logit.
        logits, logits_bias = (np.concatenate([-one, one], -1) / 2 for one in (logits, logits_bias))
    weights = np.zeros((_HIDDEN, allowed.shape[1]), np.float32)
    bias = np.full(allowed.shape[1], logits_bias.min(), np.float32)
    weights[:, classes], bias[classes] = logits, logits_bias
    return ColourReader(
        hidden=(
            (_SCALE * hidden).astype(np.float32),
            (hidden_bias - _SCALE * middle @ hidden).astype(np.float32),
        ),
        logits=(weights, bias),
    )


def _fit(
    said: np.ndarray, read: np.ndarray, allowed: np.ndarray, weights: np.ndarray
) -> tuple[float, float]:
    """The factors of two log-probabilities, float (N, values), that make labels likeliest."""
    optimize = require("train", "scipy.optimize")

    def loss(factors: np.ndarray) -> float:
        together = log_softmax(factors[0] * said + factors[1] * read)
        likelihood = np.where(allowed, np.exp(together), 0).sum(axis=1)
        return -float(weights @ np.log(np.maximum(likelihood, 1e-9))) / float(weights.sum())

    found = optimize.minimize(loss, _START, bounds=[(0, None)] * 2, method="L-BFGS-B").x
    return float(found[0]), float(found[1])
