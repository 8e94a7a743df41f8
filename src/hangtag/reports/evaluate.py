"""The evaluation report: one or several models, judged on one catalogue."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hangtag.attributes import TYPE
from hangtag.evaluation import CALIBRATION_BINS, METRICS, confused_block
from hangtag.plain_json import to_json
from hangtag.protocols import Outcome
from hangtag.reports import evaluate_figures as figures
from hangtag.reports import page
from hangtag.reports.evaluate_photos import Gallery, Shown
from hangtag.verdict import (
    COLOUR_GROUP,
    Evaluation,
    compare,
    incomparable,
    overlap,
    told_apart,
)

if TYPE_CHECKING:
    from markupsafe import Markup

HEADINGS = {
    "accuracy": ("right", "percent"),
    "balanced_accuracy": ("balanced", "percent"),
    "macro_f1": ("macro-F1", "percent"),
    "weighted_f1": ("weighted F1", "percent"),
    "top5": ("among first 5", "percent"),
    "log_loss": ("log-loss", "score"),
    "ece": ("ECE", "percent"),
    "coverage_95": ("tagged at 95 %", "percent"),
    "coverage_99": ("tagged at 99 %", "percent"),
}
"""Heading and cell style of each metric."""

CONFUSION_SIZE = 20
"""Values in a confusion matrix; of larger vocabularies the most confused ones are drawn."""


def report_json(evaluations: Sequence[Evaluation], outcomes: Sequence[Outcome] = ()) -> str:
    """Write what the report shows as JSON: ``models``, ``comparisons`` and ``protocols``.

    ``models`` is a list of `Evaluation.numbers`; ``comparisons`` holds each further model against
    the first, as from `hangtag.verdict.compare`; ``protocols`` are the fields of ``outcomes``.
    """
    evaluations = told_apart(evaluations)
    return to_json(
        {
            "models": [one.numbers for one in evaluations],
            "comparisons": [_comparison(evaluations[0], other) for other in evaluations[1:]],
            "protocols": list(outcomes),
        }
    )


def report_html(evaluations: Sequence[Evaluation], outcomes: Sequence[Outcome] = ()) -> str:
    """Make the report: a self-contained HTML page.

    Args:
        evaluations: At least one; of the same catalogue.
        outcomes: Of the protocols that were asked for.

    Raises:
        MissingExtraError: Jinja2 or Matplotlib isn't installed.
    """
    evaluations = told_apart(evaluations)
    labels = [one.name for one in evaluations]
    sections = [
        ("scores", "Scores"),
        *([("comparison", "Comparison")] if len(evaluations) > 1 else []),
        *([("protocols", "Published numbers")] if outcomes else []),
        ("automatic", "Automatic tagging"),
        ("calibration", "Calibration"),
        ("slices", "Slices"),
        ("examples", "Examples"),
        *[(f"errors-{number}", f"Errors: {label}") for number, label in enumerate(labels)],
        ("method", "Method"),
    ]
    if len(evaluations) == 1:
        sections[-2] = ("errors-0", "Errors")
    return page.render(
        "evaluate.html.j2",
        title="How right is " + " against ".join(labels) + "?",
        subtitle=f"{evaluations[0].catalogue.source.name}, {'; '.join(photos_of(evaluations))}",
        lead=[sentence for one in evaluations for sentence in _lead(one, len(evaluations) > 1)],
        sections=sections,
        metrics=[HEADINGS[metric] for metric in METRICS],
        models=[
            _model(evaluation, label, number)
            for number, (evaluation, label) in enumerate(zip(evaluations, labels, strict=True))
        ],
        comparisons=[
            {
                **_comparison(evaluations[0], other),
                "title": f"{labels[0]} against {label}",
                "disagreements": _disagreements(evaluations[0], other),
            }
            for other, label in zip(evaluations[1:], labels[1:], strict=True)
        ],
        outcomes=[(outcome, _outcome_rows(outcome)) for outcome in outcomes],
        curves=[draw_both(name, evaluations, labels) for name in _all_attributes(evaluations)],
        bins=CALIBRATION_BINS,
        confusion_size=CONFUSION_SIZE,
    )


@dataclass(frozen=True)
class _Drawn:
    coverage: "Markup"
    reliability: "Markup"


def draw_both(name: str, evaluations: Sequence[Evaluation], labels: Sequence[str]) -> _Drawn:
    """Draw an attribute's coverage curve and reliability diagram, a line for each model."""
    by_model = {
        label: one.numbers["attributes"][name]
        for label, one in zip(labels, evaluations, strict=True)
        if name in one.judged
    }
    return _Drawn(figures.coverage_curve(name, by_model), figures.reliability(name, by_model))


def photos_of(evaluations: Sequence[Evaluation]) -> list[str]:
    """Which photos were judged: one line where all models saw the same, else one for each."""
    lines = [
        f"{one.split} part ({one.kind} split): {len(one.rows):,} photos" for one in evaluations
    ]
    if all(np.array_equal(one.rows, evaluations[0].rows) for one in evaluations):
        return lines[:1]
    return [
        f"{one.name}: {line}"
        + (f", {overlap(evaluations[0], one):,} of them judged by {evaluations[0].name}, too")
        * (number > 0)
        for number, (one, line) in enumerate(zip(evaluations, lines, strict=True))
    ]


def _all_attributes(evaluations: Sequence[Evaluation]) -> list[str]:
    return list(dict.fromkeys(name for one in evaluations for name in one.judged))


