"""What so many photos can tell: confidence intervals of scores, and tests between models.

Copies of one photo are no further evidence: wherever ``groups`` are asked for, int (N,), photos of
one number are copies of each other (`hangtag.split.product_groups`). By default none are.

Intervals of shares are Wilson's (1927). Of photos in groups as many count as the share's design
effect leaves (Dean and Pagano, "Evaluating confidence interval methods for binomial proportions in
clustered surveys", 2015): copies that are right and wrong alike count as one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hangtag.errors import require
from hangtag.evaluation import METRICS, Sample

stats = require("report", "scipy.stats")

Interval = tuple[float, float]

_LEVEL = 0.95
_QUANTILE = float(stats.norm.ppf((1 + _LEVEL) / 2))
_PRIOR = 0.5  # Jeffreys': as if half a group more were right, and half a group wrong


@dataclass(frozen=True)
class Share:
    """A share of photos with its 95 % confidence interval (Wilson, 1927); NaN of no photos."""

    photos: int
    value: float
    low: float
    high: float


def share(hits: np.ndarray, groups: np.ndarray | None = None) -> Share:
    """Share of True in a bool array (N,), whose photos may be copies."""
    if len(hits) == 0:
        return Share(0, np.nan, np.nan, np.nan)
    value = float(hits.mean())
    return Share(len(hits), value, *_wilson(value, _independent(hits, _numbered(groups, hits))))


def intervals(
    probabilities: np.ndarray,
    truths: np.ndarray,
    groups: np.ndarray | None = None,
    *,
    rounds: int = 1000,
    seed: int = 0,
) -> dict[str, Interval]:
    """Compute 95 % confidence intervals of `hangtag.evaluation.scores`; each holds its score.

    Accuracy and top-5 have Wilson's. The means over classes (balanced accuracy, F1s) combine the
    Wilson intervals of their classes (MOVER: Zou and Donner, "Construction of confidence limits
    about effect measures", 2008), so that no class is ever left out and one photo of a class says
    little. F1 is 2J / (1 + J) of the share J of photos that are of a class *and* taken for it,
    among those that are either; an error counts against two classes, which widens the interval of
    their mean. Log-loss, ECE and coverage have a Bayesian bootstrap of
    groups (Rubin, 1981) with Jeffreys' prior for errors that didn't happen to occur. Its mean is
    moved to the score, since chance alone makes a calibration error larger in every resample.

    Args:
        probabilities: See `hangtag.evaluation`.
        truths: See `hangtag.evaluation`.
        groups: See the module's text.
        rounds: Of the bootstrap.
        seed: Makes the result repeatable.

    Returns:
        By metric, low and high; NaN where the score is.
    """
    sample = Sample(probabilities, truths)
    if sample.photos == 0:
        return dict.fromkeys(METRICS, (np.nan, np.nan))
    members = _numbered(None if groups is None else groups[sample.labelled], sample.right)
    found = {
        metric: _wilson(float(hits.mean()), _independent(hits, members))
        for metric, hits in (("accuracy", sample.right), ("top5", sample.in_top5))
    }
    found |= _of_classes(sample, members[sample.single])
    found |= _resampled(sample, members, rounds, np.random.default_rng(seed))
    scores = sample.scores()
    result = {}
    for metric in METRICS:
        score, (low, high) = scores[metric], found[metric]
        low, high = max(low, 0.0), high if metric == "log_loss" else min(high, 1.0)
        # Rounding, and coverage, whose draws are no heap around the score.
        result[metric] = (float(np.minimum(low, score)), float(np.maximum(high, score)))
    return result


def _numbered(groups: np.ndarray | None, photos: np.ndarray) -> np.ndarray:
    if groups is None:
        return np.arange(len(photos))
    return np.unique(groups, return_inverse=True)[1]


def _independent(hits: np.ndarray, members: np.ndarray) -> float:
    """How many independent photos would tell the share of hits as well as these do.

    At most all of them, and at least as many as if copies were always right together (Kish, 1965);
    this, too, where all or none are hits, which says nothing of how copies agree.
    """
    sizes = np.bincount(members)
    sizes = sizes[sizes > 0]
    photos, least = len(hits), len(hits) ** 2 / (sizes.astype(float) ** 2).sum()
    value = hits.mean()
    if len(sizes) == photos or len(sizes) == 1 or value in (0, 1):
        return float(least)
    residuals = np.bincount(members, hits - value)
    variance = (residuals**2).sum() / photos**2 * len(sizes) / (len(sizes) - 1)
    return float(np.clip(value * (1 - value) / variance, least, photos)) if variance else photos


def _wilson(value: float, photos: float) -> Interval:
    """Wilson's interval; SciPy's takes whole numbers only, and the photos that count aren't."""
    square = _QUANTILE**2 / photos
    middle = (value + square / 2) / (1 + square)
    half = (value * (1 - value) * square + square**2 / 4) ** 0.5 / (1 + square)
    # Rounding must not shut out a share of 0 or 1.
    return min(middle - half, value), max(middle + half, value)


def _of_classes(sample: Sample, members: np.ndarray) -> dict[str, Interval]:
    actual, predicted = sample.actual, sample.predicted
    if len(actual) == 0:
        nothing = (np.nan, np.nan)
        return dict.fromkeys(("balanced_accuracy", "macro_f1", "weighted_f1"), nothing)
    hits = actual == predicted
    classes = np.union1d(actual, predicted)
    supports = np.array([(actual == one).sum() for one in classes])
    recalls = [
        _ends(hits[inside], members[inside]) for one in classes if (inside := actual == one).any()
    ]
    f1s = []
    for one in classes:
        either = (actual == one) | (predicted == one)
        f1s.append([_f1_of(end) for end in _ends(hits[either], members[either])])
    one_each = np.ones(len(classes))
    return {
        "balanced_accuracy": _of_mean(np.array(recalls), np.ones(len(recalls))),
        "macro_f1": _of_mean(np.array(f1s), one_each, _shared_errors(sample, one_each)),
        "weighted_f1": _of_mean(np.array(f1s), supports, _shared_errors(sample, supports)),
    }


def _shared_errors(sample: Sample, weights: np.ndarray) -> float:
    """How much wider the interval of a mean of F1s is than were the F1s independent.

    The ratio of standard errors, each by the delta method (Takahashi et al., "Confidence interval
    for micro-averaged F1 and macro-averaged F1 scores", 2022); 1 to √2, for an error moves two F1s.

    Args:
        sample: With photos of one true value.
        weights: Float, of each class that occurs or is predicted, rising.
    """
    _, found = np.unique([sample.actual, sample.predicted], return_inverse=True)
    actual, predicted = found.reshape(2, -1)
    hits = actual == predicted
    sizes = np.bincount(np.concatenate([actual, predicted]), minlength=len(weights))
    f1 = 2 * np.bincount(actual[hits], minlength=len(weights)) / sizes
    worth = weights / sizes
    in_actual = worth[actual] * (2 * hits - f1[actual])
    in_predicted = -worth[predicted] * f1[predicted]
    together = ((in_actual + in_predicted) ** 2).sum()
    apart = np.where(hits, (in_actual + in_predicted) ** 2, in_actual**2 + in_predicted**2).sum()
    return float(np.sqrt(together / apart)) if apart > 0 else 2**0.5


def _ends(hits: np.ndarray, members: np.ndarray) -> tuple[float, float, float]:
    """A share, and both ends of its interval."""
    value = float(hits.mean())
    return value, *_wilson(value, _independent(hits, members))


def _f1_of(jaccard: float) -> float:
    return 2 * jaccard / (1 + jaccard)


def _of_mean(ends: np.ndarray, weights: np.ndarray, wider: float = 1) -> Interval:
    """MOVER: (C, 3) values, low and high ends; weights (C,); ``wider`` for what they share."""
    weights = weights / weights.sum()
    value, low, high = ends.T
    mean = float(weights @ value)
    below = np.sqrt(((weights * (value - low)) ** 2).sum())
    above = np.sqrt(((weights * (high - value)) ** 2).sum())
    return mean - wider * float(below), mean + wider * float(above)


def _resampled(
    sample: Sample, members: np.ndarray, rounds: int, dice: np.random.Generator
) -> dict[str, Interval]:
    metrics = ("log_loss", "ece", "coverage_95", "coverage_99")
    score = sample.scores()
    count = members.max() + 1
    drawn = np.empty((rounds, len(metrics)))
    for values in drawn:
        weights = dice.exponential(size=count)[members]
        hits = weights * sample.right
        loss = weights @ sample.loss
        # The photos of the prior are as sure of themselves as one of the others is.
        like = dice.integers(sample.photos)
        more_right, more_wrong = dice.gamma(_PRIOR, sample.photos / count, size=2)
        sure = np.clip(sample.confidence[like], 1e-7, 1 - 1e-7)
        loss -= more_right * np.log(sure) + more_wrong * np.log(1 - sure)
        weights[like] += more_right + more_wrong
        hits[like] += more_right
        values[:] = (
            loss / weights.sum(),
            sample.calibration_error(hits, weights),
            *sample.coverages(hits, weights),
        )
    values = np.array([score[metric] for metric in metrics])
    tail = (1 - _LEVEL) / 2
    ends = np.quantile(drawn, [tail, 1 - tail], axis=0) - drawn.mean(axis=0) + values
    return {metric: (low, high) for metric, low, high in zip(metrics, *ends, strict=True)}


@dataclass(frozen=True)
class McNemar:
    """Two models on the same photos: on how many only one is right, and could that be chance?

    ``ahead`` is positive where the first wins more groups, negative where the second does.
    """

    photos: int
    only_first: int
    only_second: int
    ahead: int
    p_value: float


def mcnemar(first: np.ndarray, second: np.ndarray, groups: np.ndarray | None = None) -> McNemar:
    """Exact McNemar test (1947), two-sided, of whether two models are equally often right.

    Copies of one photo have one vote together, for the model that is right on more of them: the
    sign test of groups.

    Args:
        first: bool (N,): on which photos the first model is right.
        second: bool (N,): the same for the second, in the same order.
        groups: See the module's text.
    """
    only_first, only_second = first & ~second, second & ~first
    members = _numbered(groups, first)
    ahead = np.sign(np.bincount(members, only_first.astype(float) - only_second))
    votes = int((ahead > 0).sum()), int((ahead < 0).sum())
    p_value = stats.binomtest(votes[0], sum(votes)).pvalue if any(votes) else 1.0
    return McNemar(
        photos=len(first),
        only_first=int(only_first.sum()),
        only_second=int(only_second.sum()),
        ahead=votes[0] - votes[1],
        p_value=float(p_value),
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values for testing several things at once (Holm, 1979)."""
    ordered = np.argsort(p_values)
    factors = np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[ordered] = np.maximum.accumulate(np.asarray(p_values)[ordered] * factors)
    return np.minimum(adjusted, 1).tolist()
