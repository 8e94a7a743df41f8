"""What a model said about photos and what their labels say, and all numbers that follow."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from hangtag import evaluation, uncertainty
from hangtag.attributes import ANY_OF, TYPE, Attribute, Taxonomy
from hangtag.plain_json import plain, to_json
from hangtag.precision import DEFAULT

if TYPE_CHECKING:
    from hangtag.catalogue import Catalogue
    from hangtag.model import ModelInfo
    from hangtag.photo_reader import PhotoReader
    from hangtag.tagger import Tagger

COLOUR_GROUP = "colourGroup"
"""Name of what is judged in addition where a model tags base colours: their groups."""

SLICED_BY = ("gender", "masterCategory")
"""Attributes whose values split the photos into slices."""

SIZE_BANDS = (100, 200, 500)
"""Borders between the slices of photo size: longer side in pixels, inclusive."""

TARGETS = (DEFAULT, 0.99)
"""Precision targets at which the model's own decisions are checked."""

CONFUSED_PAIRS = 20
"""How many confused pairs of each attribute are listed."""

SIGNIFICANT = 0.05
"""Adjusted p-value below which two models are called different."""

_CURVE_POINTS = 100


@dataclass(frozen=True)
class Judged:
    """Predictions and labels of one attribute, for the photos of an `Evaluation`.

    ``attribute`` has the model's values and then those of ``unknown``, which occur in the labels
    but not in the model; their probability is 0, so such photos count as wrong. ``probabilities``
    is float (N, values); ``truths`` bool (N, values).
    """

    attribute: Attribute
    unknown: tuple[str, ...]
    probabilities: np.ndarray
    truths: np.ndarray

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """The model's values, without the unknown ones."""
        return self.attribute.values[: len(self.attribute.values) - len(self.unknown)]

    @cached_property
    def known(self) -> np.ndarray:
        """bool (N,): which photos have a label."""
        return evaluation.known(self.truths)

    @cached_property
    def right(self) -> np.ndarray:
        """bool (N,): on which photos the prediction is right; False without a label."""
        return evaluation.correct(self.probabilities, self.truths)

    @cached_property
    def predicted(self) -> np.ndarray:
        """int (N,): position of the predicted value."""
        return self.probabilities.argmax(axis=1)

    @cached_property
    def confidence(self) -> np.ndarray:
        """float (N,): probability of the predicted value."""
        return self.probabilities.max(axis=1)

    @cached_property
    def confusion(self) -> np.ndarray:
        """int (values, values): actual (row) against predicted (column)."""
        return evaluation.confusion(self.probabilities, self.truths)

    def actual(self, photo: int) -> str:
        """Write the label of one photo, e.g. ``Tops`` or ``Tops|Tunics``; "" if it's missing."""
        positions = np.flatnonzero(self.truths[photo])
        return ANY_OF.join(self.attribute.values[position] for position in positions)