def _model(evaluation: Evaluation, label: str, number: int) -> dict[str, Any]:
    numbers = evaluation.numbers
    gallery = Gallery(evaluation)
    return {
        **numbers,
        "label": label,
        "number": number,
        "main": _main(numbers),
        "score_rows": [
            [name, one["photos"], one["values"], *(one["scores"][metric] for metric in METRICS)]
            for name, one in numbers["attributes"].items()
        ],
        "decision_rows": [
            [name, *(row[key] for row in one["decisions"] for key in ("coverage", "precision"))]
            for name, one in numbers["attributes"].items()
            if name != COLOUR_GROUP
        ],
        "calibration_rows": [
            [name, one["scores"]["ece"]["value"], *one["ece_if_exact"].values()]
            for name, one in numbers["attributes"].items()
        ],
        "slice_rows": [
            [
                row["by"],
                row["name"],
                row["photos"],
                *(row["accuracies"][name]["value"] for name in numbers["attributes"]),
            ]
            for row in numbers["slices"]
        ],
        "grid": gallery.grid(),
        "errors": [_errors(evaluation, gallery, name) for name in evaluation.judged],
    }


def _main(numbers: dict[str, Any]) -> str:
    """The attribute to speak of first."""
    attributes = numbers["attributes"]
    return TYPE if TYPE in attributes else next(iter(attributes))


def _errors(evaluation: Evaluation, gallery: Gallery, name: str) -> dict[str, Any]:
    one, numbers = evaluation.judged[name], evaluation.numbers["attributes"][name]
    block = confused_block(one.confusion, CONFUSION_SIZE)
    derived = name == COLOUR_GROUP
    return {
        "name": name,
        "wrong": int((one.known & ~one.right).sum()),
        "class_rows": [list(row.values()) for row in numbers["classes"]],
        "confused_rows": [list(pair.values()) for pair in numbers["confused"]],
        "unknown_values": numbers["unknown_values"],
        "confusion": figures.confusion(name, one.confusion, one.attribute.values, block)
        if len(block)
        else None,
        "whole": len(block) == len(numbers["classes"]),
        "pairs": [] if derived else gallery.confused(name),
        "top_losses": [] if derived else gallery.top_losses(name),
    }


def _comparison(first: Evaluation, other: Evaluation) -> dict[str, Any]:
    return {
        "first": first.name,
        "second": other.name,
        "photos": overlap(first, other),
        "attributes": compare(first, other),
        "left_out": incomparable(first, other),
    }


def _outcome_rows(outcome: Outcome) -> list[list[Any]]:
    return [
        [
            line.setting,
            line.metric,
            line.count,
            line.ours,
            "; ".join(
                f"{variant}: {page.format_cell(value, 'percent')}"
                for variant, value in line.published.items()
            )
            or None,
        ]
        for line in outcome.lines
    ]


def _disagreements(first: Evaluation, other: Evaluation) -> dict[str, list[Shown]]:
    gallery = Gallery(first)
    return {
        name: gallery.disagreements(other, name)
        for name in compare(first, other)
        if name != COLOUR_GROUP
    }


def _lead(evaluation: Evaluation, several: bool) -> list[str]:
    """The main findings in plain words."""
    numbers = evaluation.numbers
    attributes = numbers["attributes"]
    sentences = []
    main = _main(numbers)
    scores = attributes[main]["scores"]
    right = f"{main} is right on {_percent(scores['accuracy'])} of {attributes[main]['photos']:,} "
    first_five = f", and among the first five on {_percent(scores['top5'])}"
    many = attributes[main]["values"] > 5
    sentences.append(f"{right}labelled photos{first_five if many else ''}.")
    weakest = min(attributes, key=lambda name: attributes[name]["scores"]["accuracy"]["value"])
    best = max(attributes, key=lambda name: attributes[name]["scores"]["accuracy"]["value"])
    if best != weakest:
        sentences.append(
            f"Most often right is {best} ({_percent(attributes[best]['scores']['accuracy'])}), "
            f"least often {weakest} ({_percent(attributes[weakest]['scores']['accuracy'])})."
        )
    together = numbers["all_right"]
    if together["photos"]:
        sentences.append(
            f"Every attribute is right on {_percent(together)} of the {together['photos']:,} "
            "photos that have all labels."
        )
    for decision in attributes[main]["decisions"]:
        if decision["precision"] is not None:
            sentences.append(
                f"Asked for {decision['target']:.0%}, the model accepts its {main} on "
                f"{page.format_cell(decision['coverage'], 'percent')} of the photos; of these "
                f"{page.format_cell(decision['precision'], 'percent')} are right."
            )
    if attributes[main]["confused"]:
        pair = attributes[main]["confused"][0]
        sentences.append(
            f"The commonest error in {main}: {pair['actual']} is taken for {pair['predicted']} "
            f"({pair['photos']:,} {'photo' if pair['photos'] == 1 else 'photos'})."
        )
    contradictions = numbers["contradictions"]
    if contradictions is not None:
        wrong = round(contradictions["value"] * contradictions["photos"])
        sentences.append(
            f"Predicted categories contradict the predicted {TYPE} on {wrong:,} "
            f"{'photo' if wrong == 1 else 'photos'}."
            if wrong
            else f"Predicted categories always agree with the predicted {TYPE}."
        )
    for name, why in numbers["left_out"].items():
        sentences.append(f"{name} is not judged: {why}.")
    if numbers["unreadable"]:
        sentences.append(f"{len(numbers['unreadable']):,} photos could not be read.")
    return [f"{evaluation.name}: {sentence}" for sentence in sentences] if several else sentences


def _percent(share: dict[str, float | None]) -> str:
    value = share["value"]
    return "–" if value is None or np.isnan(value) else f"{100 * value:.1f} %"
