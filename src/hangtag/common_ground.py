"""Everyone's common ground: models of different vocabularies scored on the same task.

A model that chooses among fewer values has an easier task. Here every model is asked the same:
base colours become colour groups, a combined label becomes the values it is made of, and of each
attribute only values that all of the models know are asked for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hangtag import evaluation
from hangtag.attributes import COLOUR, COLOUR_GROUPS, Attribute, colour_group
from hangtag.labels import encode, read_labels
from hangtag.recipe import Combination, Recipe
from hangtag.verdict import COLOUR_GROUP, Evaluation


@dataclass(frozen=True)
class Answers:
    """What a model says of one attribute: float (N, values)."""

    values: tuple[str, ...]
    probabilities: np.ndarray


@dataclass(frozen=True)
class CommonTask:
    """What several models are asked alike, and how well each does.

    Attributes:
        attribute: Its name.
        values: What is asked for: those that all of the models know.
        photos: How many photos have one of them as their label.
        scores: ``accuracy`` and ``macro_f1`` by the position of the model.
    """

    attribute: str
    values: tuple[str, ...]
    photos: int
    scores: dict[int, dict[str, float]]


def common_tasks(evaluations: Sequence[Evaluation]) -> list[CommonTask]:
    """Score models on what at least two of them can be asked.

    Args:
        evaluations: Of the same part of the same catalogue.

    Returns:
        One task for each attribute that several of the models tag, directly or within a combined
        label. Every model in it chooses among the same values, for the same photos.
    """
    rows = evaluations[0].rows
    for one in evaluations[1:]:
        rows = np.intersect1d(rows, one.rows)
    said = [answers(one, np.flatnonzero(np.isin(one.rows, rows))) for one in evaluations]
    tasks = []
    for name in dict.fromkeys(name for of_model in said for name in of_model):
        able = [position for position, of_model in enumerate(said) if name in of_model]
        values = _shared([said[position][name].values for position in able])
        if len(able) < 2 or len(values) < 2:
            continue
        task = Attribute(name, values)
        truths = encode(_labels(evaluations[0], name, rows), task)
        scores = {}
        for position in able:
            own = said[position][name]
            columns = [own.values.index(value) for value in values]
            found = evaluation.scores(_shares(own.probabilities[:, columns]), truths)
            scores[position] = {metric: found[metric] for metric in ("accuracy", "macro_f1")}
        tasks.append(CommonTask(name, values, int(evaluation.known(truths).sum()), scores))
    return tasks


def answers(evaluated: Evaluation, photos: np.ndarray) -> dict[str, Answers]:
    """What a model says of a catalogue's own attributes, and of the colour group.

    Args:
        evaluated: The model's evaluation.
        photos: int (P,): of which of its photos.
    """
    recipe = Recipe.model_validate(evaluated.info.recipe)
    combinations = {one.name: one for one in recipe.combine}
    grouped = {one.attribute for one in recipe.groups}
    found: dict[str, Answers] = {}
    for name, judged in evaluated.judged.items():
        known = len(judged.attribute.values) - len(judged.unknown)
        own = Answers(judged.attribute.values[:known], judged.probabilities[photos, :known])
        if name in combinations:
            found |= _parts(own, combinations[name])
        elif name not in grouped:
            found[name] = own
        elif name == COLOUR and set(own.values) <= COLOUR_GROUPS.keys():
            found[COLOUR_GROUP] = own
    return found


def _parts(own: Answers, combination: Combination) -> dict[str, Answers]:
    """Marginals of a combined label. Values that hold the separator themselves add to nothing."""
    split = [value.split(combination.separator) for value in own.values]
    whole = [row for row, parts in enumerate(split) if len(parts) == len(combination.attributes)]
    found = {}
    for place, name in enumerate(combination.attributes):
        words = [split[row][place] for row in whole]
        values = tuple(dict.fromkeys(words))
        summed = np.zeros((len(own.probabilities), len(values)))
        for row, word in zip(whole, words, strict=True):
            summed[:, values.index(word)] += own.probabilities[:, row]
        found[name] = Answers(values, summed)
    return found


def _shared(vocabularies: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    first, *others = vocabularies
    return tuple(value for value in first if all(value in other for other in others))


def _shares(probabilities: np.ndarray) -> np.ndarray:
    total = probabilities.sum(axis=1, keepdims=True)
    even = np.full_like(probabilities, 1 / probabilities.shape[1])
    return np.divide(probabilities, total, out=even, where=total > 0)


def _labels(evaluated: Evaluation, name: str, rows: np.ndarray) -> list[str | None]:
    source = COLOUR if name == COLOUR_GROUP else name
    labels: Mapping[str, list[str | None]] = read_labels(
        evaluated.catalogue, [source], evaluated.info.translations
    )
    chosen = [labels[source][row] for row in rows.tolist()]
    if name != COLOUR_GROUP:
        return chosen
    return [None if colour is None else colour_group(colour) for colour in chosen]
