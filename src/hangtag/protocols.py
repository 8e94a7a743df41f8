"""Published protocols: how others measured, our number and theirs side by side."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hangtag.attributes import ANY_OF, TYPE
from hangtag.errors import HangtagError
from hangtag.evaluation import retrieval
from hangtag.verdict import Evaluation, Judged

FREQUENT_TYPES = 20
"""How many article types the temporal protocol calls frequent."""

TEMPORAL_SOURCE = "uditarora/fashion-product-classification, ResNet-50"
RETRIEVAL_SOURCE = "Marqo KAGL leaderboard, best of six CLIP-like models, zero-shot"

_TEMPORAL = {
    ("frequent", "top1"): {
        "small": 0.8701,
        "small, multi-task": 0.8746,
        "full": 0.8805,
        "full, multi-task": 0.8835,
    },
    ("frequent", "top5"): {"small": 0.9578},
    ("remaining", "top1"): {
        "small": 0.4296,
        "small, multi-task": 0.4623,
        "full": 0.471,
        "full, multi-task": 0.4897,
    },
}

_RANKS = {"top1": 1, "top5": 5}

_RETRIEVAL = {
    "masterCategory": 0.700,
    "subCategory": 0.687,
    "articleType": 0.629,
    "baseColour": 0.502,
    "season": 0.425,
    "usage": 0.400,
}


@dataclass(frozen=True)
class Line:
    """One number of a protocol.

    ``setting`` says of what, ``metric`` names it, ``ours`` is what was measured (0 to 1, NaN if
    there was nothing to measure), on ``count`` photos or values; ``published`` holds others'
    numbers by variant, empty where none was published.
    """

    setting: str
    metric: str
    ours: float
    count: int
    published: dict[str, float]


@dataclass(frozen=True)
class Outcome:
    """What a protocol measured.

    Attributes:
        protocol: Its name.
        model: Which model was measured.
        source: Whose published numbers they are; empty where none stand beside.
        lines: The numbers.
        notes: What to know before comparing them.
    """

    protocol: str
    model: str
    source: str
    lines: list[Line]
    notes: list[str]


def temporal(evaluation: Evaluation) -> Outcome:
    """Measure article types: the 20 most frequent ones, and the remaining ones.

    On the test part of a random split the same two tasks tell what the years cost: no year is new
    there, so no published numbers stand beside.

    As published, either group is a task of its own: predictions are restricted to its types.
    The types are ranked by all labelled products of the catalogue. Where some of a group's types
    don't occur in the training years, the group is also measured without them.

    Args:
        evaluation: Of a test part.

    Raises:
        HangtagError: The model doesn't tag article types, or another part was judged.
    """
    if TYPE not in evaluation.judged:
        raise HangtagError(
            f"{evaluation.name}: the temporal protocol needs a model that tags {TYPE}"
        )
    if evaluation.split != "test":
        raise HangtagError("the temporal protocol needs the test part of a split")
    judged = evaluation.judged[TYPE]
    values = judged.attribute.values
    counts = Counter(
        label for label in evaluation.catalogue.labels(TYPE) if label and ANY_OF not in label
    )
    frequent = {value for value, _ in counts.most_common(FREQUENT_TYPES)}
    learnt = np.array([value not in judged.unknown for value in values])
    lines = []
    for setting in ("frequent", "remaining"):
        columns = np.array([(value in frequent) == (setting == "frequent") for value in values])
        published = {
            metric: _TEMPORAL.get((setting, metric), {}) if evaluation.kind == "temporal" else {}
            for metric in _RANKS
        }
        lines += _task(f"{setting} types", judged, columns, published)
        if not learnt[columns].all():
            lines += _task(f"{setting} types seen in training", judged, columns & learnt, {})
    notes = [
        f"The {FREQUENT_TYPES} most frequent article types: {', '.join(sorted(frequent))}.",
        "Predictions are restricted to the types that each line asks for.",
    ]
    if judged.unknown:
        notes.append(
            f"{len(judged.unknown)} types are not among the training products, so the model "
            f"can't name them: {', '.join(judged.unknown)}. The lines of types seen in training "
            "leave them out."
        )
    if evaluation.info.split != "temporal":
        notes.append(
            f"NOT COMPARABLE: this model was trained on a {evaluation.info.split} split, so it has "
            "seen products of the years it is tested on. Train on even years: "
            "hangtag train CATALOGUE --split temporal -o MODEL"
        )
    source = TEMPORAL_SOURCE if evaluation.kind == "temporal" else ""
    return Outcome("temporal", evaluation.name, source, lines, notes)


def _task(
    setting: str, judged: Judged, columns: np.ndarray, published: dict[str, dict[str, float]]
) -> list[Line]:
    """Top-1 and top-5 among some types, of the photos that show one of them."""
    within = judged.known & ~judged.truths[:, ~columns].any(axis=1)
    probabilities = judged.probabilities[within][:, columns]
    truths = judged.truths[within][:, columns]
    return [
        Line(
            setting,
            metric,
            _top(probabilities, truths, rank),
            int(within.sum()),
            published.get(metric, {}),
        )
        for metric, rank in _RANKS.items()
    ]


def retrieve(evaluation: Evaluation) -> Outcome:
    """Rank all photos for each value of each attribute by its probability.

    Precision among the first one and first ten, and the reciprocal rank of the first right photo,
    each the mean over the values that occur.

    Args:
        evaluation: Of photos that the model wasn't trained on.

    Raises:
        HangtagError: The model tags none of the leaderboard's attributes.
    """
    names = [name for name in _RETRIEVAL if name in evaluation.judged]
    if not names:
        raise HangtagError(
            f"{evaluation.name}: the retrieval protocol needs a model that tags one of "
            f"{', '.join(_RETRIEVAL)}"
        )
    lines = []
    at_best = []
    for name in names:
        judged = evaluation.judged[name]
        found = retrieval(judged.probabilities, judged.truths)
        for metric in ("p_at_1", "p_at_10", "mrr"):
            published = {"best": _RETRIEVAL[name]} if metric == "p_at_10" else {}
            lines.append(Line(name, metric, found[metric], int(found["values"]), published))
        at_best.append(f"{name} {100 * found['p_at_10_at_best']:.1f} %")
    notes = [
        f"Ranked: {len(evaluation.rows):,} photos of the {evaluation.split} part; published: the "
        "leaderboard's photos of the same dataset. Its models never saw the labels; this one was "
        "trained on them.",
        "A value with fewer than ten photos can't reach 100 % in P@10. On these photos a perfect "
        f"ranking would reach: {', '.join(at_best)}.",
    ]
    if evaluation.split in ("train", "all"):
        notes.append("NOT COMPARABLE: some of these photos may have been trained on.")
    return Outcome("retrieval", evaluation.name, RETRIEVAL_SOURCE, lines, notes)


PROTOCOLS: dict[str, Callable[[Evaluation], Outcome]] = {
    "temporal": temporal,
    "retrieval": retrieve,
}
"""The protocols by name."""


def _top(probabilities: np.ndarray, truths: np.ndarray, rank: int) -> float:
    """Share of the photos with a true value among the ``rank`` most probable ones."""
    if len(truths) == 0:
        return float("nan")
    first = np.argsort(-probabilities, axis=1, kind="stable")[:, :rank]
    return float(np.take_along_axis(truths, first, axis=1).any(axis=1).mean())
