"""From logits to calibrated, taxonomy-true probabilities, and the thresholds for accepting them.

Everything here is plain NumPy, because it runs wherever photos are tagged; only the fitting, done
once after training, needs SciPy.
"""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from hangtag.attributes import TYPE, Attribute, Taxonomy
from hangtag.precision import PRECISIONS

NEVER = 2.0
"""A threshold that no confidence reaches."""

_BIAS_PENALTY = 7.0
"""Weight of the biases' squares beside the sum of all photos' losses: a normal prior whose standard
deviation is 0.27."""

Curve = tuple[float, float, float]
"""What moves confidences: see `Calibration`."""

STRAIGHT: Curve = (1.0, 1.0, 0.0)
"""The curve that leaves confidences as they are."""

_CURVE_PENALTY = 2.0
"""The same for how far a curve is from the one that it should be near: a standard deviation of
0.5."""

_SUREST = 1 - 1e-6
"""Confidences are fitted as if none lay above this, nor below its complement."""

ENOUGH = 100
"""Labelled photos of one source that set an attribute's thresholds, at least."""

_LEAST_SURE = 0.8
"""The confidence below which no tag is accepted, however precise those above it are together."""

_SMALLEST_SAMPLE = 30
"""Thresholds above which fewer validation photos lie than this aren't trusted."""


class Calibration(BaseModel):
    """What turns logits into probabilities and probabilities into decisions.

    ``scales`` multiply each head's logits, and ``biases``, one for each of an attribute's values,
    are added (temperature and vector scaling; Guo et al., "On Calibration of Modern Neural
    Networks", 2017). For the heads of the taxonomy the scales are the exponents of a product of
    experts over article types, and only article types have biases. ``curves`` then move the
    highest probability c of each photo to the one whose log-odds are a·ln c − b·ln(1 − c) + m, of
    the numbers (a, b, m) (Kull et al., "Beta calibration", 2017). ``thresholds`` hold, by
    attribute and precision target, the confidence from which on accepted tags have had that
    precision on the photos that they were fitted to, which no training saw.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    scales: dict[str, float] = {}
    biases: dict[str, list[float]] = {}
    curves: dict[str, Curve] = {}
    thresholds: dict[str, dict[float, float]] = {}

    def threshold(self, attribute: str, precision: float) -> float:
        """Confidence to accept a tag at a precision target, rounded up to the next stored one."""
        stored = self.thresholds.get(attribute, {})
        reaching = [target for target in stored if target >= precision - 1e-9]
        return stored[min(reaching)] if reaching else NEVER


class Decoder:
    """Turns the logits of all heads into probabilities that don't contradict each other.

    With a taxonomy, article type, sub- and master category are read from one distribution over
    article types, the product of what the three heads say; a coarser value's probability is the
    sum over its article types. Where the most probable type isn't of the most probable category
    (many similar types can outweigh one), the category leans towards the type as far as it takes.

    Args:
        attributes: In the order that the results shall have.
        taxonomy: May be empty.
        calibration: Its scales, biases and curves are used.
    """

    def __init__(
        self, attributes: Sequence[Attribute], taxonomy: Taxonomy, calibration: Calibration
    ) -> None:
        self._names = [attribute.name for attribute in attributes]
        self._scales = calibration.scales
        self._biases = {
            name: np.array(values, np.float32) for name, values in calibration.biases.items()
        }
        self._curves = calibration.curves
        by_name = {attribute.name: attribute for attribute in attributes}
        self._parents: dict[str, np.ndarray] = {}
        types = by_name[TYPE].values if TYPE in by_name else ()
        for level in taxonomy.levels:
            if level in by_name and types:
                values = by_name[level].values
                self._parents[level] = taxonomy.membership(types, values, level)

    def __call__(self, logits: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """float32 (N, values) by attribute, rows summing to 1, of logits of the same shapes."""
        evidence = {name: log_softmax(logits[name]) for name in self._names}
        result = {
            name: self._probabilities(
                name, self._scales.get(name, 1.0) * evidence[name] + self._biases.get(name, 0)
            )
            for name in self._names
            if name not in self._parents and not (name == TYPE and self._parents)
        }
        if self._parents:
            types = self._probabilities(TYPE, self._joint(evidence))
            result[TYPE] = types
            chosen = types.argmax(axis=1)
            for level, membership in self._parents.items():
                probabilities = types @ membership
                # The most probable of those that the type may belong to.
                parent = (membership[chosen] * probabilities).argmax(axis=1)
                result[level] = _agreeing(probabilities, parent)
        return {name: result[name] for name in self._names}

    def experts(self, logits: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """What each head of the taxonomy says of the article types: float32 (N, types) by head."""
        evidence = {name: log_softmax(logits[name]) for name in (TYPE, *self._parents)}
        return {TYPE: evidence[TYPE]} | {
            level: evidence[level] @ membership.T for level, membership in self._parents.items()
        }

    def _probabilities(self, name: str, evidence: np.ndarray) -> np.ndarray:
        probabilities = softmax(evidence)
        curve = self._curves.get(name)
        return probabilities if curve is None else _moved(probabilities, curve)

    def _joint(self, evidence: Mapping[str, np.ndarray]) -> np.ndarray:
        joint = self._scales.get(TYPE, 1.0) * evidence[TYPE] + self._biases.get(TYPE, 0)
        for level, membership in self._parents.items():
            joint = joint + self._scales.get(level, 0.0) * (evidence[level] @ membership.T)
        return joint


def _agreeing(probabilities: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Mix in as little of each row's chosen value as makes it the most probable."""
    rows = np.arange(len(probabilities))
    lacking = probabilities.max(axis=1) - probabilities[rows, chosen]
    share = np.where(lacking > 0, lacking / (1 + lacking) + 1e-4, 0.0)[:, np.newaxis]
    mixed = (1 - share) * probabilities
    mixed[rows, chosen] += share[:, 0]
    return mixed