@dataclass(frozen=True)
class Evaluation:
    """What a model said about N photos of a catalogue, and what the labels say.

    Attributes:
        tagger: The model, loaded.
        catalogue: The catalogue.
        split: Which of its rows were asked for.
        kind: How it was split.
        rows: int (N,): row of each photo in the catalogue's table.
        groups: int (N,): photos of one number are copies (`hangtag.split.product_groups`).
        sizes: int (N, 2): width and height of each photo, in pixels.
        known_product: bool (N,): which photos the model takes for products of a kind it knows;
            tags of others are never accepted.
        turned: int (N,): by how many degrees each photo was turned clockwise to be upright.
        photos: Reads the photos again.
        unreadable: Name of a photo and error message, for those that could not be judged.
        judged: By attribute, in the model's order; ``colourGroup`` comes last.
        left_out: Attributes that could not be judged, and why.
        training_counts: How many products of the train part of this catalogue have each article
            type; None where all was judged, or by another split than the model's.
        label: What to call the model beside others of its name; see `told_apart`.
    """

    tagger: "Tagger"
    catalogue: "Catalogue"
    split: str
    kind: str
    rows: np.ndarray
    groups: np.ndarray
    sizes: np.ndarray
    known_product: np.ndarray
    turned: np.ndarray
    photos: "PhotoReader"
    unreadable: list[tuple[str, str]]
    judged: dict[str, Judged]
    left_out: dict[str, str]
    training_counts: Counter[str] | None
    label: str = ""

    @property
    def name(self) -> str:
        """What to call the model in a report."""
        return self.label or self.info.name

    @property
    def info(self) -> "ModelInfo":
        """What the model says of itself."""
        return self.tagger.info

    def all_right(self) -> uncertainty.Share:
        """Share of the photos on which every attribute is right, where every label is there.

        Details, which only some products have, don't count.
        """
        left_out = {COLOUR_GROUP, *self.info.details}
        judged = [one for name, one in self.judged.items() if name not in left_out]
        complete = np.logical_and.reduce([one.known for one in judged])
        right = np.logical_and.reduce([one.right for one in judged])
        return uncertainty.share(right[complete], self.groups[complete])

    def contradictions(self) -> uncertainty.Share | None:
        """Share of the photos whose predicted categories contradict the predicted article type.

        None where the model has no taxonomy.
        """
        taxonomy = Taxonomy(self.info.taxonomy)
        levels = [level for level in taxonomy.levels if level in self.judged]
        if TYPE not in self.judged or not levels:
            return None
        types = self.judged[TYPE]
        wrong = np.zeros(len(self.rows), bool)
        for level in levels:
            expected = np.array([taxonomy.parent(t, level) for t in types.attribute.values])
            found = np.array(self.judged[level].attribute.values)
            wrong |= expected[types.predicted] != found[self.judged[level].predicted]
        return uncertainty.share(wrong, self.groups)

    def slices(self) -> list[tuple[str, str, np.ndarray]]:
        """Part the photos by gender, category, year, size and how frequent their type is.

        Returns:
            What they are parted by, the name of the slice, and bool (N,): the photos in it.
        """
        return [(by, name, inside) for by, name, inside in self._candidate_slices() if inside.any()]

    def _candidate_slices(self) -> Iterator[tuple[str, str, np.ndarray]]:
        for by in SLICED_BY:
            if by in self.judged:
                truths = self.judged[by].truths
                single = truths.sum(axis=1) == 1
                for position, value in enumerate(self.judged[by].attribute.values):
                    yield by, value, truths[:, position] & single
        years = self.catalogue.table["year"].gather(self.rows.tolist()).to_numpy()
        for year in np.unique(years[~np.isnan(years.astype(float))]):
            yield "year", f"{year:.0f}", years == year
        longest = self.sizes.max(axis=1)
        below = 0
        for border in SIZE_BANDS:
            yield "photo size", f"{below + 1}–{border} px", (longest > below) & (longest <= border)
            below = border
        yield "photo size", f"over {below} px", longest > below
        if TYPE in self.judged and self.training_counts is not None:
            types = self.judged[TYPE]
            single = types.truths.sum(axis=1) == 1
            counts = np.array([self.training_counts[value] for value in types.attribute.values])
            rare = (counts < evaluation.RARE_BELOW)[types.truths.argmax(axis=1)]
            few = f"under {evaluation.RARE_BELOW} in this catalogue's train part"
            many = f"{evaluation.RARE_BELOW} or more"
            yield "article type", few, single & rare
            yield "article type", many, single & ~rare

    @cached_property
    def numbers(self) -> dict[str, Any]:
        """Everything measured, as plain dicts and lists; what the report and its JSON show."""
        contradictions = self.contradictions()
        return {
            "model": self.name,
            "catalogue": self.catalogue.source.name,
            "split": self.split,
            "split_kind": self.kind,
            "photos": len(self.rows),
            "unreadable": [{"photo": photo, "error": error} for photo, error in self.unreadable],
            "known_products": int(self.known_product.sum()),
            "turned": int((self.turned != 0).sum()),
            "all_right": plain(self.all_right()),
            "contradictions": plain(contradictions),
            "attributes": {name: self._attribute(name) for name in self.judged},
            "left_out": self.left_out,
            "slices": [
                {
                    "by": by,
                    "name": name,
                    "photos": int(inside.sum()),
                    "accuracies": {
                        attribute: plain(uncertainty.share(one.right[seen], self.groups[seen]))
                        for attribute, one in self.judged.items()
                        for seen in [inside & one.known]
                    },
                }
                for by, name, inside in self.slices()
            ],
        }

    def _attribute(self, name: str) -> dict[str, Any]:
        one = self.judged[name]
        scores = evaluation.scores(one.probabilities, one.truths)
        intervals = uncertainty.intervals(one.probabilities, one.truths, self.groups)
        values = one.attribute.values
        exact = evaluation.ece_if_exact(one.probabilities, one.truths)
        return plain(
            {
                "photos": int(one.known.sum()),
                "values": len(one.vocabulary),
                "unknown_values": one.unknown,
                "scores": {
                    metric: {
                        "value": value,
                        "low": intervals[metric][0],
                        "high": intervals[metric][1],
                    }
                    for metric, value in scores.items()
                },
                "ece_if_exact": dict(zip(("value", "low", "high"), exact, strict=True)),
                "decisions": self.decisions(name),
                "classes": evaluation.per_class(one.confusion, values),
                "confused": [
                    {"actual": values[actual], "predicted": values[predicted], "photos": photos}
                    for actual, predicted, photos in evaluation.most_confused(
                        one.confusion, CONFUSED_PAIRS
                    )
                ],
                "reliability": evaluation.reliability(one.probabilities, one.truths),
                "coverage_curve": _thinned(
                    *evaluation.coverage_curve(one.probabilities, one.truths)
                ),
            }
        )

    def decisions(self, name: str) -> list[dict[str, float | None]]:
        """What the model's own thresholds of an attribute, set on validation photos, do here.

        Returns:
            By precision ``target``: the ``threshold`` of confidence (None where nothing passes),
            ``coverage`` (share of the labelled photos whose tag is accepted) and ``precision``
            (share of these that are right; None where there are none).
        """
        one = self.judged[name]
        right = one.right[one.known]
        found: list[dict[str, float | None]] = []
        for target in TARGETS:
            threshold = self.info.calibration.threshold(name, target)
            accepted = ((one.confidence >= threshold) & self.known_product)[one.known]
            found.append(
                {
                    "target": target,
                    "threshold": threshold if threshold <= 1 else None,
                    "coverage": float(accepted.mean()),
                    "precision": float(right[accepted].mean()) if accepted.any() else None,
                }
            )
        return found

    def summary(self) -> dict[str, dict[str, float | None]]:
        """By attribute, ``count`` (labelled photos) and every one of `evaluation.METRICS`."""
        return plain(
            {
                name: {
                    "count": int(one.known.sum()),
                    **evaluation.scores(one.probabilities, one.truths),
                }
                for name, one in self.judged.items()
            }
        )

    def to_json(self) -> str:
        """Write `numbers` as JSON."""
        return to_json(self.numbers)


