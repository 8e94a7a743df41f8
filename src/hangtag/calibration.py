"""From logits to calibrated, taxonomy-true probabilities, and the thresholds for accepting them.

Everything here is plain NumPy, because it runs wherever photos are tagged; only the fitting, done
once after training, needs SciPy.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from hangtag.attributes import TYPE, Attribute, Taxonomy

PRECISIONS = (0.8, 0.85, 0.9, 0.925, 0.95, 0.96, 0.97, 0.98, 0.985, 0.99, 0.995)
"""The precision targets for which a model stores a threshold."""

NEVER = 2.0
"""A threshold that no confidence reaches."""

_SMALLEST_SAMPLE = 30
"""Thresholds above which fewer validation photos lie than this aren't trusted."""


class Calibration(BaseModel):
    """What turns logits into probabilities and probabilities into decisions.

    ``scales`` multiply each head's logits (1 / temperature; Guo et al., "On Calibration of Modern
    Neural Networks", 2017). For the heads of the taxonomy they are the exponents of a product of
    experts over article types. ``thresholds`` hold, by attribute and precision target, the
    confidence from which on accepted tags have had that precision on validation photos.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    scales: dict[str, float] = {}
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
        scales: See `Calibration`.
    """

    def __init__(
        self, attributes: Sequence[Attribute], taxonomy: Taxonomy, scales: Mapping[str, float]
    ) -> None:
        self._names = [attribute.name for attribute in attributes]
        self._scales = scales
        by_name = {attribute.name: attribute for attribute in attributes}
        self._parents: dict[str, np.ndarray] = {}
        types = by_name[TYPE].values if TYPE in by_name else ()
        for level in taxonomy.levels:
            if level in by_name and types:
                index = by_name[level].index
                columns = [index[taxonomy.parent(value, level) or ""] for value in types]
                membership = np.zeros((len(types), len(index)), np.float32)
                membership[np.arange(len(types)), columns] = 1
                self._parents[level] = membership

    def __call__(self, logits: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """float32 (N, values) by attribute, rows summing to 1, of logits of the same shapes."""
        evidence = {name: log_softmax(logits[name]) for name in self._names}
        result = {
            name: softmax(self._scales.get(name, 1.0) * evidence[name])
            for name in self._names
            if name not in self._parents and not (name == TYPE and self._parents)
        }
        if self._parents:
            types = softmax(self._joint(evidence))
            result[TYPE] = types
            chosen = types.argmax(axis=1)
            for level, membership in self._parents.items():
                result[level] = _agreeing(types @ membership, membership.argmax(axis=1)[chosen])
        return {name: result[name] for name in self._names}

    def experts(self, logits: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """What each head of the taxonomy says of the article types: float32 (N, types) by head."""
        evidence = {name: log_softmax(logits[name]) for name in (TYPE, *self._parents)}
        return {TYPE: evidence[TYPE]} | {
            level: evidence[level] @ membership.T for level, membership in self._parents.items()
        }

    def _joint(self, evidence: Mapping[str, np.ndarray]) -> np.ndarray:
        joint = self._scales.get(TYPE, 1.0) * evidence[TYPE]
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


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Log-probabilities float32 (N, C) of logits (N, C)."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities float32 (N, C) of logits (N, C)."""
    return np.exp(log_softmax(logits))


def fit_scales(
    logits: Mapping[str, np.ndarray],
    allowed: Mapping[str, np.ndarray],
    attributes: Sequence[Attribute],
    taxonomy: Taxonomy,
) -> dict[str, float]:
    """Find the scales that make validation labels most likely, and confidences true.

    What the heads of the taxonomy weigh against each other is found by the likelihood of the
    labels. That alone would leave confidences a point or two off, because the few labels that are
    given hardly any probability rule it. So each attribute's scales are then multiplied by what
    makes its confidences predict best whether the most probable value is right (top-label
    calibration; Gupta and Ramdas, "Top-label Calibration and Multiclass-to-binary Reductions",
    2022).

    Args:
        logits: float (N, C) by attribute.
        allowed: bool (N, C) by attribute, the values that each label allows.
        attributes: As for `Decoder`.
        taxonomy: As for `Decoder`.
    """
    from scipy.optimize import minimize

    def fit(experts: Sequence[np.ndarray], mask: np.ndarray) -> np.ndarray:
        rows = mask.any(axis=1)
        start = np.array([1.0] + [0.1] * (len(experts) - 1))
        if not rows.any():
            return start
        stacked = np.stack([expert[rows] for expert in experts])
        hidden = np.where(mask[rows], 0.0, -1e9)

        def loss(scales: np.ndarray) -> float:
            joint = log_softmax(np.tensordot(scales, stacked, axes=1))
            best = joint + hidden
            peak = best.max(axis=1, keepdims=True)
            return -float((peak[:, 0] + np.log(np.exp(best - peak).sum(axis=1))).mean())

        bounds = [(0.05, 10.0)] + [(0.0, 5.0)] * (len(experts) - 1)
        return minimize(loss, start, bounds=bounds, method="L-BFGS-B").x

    joint = Decoder(attributes, taxonomy, {}).experts(logits) if taxonomy.levels else {}
    tasks = [(joint, allowed[TYPE])] if joint else []
    for name in (attribute.name for attribute in attributes):
        if name not in joint:
            tasks.append(({name: log_softmax(logits[name])}, allowed[name]))
    scales: dict[str, float] = {}
    for experts, mask in tasks:
        fitted = fit(list(experts.values()), mask)
        evidence = np.tensordot(fitted, np.stack(list(experts.values())), axes=1)
        fitted = fitted * _fit_confidence(evidence, mask)
        scales |= dict(zip(experts, fitted.tolist(), strict=True))
    return scales


def _fit_confidence(evidence: np.ndarray, mask: np.ndarray) -> float:
    """What to multiply log-probabilities by, so that confidences say how often they're right."""
    from scipy.optimize import minimize_scalar

    rows = mask.any(axis=1)
    if not rows.any():
        return 1.0
    evidence, mask = evidence[rows], mask[rows]
    right = mask[np.arange(len(mask)), evidence.argmax(axis=1)]

    def loss(exponent: float) -> float:
        confidence = np.clip(softmax(np.exp(exponent) * evidence).max(axis=1), 1e-6, 1 - 1e-6)
        return -float(np.log(np.where(right, confidence, 1 - confidence)).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-0.7, 0.7), method="bounded").x))


def fit_thresholds(
    confidence: np.ndarray, right: np.ndarray, *, tolerance: float = 0.0
) -> dict[float, float]:
    """For each precision target the lowest confidence from which on tags were that precise.

    Args:
        confidence: float (N,).
        right: bool (N,).
        tolerance: How far the precision may lie below the target, 0 to 1.

    Returns:
        Threshold by target, `NEVER` where the target isn't reached on at least 30 photos.
    """
    order = np.argsort(-confidence, kind="stable")
    precision = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    # Ties share a threshold, so a cut is only possible where the confidence changes.
    sorted_confidence = confidence[order]
    cuttable = np.append(sorted_confidence[:-1] > sorted_confidence[1:], True)[: len(order)]
    cuttable[: _SMALLEST_SAMPLE - 1] = False
    thresholds = {}
    for target in PRECISIONS:
        reached = np.flatnonzero(cuttable & (precision >= target - tolerance))
        thresholds[target] = float(sorted_confidence[reached[-1]]) if len(reached) else NEVER
    return thresholds


def strictest(thresholds: Sequence[dict[float, float]]) -> dict[float, float]:
    """The highest of several thresholds for each precision target."""
    return {target: max(one[target] for one in thresholds) for target in PRECISIONS}