def _moved(probabilities: np.ndarray, curve: Curve) -> np.ndarray:
    """Move each row's highest probability along a curve; the others share what is left as before.

    It goes no lower than the next one, so the order stays.
    """
    if probabilities.shape[1] < 2:
        return probabilities
    rows, best = np.arange(len(probabilities)), probabilities.argmax(axis=1)
    moved = probabilities.astype(float)
    before = moved[rows, best]
    # Where they are too small to be told from 0, each gets the same.
    moved = np.maximum(moved, np.finfo(np.float32).tiny)
    moved[rows, best] = 0
    rest = moved.sum(axis=1)
    next_best = moved.max(axis=1)
    after = np.maximum(_on_curve(curve, before), next_best / (rest + next_best) + 1e-6)
    moved *= ((1 - after) / rest)[:, np.newaxis]
    moved[rows, best] = after
    return moved.astype(probabilities.dtype)


def _on_curve(curve: Sequence[float] | np.ndarray, confidence: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-_log_odds(curve, confidence)))


def _log_odds(curve: Sequence[float] | np.ndarray, confidence: np.ndarray) -> np.ndarray:
    confidence = np.clip(confidence, 1 - _SUREST, _SUREST).astype(float)
    return curve[0] * np.log(confidence) - curve[1] * np.log1p(-confidence) + curve[2]


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Log-probabilities float32 (N, C) of logits (N, C)."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities float32 (N, C) of logits (N, C)."""
    return np.exp(log_softmax(logits))


def fit_probabilities(
    logits: Mapping[str, np.ndarray],
    allowed: Mapping[str, np.ndarray],
    attributes: Sequence[Attribute],
    taxonomy: Taxonomy,
    scales_only: Collection[str] = (),
) -> Calibration:
    """Find the scales and biases that make validation labels most likely, and confidences true.

    What the heads of the taxonomy weigh against each other, and which values come up too often, is
    found by the likelihood of the labels. That alone would leave confidences a point or two off,
    because the few labels that are given hardly any probability rule it. So all of an attribute's
    numbers are then multiplied by what makes its confidences predict best whether the most probable
    value is right (top-label calibration; Gupta and Ramdas, "Top-label Calibration and
    Multiclass-to-binary Reductions", 2022). And since where some labels are wrong no number mends
    confidences of .6 and of .99 at once, those are moved along a curve that is fitted likewise.

    Args:
        logits: float (N, C) by attribute.
        allowed: bool (N, C) by attribute, the values that each label allows.
        attributes: As for `Decoder`.
        taxonomy: As for `Decoder`.
        scales_only: Attributes that get neither biases nor a curve, since too few photos have them.

    Returns:
        Scales, biases and curves; no thresholds.
    """
    plain = Calibration()
    joint = Decoder(attributes, taxonomy, plain).experts(logits) if taxonomy.levels else {}
    tasks = [(joint, TYPE)] if joint else []
    for name in (attribute.name for attribute in attributes):
        if name not in joint:
            tasks.append(({name: log_softmax(logits[name])}, name))
    scales: dict[str, float] = {}
    biases: dict[str, list[float]] = {}
    curves: dict[str, Curve] = {}
    for experts, name in tasks:
        stacked = np.stack(list(experts.values()))
        rows = allowed[name].any(axis=1)
        if not rows.any():
            continue
        stacked, mask = stacked[:, rows], allowed[name][rows]
        weights, bias = _fit_likelihood(stacked, mask, biased=name not in scales_only)
        evidence = np.tensordot(weights, stacked, axes=1) + bias
        right = mask[np.arange(len(mask)), evidence.argmax(axis=1)]
        truth = _fit_confidence(evidence, right)
        scales |= dict(zip(experts, (truth * weights).tolist(), strict=True))
        if name not in scales_only:
            biases[name] = (truth * bias).tolist()
            curves[name] = fit_curve(softmax(truth * evidence).max(axis=1), right)
    return Calibration(scales=scales, biases=biases, curves=curves)


