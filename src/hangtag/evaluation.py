"""How right a model is: arrays of probabilities and truths in, numbers out.

How far chance could move these numbers is in `hangtag.uncertainty`.

Throughout, for one attribute with C values and N photos:

- ``probabilities`` is float (N, C), each row summing to 1;
- ``truths`` is bool (N, C). A row of False is a missing label, and the photo doesn't count. A row
  with several True is a label like ``Tops|Tunics``: any of them is right. Such rows count for
  accuracy, top-5, log-loss, calibration and coverage; what is measured class by class (balanced
  accuracy, F1, confusion) uses rows with one True only.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

METRICS = (
    "accuracy",
    "balanced_accuracy",
    "macro_f1",
    "weighted_f1",
    "top5",
    "log_loss",
    "ece",
    "coverage_95",
    "coverage_99",
)
"""Names of the scores. All but log_loss (nats, 0 or more) run from 0 to 1; for log_loss and ece
smaller is better."""

CALIBRATION_BINS = 15
"""Equal-width confidence bins of the expected calibration error (Guo et al., 2017)."""

RARE_BELOW = 50
"""A value with fewer training products than this is rare."""

_DRAWS = 500
"""How often labels are drawn from the confidences."""

_SMALLEST = 1e-7  # what log-loss takes for 0; about float32's resolution near 1


def known(truths: np.ndarray) -> np.ndarray:
    """Tell which photos have a label: bool (N,)."""
    return np.logical_or.reduce(truths, axis=1)


def correct(probabilities: np.ndarray, truths: np.ndarray) -> np.ndarray:
    """Tell whose most probable value is (one of) the true ones: bool (N,); False if unlabelled."""
    return truths[np.arange(len(truths)), probabilities.argmax(axis=1)]


def scores(probabilities: np.ndarray, truths: np.ndarray) -> dict[str, float]:
    """Compute every one of `METRICS`; NaN where no photo counts.

    ``balanced_accuracy`` is the mean recall of the values that occur; ``macro_f1`` and
    ``weighted_f1`` are means over the values that occur or are predicted (scikit-learn's
    conventions); ``coverage_95`` is the largest share of photos above a confidence threshold of
    which at least 95 % are right.
    """
    return Sample(probabilities, truths).scores()


class Sample:
    """The labelled photos, reduced to what the scores need.

    ``labelled`` is bool (N,), of all photos; ``right``, ``in_top5`` and ``single`` (has one true
    value) are bool, ``loss`` and ``confidence`` float, (``photos``,) each; ``actual`` and
    ``predicted`` int, of the single ones. All but ``labelled`` and ``photos`` are lacking where
    there are no photos. Where ``weights`` are asked for, float (``photos``,), photos count so much,
    and ``right`` is their weight that is right, which lets them be resampled.
    """

    def __init__(self, probabilities: np.ndarray, truths: np.ndarray) -> None:
        self.labelled = known(truths)
        probabilities, truths = probabilities[self.labelled], truths[self.labelled]
        self.photos = len(truths)
        self.classes = truths.shape[1]
        if self.photos == 0:
            return
        self.right = correct(probabilities, truths)
        best_true = np.where(truths, probabilities, -1).max(axis=1)
        # A value that the model doesn't know has probability 0, and may be "among the first five"
        # of a short vocabulary; it isn't among what the model says.
        ahead = (probabilities > best_true[:, None]).sum(axis=1)
        self.in_top5 = (ahead < 5) & (best_true > 0)
        allowed = (probabilities * truths).sum(axis=1)
        self.loss = -np.log(np.clip(allowed, _SMALLEST, 1))
        self.confidence = probabilities.max(axis=1)
        self.bin = _bins(self.confidence)
        self.falling = np.argsort(-self.confidence, kind="stable")
        # Photos of one confidence can't be told apart by a threshold.
        falling = self.confidence[self.falling]
        self.cuts = np.flatnonzero(np.append(falling[1:] != falling[:-1], True))
        self.single = truths.sum(axis=1) == 1
        self.actual = truths.argmax(axis=1)[self.single]
        self.predicted = probabilities.argmax(axis=1)[self.single]

    def scores(self) -> dict[str, float]:
        """Compute every one of `METRICS`."""
        if self.photos == 0:
            return dict.fromkeys(METRICS, np.nan)
        even = np.ones(self.photos)
        coverage_95, coverage_99 = self.coverages(self.right, even)
        result = {
            "accuracy": self.right.mean(),
            **self._by_class(),
            "top5": self.in_top5.mean(),
            "log_loss": self.loss.mean(),
            "ece": self.calibration_error(self.right, even),
            "coverage_95": coverage_95,
            "coverage_99": coverage_99,
        }
        return {metric: float(result[metric]) for metric in METRICS}

    def _by_class(self) -> dict[str, float]:
        if len(self.actual) == 0:
            return dict.fromkeys(("balanced_accuracy", "macro_f1", "weighted_f1"), np.nan)

        def count(labels: np.ndarray) -> np.ndarray:
            return np.bincount(labels, minlength=self.classes)

        support, guesses = count(self.actual), count(self.predicted)
        hits = count(self.actual[self.actual == self.predicted])
        seen = support > 0
        either = seen | (guesses > 0)
        f1 = 2 * hits[either] / (support + guesses)[either]
        return {
            "balanced_accuracy": np.mean(hits[seen] / support[seen]),
            "macro_f1": f1.mean(),
            "weighted_f1": f1 @ support[either] / support.sum(),
        }

    def calibration_error(self, right: np.ndarray, weights: np.ndarray) -> float:
        """ECE."""
        gap = np.bincount(self.bin, right - weights * self.confidence)
        return float(np.abs(gap).sum() / weights.sum())

    def coverage(self, right: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Share above each threshold, rising, and precision there."""
        accepted = weights[self.falling].cumsum()[self.cuts]
        hits = right[self.falling].cumsum()[self.cuts]
        return accepted / weights.sum(), hits / accepted

    def coverages(self, right: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
        """The largest shares that keep a precision of 95 and of 99 %."""
        share, precision = self.coverage(right, weights)
        at_95, at_99 = (share[precision >= least].max(initial=0.0) for least in (0.95, 0.99))
        return float(at_95), float(at_99)


def ece_if_exact(probabilities: np.ndarray, truths: np.ndarray) -> tuple[float, float, float]:
    """Tell what ECE the same confidences would show if they were exactly true.

    Of few photos it isn't 0: in each bin chance alone makes a gap (Bröcker and Smith, "Increasing
    the Reliability of Reliability Diagrams", 2007, draw labels from the confidences likewise).

    Returns:
        The mean of many draws, and between which values 95 % of them lie; NaN without labels.
    """
    sample = Sample(probabilities, truths)
    if sample.photos == 0:
        return np.nan, np.nan, np.nan
    dice = np.random.default_rng(0)
    even = np.ones(sample.photos)
    drawn = [
        sample.calibration_error(dice.random(sample.photos) < sample.confidence, even)
        for _ in range(_DRAWS)
    ]
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(np.mean(drawn)), float(low), float(high)


def coverage_curve(probabilities: np.ndarray, truths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Share of the photos above each confidence threshold, and how many of those are right.

    Returns:
        Coverage, rising, and precision: two float arrays with one entry for each threshold that
        separates photos; empty when no photo has a label.
    """
    sample = Sample(probabilities, truths)
    if sample.photos == 0:
        return np.empty(0), np.empty(0)
    return sample.coverage(sample.right, np.ones(sample.photos))


@dataclass(frozen=True)
class Bin:
    """A bin of the reliability diagram: photos with a confidence in (``low``, ``high``]."""

    low: float
    high: float
    photos: int
    confidence: float
    accuracy: float


def reliability(probabilities: np.ndarray, truths: np.ndarray) -> list[Bin]:
    """Group the labelled photos by confidence; bins without photos are left out."""
    sample = Sample(probabilities, truths)
    if sample.photos == 0:
        return []
    return [
        Bin(
            low=number / CALIBRATION_BINS,
            high=(number + 1) / CALIBRATION_BINS,
            photos=int(inside.sum()),
            confidence=float(sample.confidence[inside].mean()),
            accuracy=float(sample.right[inside].mean()),
        )
        for number in range(CALIBRATION_BINS)
        if (inside := sample.bin == number).any()
    ]


def _bins(confidence: np.ndarray) -> np.ndarray:
    return np.clip(np.ceil(confidence * CALIBRATION_BINS).astype(int) - 1, 0, CALIBRATION_BINS - 1)


def confusion(probabilities: np.ndarray, truths: np.ndarray) -> np.ndarray:
    """Count actual (row) against predicted (column) values: int (C, C)."""
    classes = truths.shape[1]
    single = truths.sum(axis=1) == 1
    actual, predicted = truths[single].argmax(axis=1), probabilities[single].argmax(axis=1)
    pairs = np.bincount(actual * classes + predicted, minlength=classes**2)
    return pairs.reshape(classes, classes)


def most_confused(counts: np.ndarray, limit: int) -> list[tuple[int, int, int]]:
    """List (actual, predicted, photos) of the commonest errors in a confusion matrix."""
    errors = counts * ~np.eye(len(counts), dtype=bool)
    order = np.argsort(-errors, axis=None, kind="stable")[:limit]
    pairs = np.column_stack(np.unravel_index(order, errors.shape))
    return [
        (int(row), int(column), int(errors[row, column]))
        for row, column in pairs
        if errors[row, column]
    ]


def confused_block(counts: np.ndarray, size: int) -> np.ndarray:
    """Choose the values with the most errors, as actual or as predicted ones.

    Returns:
        int (at most size,): their positions, rising; all values that occur if they fit.
    """
    present = np.flatnonzero(counts.sum(axis=0) + counts.sum(axis=1))
    errors = counts.sum(axis=0) + counts.sum(axis=1) - 2 * counts.diagonal()
    worst = present[np.argsort(-errors[present], kind="stable")[:size]]
    return np.sort(worst)


@dataclass(frozen=True)
class ClassScores:
    """How one value fares. A ratio whose denominator is 0 is None."""

    value: str
    support: int
    predicted: int
    precision: float | None
    recall: float | None
    f1: float | None


def per_class(counts: np.ndarray, values: Sequence[str]) -> list[ClassScores]:
    """Precision, recall and F1 of each value that occurs or is predicted, commonest first."""
    support, guesses, hits = counts.sum(axis=1), counts.sum(axis=0), counts.diagonal()
    table = [
        ClassScores(
            value=values[c],
            support=int(support[c]),
            predicted=int(guesses[c]),
            precision=float(hits[c] / guesses[c]) if guesses[c] else None,
            recall=float(hits[c] / support[c]) if support[c] else None,
            f1=float(2 * hits[c] / (support[c] + guesses[c])),
        )
        for c in np.flatnonzero(support + guesses).tolist()
    ]
    return sorted(table, key=lambda one: -one.support)


def merge(
    probabilities: np.ndarray, truths: np.ndarray, groups: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Judge by groups of values, such as colour groups: probabilities add up.

    Args:
        probabilities: See the module's text.
        truths: See the module's text.
        groups: int (C,): the group of each value, numbered from 0.
        count: How many groups there are.

    Returns:
        Probabilities and truths (N, count).
    """
    membership = np.eye(count)[groups]
    return probabilities @ membership, (truths @ membership) > 0


def retrieval(relevance: np.ndarray, truths: np.ndarray) -> dict[str, float]:
    """Rank all photos for each value: how many of the first are of that value?

    Args:
        relevance: float (N, C): how well a photo fits a value; e.g. probabilities.
        truths: bool (N, C); unlabelled photos are left out.

    Returns:
        ``values`` (how many occur and so are asked for) and the means over them of ``p_at_1``,
        ``p_at_10`` (of the first ten photos, or of all if there are fewer), ``mrr``, the
        reciprocal rank of the first right photo, and ``p_at_10_at_best``, what a perfect ranking
        would reach, since some values have fewer photos. NaN if no photo has a label.
    """
    labelled = known(truths)
    relevance, truths = relevance[labelled], truths[labelled]
    asked = np.flatnonzero(truths.any(axis=0))
    if len(asked) == 0:
        nothing = dict.fromkeys(("p_at_1", "p_at_10", "mrr", "p_at_10_at_best"), np.nan)
        return {"values": 0, **nothing}
    order = np.argsort(-relevance[:, asked], axis=0, kind="stable")
    hits = np.take_along_axis(truths[:, asked], order, axis=0)
    return {
        "values": len(asked),
        "p_at_1": float(hits[0].mean()),
        "p_at_10": float(hits[:10].mean()),
        "mrr": float((1 / (hits.argmax(axis=0) + 1)).mean()),
        "p_at_10_at_best": float((hits.sum(axis=0) / len(hits[:10])).clip(max=1).mean()),
    }