def told_apart(evaluations: Sequence[Evaluation]) -> list[Evaluation]:
    """Number the models whose names are the same: ``default (1)``, ``default (2)``."""
    names = [one.name for one in evaluations]
    return [
        one if names.count(one.name) == 1 else replace(one, label=f"{one.name} ({number})")
        for number, one in enumerate(evaluations, start=1)
    ]


def overlap(first: Evaluation, second: Evaluation) -> int:
    """How many photos both were judged on."""
    return len(np.intersect1d(first.rows, second.rows))


def incomparable(first: Evaluation, second: Evaluation) -> dict[str, str]:
    """Attributes that both tag and that `compare` leaves out, and why."""
    reasons = {}
    for name, one in first.judged.items():
        other = second.judged.get(name)
        if other is None:
            continue
        own, others = set(one.vocabulary), set(other.vocabulary)
        if own != others:
            reasons[name] = (
                f"the models choose among different values ({len(own):,} and {len(others):,}, "
                f"{len(own & others):,} of them the same), so one task is easier"
            )
        elif not _seen_by_both(first, second, name)[0].any():
            reasons[name] = "no labelled photo was judged by both"
    return reasons


def compare(first: Evaluation, second: Evaluation) -> dict[str, dict[str, Any]]:
    """Hold two models against each other, by attribute, on the photos that both were judged on.

    Returns:
        By attribute that both tag with the same values: ``photos``; ``first`` and ``second``, their
        accuracies; ``only_first`` and ``only_second``, on how many photos only that one is right;
        ``ahead`` and ``p_value`` as of `hangtag.uncertainty.McNemar`, copies voting once;
        ``adjusted``, the p-value for the number of attributes (Holm); and ``better``: ``first``,
        ``second``, or None where it could be chance.
    """
    left_out = incomparable(first, second)
    result: dict[str, dict[str, Any]] = {}
    for name, one in first.judged.items():
        if name not in second.judged or name in left_out:
            continue
        other = second.judged[name]
        both, in_first, in_second = _seen_by_both(first, second, name)
        rights = one.right[in_first][both], other.right[in_second][both]
        test = uncertainty.mcnemar(*rights, first.groups[in_first][both])
        result[name] = {
            **plain(test),
            "first": float(rights[0].mean()),
            "second": float(rights[1].mean()),
        }
    adjusted = uncertainty.holm([row["p_value"] for row in result.values()])
    for row, p_value in zip(result.values(), adjusted, strict=True):
        row["adjusted"] = p_value
        # Votes and photos can point apart where a few photos have many copies.
        gain = row["first"] - row["second"]
        sure = p_value < SIGNIFICANT and gain * row["ahead"] > 0
        row["better"] = ("first" if gain > 0 else "second") if sure else None
    return result


def _seen_by_both(
    first: Evaluation, second: Evaluation, name: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """bool: which of the common photos have a label; and their positions in either evaluation."""
    _, in_first, in_second = np.intersect1d(first.rows, second.rows, return_indices=True)
    known = first.judged[name].known[in_first] & second.judged[name].known[in_second]
    return known, in_first, in_second


def _thinned(share: np.ndarray, precision: np.ndarray) -> list[dict[str, float]]:
    positions = np.unique(np.linspace(0, len(share) - 1, _CURVE_POINTS).astype(int))
    if len(share) == 0:
        return []
    return [{"coverage": float(share[at]), "precision": float(precision[at])} for at in positions]