def _fit_likelihood(
    experts: np.ndarray, mask: np.ndarray, *, biased: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Weights (E,) and biases (C,) under which experts (E, N, C) make labels (N, C) likeliest."""
    from scipy.optimize import minimize

    count, values = len(experts), experts.shape[2]
    start = np.concatenate([[1.0], np.full(count - 1, 0.1), np.zeros(values)])
    hidden = np.where(mask, 0.0, -1e9)
    penalty = _BIAS_PENALTY / len(mask)

    def loss(numbers: np.ndarray) -> tuple[float, np.ndarray]:
        weights, bias = numbers[:count], numbers[count:]
        joint = np.tensordot(weights, experts, axes=1) + bias
        every, allowed = log_softmax(joint), log_softmax(joint + hidden)
        # What the allowed values have of the whole is the same for each of them.
        best = allowed.argmax(axis=1)[:, np.newaxis]
        share = np.take_along_axis(every - allowed, best, axis=1)
        slope = (np.exp(every) - np.exp(allowed)) / len(joint)
        by_weight = np.tensordot(experts, slope, axes=2)
        by_bias = slope.sum(axis=0) + 2 * penalty * bias
        value = float(-share.mean() + penalty * (bias**2).sum())
        return value, np.concatenate([by_weight, by_bias])

    bounds = [
        (0.05, 10.0),
        *[(0.0, 5.0)] * (count - 1),
        *[(None, None) if biased else (0.0, 0.0)] * values,
    ]
    found = minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B").x
    return found[:count], found[count:]


def _fit_confidence(evidence: np.ndarray, right: np.ndarray) -> float:
    """What to multiply log-probabilities by, so that confidences say how often they're right."""
    from scipy.optimize import minimize_scalar

    def loss(exponent: float) -> float:
        confidence = softmax(np.exp(exponent) * evidence).max(axis=1)
        confidence = np.clip(confidence, 1 - _SUREST, _SUREST)
        return -float(np.log(np.where(right, confidence, 1 - confidence)).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-0.7, 0.7), method="bounded").x))


def fit_curve(confidence: np.ndarray, right: np.ndarray, near: Curve = STRAIGHT) -> Curve:
    """Find the rising curve that moves confidences to how often tags are right.

    Kull, Silva Filho and Flach, "Beta calibration", 2017, with a normal prior.

    Args:
        confidence: float (N,), 0 to 1, before any curve.
        right: bool (N,).
        near: What the curve stays near to where photos are few.

    Returns:
        The curve; ``near`` itself where there are no photos.
    """
    from scipy.optimize import minimize

    start = np.array(near)

    def loss(curve: np.ndarray) -> float:
        odds = _log_odds(curve, confidence)
        unlikeliness = np.logaddexp(0, odds) - right * odds
        return float(unlikeliness.sum() + _CURVE_PENALTY * ((curve - start) ** 2).sum())

    bounds = [(0.0, None), (0.0, None), (None, None)]
    a, b, m = minimize(loss, start, bounds=bounds, method="L-BFGS-B").x.tolist()
    return a, b, m


def fit_thresholds(
    confidence: np.ndarray, right: np.ndarray, *, tolerance: float = 0.0
) -> dict[float, float]:
    """For each precision target the lowest confidence from which on tags were that precise.

    None lies below 0.8: the many sure tags of an easy attribute would else let guesses pass.

    Args:
        confidence: float (N,).
        right: bool (N,).
        tolerance: How far the precision may lie below the target, 0 to 1.

    Returns:
        Threshold by target, 0.8 to 1; `NEVER` where 30 photos or more don't reach the target.
    """
    order = np.argsort(-confidence, kind="stable")
    precision = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    # Ties share a threshold, so a cut is only possible where the confidence changes.
    sorted_confidence = confidence[order]
    cuttable = np.append(sorted_confidence[:-1] > sorted_confidence[1:], True)[: len(order)]
    cuttable[: _SMALLEST_SAMPLE - 1] = False
    cuttable &= sorted_confidence >= _LEAST_SURE
    thresholds = {}
    for target in PRECISIONS:
        reached = np.flatnonzero(cuttable & (precision >= target - tolerance))
        thresholds[target] = float(sorted_confidence[reached[-1]]) if len(reached) else NEVER
    return thresholds


def telling(allowed: np.ndarray) -> np.ndarray:
    """Rows bool (N,) whose labels, bool (N, C), can tell how precise tags are.

    One that allows most values, such as "not for kids" among five genders, proves nothing.
    """
    count = allowed.sum(axis=1)
    return (count > 0) & (count <= max(1, allowed.shape[1] // 2))


def strictest(thresholds: Sequence[dict[float, float]]) -> dict[float, float]:
    """The highest of several thresholds for each precision target."""
    return {target: max(one[target] for one in thresholds) for target in PRECISIONS}
