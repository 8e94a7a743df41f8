"""From the words in a catalogue to training targets: translate, group, combine, encode."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hangtag.attributes import ANY_OF, Attribute
from hangtag.errors import HangtagError
from hangtag.recipe import Combination, Grouping, RareValues, Recipe, Translation

if TYPE_CHECKING:
    from hangtag.catalogue import Catalogue

Labels = dict[str, list[str | None]]
"""Labels by attribute, one a row. None is a missing label; ``A|B`` means one of these."""


def read_labels(
    catalogue: "Catalogue", names: Sequence[str], translations: Sequence[Translation] = ()
) -> Labels:
    """Take the labels of some attributes from a catalogue.

    Attributes that it lacks, and rows without a label, are translated from its other columns where
    a translation is known, and missing otherwise.
    """
    labels: Labels = {}
    for name in names:
        own = name in catalogue.attributes
        labels[name] = catalogue.labels(name) if own else [None] * len(catalogue)
        for translation in translations:
            if translation.attribute == name and translation.column in catalogue.attributes:
                words = catalogue.labels(translation.column)
                labels[name] = [
                    _translated(word, translation.values) if label is None else label
                    for label, word in zip(labels[name], words, strict=True)
                ]
    return labels


def _translated(word: str | None, values: Mapping[str, list[str]]) -> str | None:
    return None if word is None or word not in values else ANY_OF.join(values[word])


def recipe_sources(recipe: Recipe) -> list[str]:
    """The catalogue columns that a recipe's attributes are made from."""
    names = dict.fromkeys([*recipe.attributes, *recipe.details, *recipe.auxiliary])
    for combination in recipe.combine:
        names |= dict.fromkeys(combination.attributes)
    made = {combination.name for combination in recipe.combine}
    return [name for name in names if name not in made]


def relabel(labels: Labels, recipe: Recipe, counted: np.ndarray) -> Labels:
    """Apply a recipe's groups, combinations and rare values, in this order.

    Args:
        labels: As from `read_labels`.
        recipe: Whose rules to apply.
        counted: bool (rows,): the training rows, whose frequencies decide what is rare.
    """
    result = dict(labels)
    for grouping in recipe.groups:
        result[grouping.attribute] = [
            _grouped(label, grouping) for label in result[grouping.attribute]
        ]
    for combination in recipe.combine:
        result[combination.name] = _combined(result, combination, counted)
    for rule in recipe.rare:
        result[rule.attribute] = _without_rare(result[rule.attribute], rule, counted)
    return result


def _grouped(label: str | None, grouping: Grouping) -> str | None:
    if label is None:
        return None
    found = [
        group
        for value in label.split(ANY_OF)
        for group, values in grouping.groups.items()
        if value in values
    ]
    return ANY_OF.join(dict.fromkeys(found)) or None


def _combined(labels: Labels, combination: Combination, counted: np.ndarray) -> list[str | None]:
    parts = zip(*(labels[name] for name in combination.attributes), strict=True)
    joined = [
        combination.separator.join(row)
        if all(part is not None and ANY_OF not in part for part in row)
        else None
        for row in parts
    ]
    if not combination.most_frequent:
        return joined
    common = dict(_frequencies(joined, counted).most_common(combination.most_frequent))
    return [label if label in common else None for label in joined]


def _without_rare(
    labels: list[str | None], rule: RareValues, counted: np.ndarray
) -> list[str | None]:
    # As for vocabularies: a label that stands for several possible values counts for none of them.
    certain = [None if label is None or ANY_OF in label else label for label in labels]
    counts = _frequencies(certain, counted)

    def common(label: str) -> str | None:
        values = [
            value if counts[value] >= rule.fewer_than else rule.into
            for value in label.split(ANY_OF)
        ]
        return ANY_OF.join(dict.fromkeys(value for value in values if value is not None)) or None

    return [None if label is None else common(label) for label in labels]


def _frequencies(labels: Sequence[str | None], counted: np.ndarray) -> Counter[str]:
    return Counter(
        label for label, counts in zip(labels, counted, strict=True) if counts and label is not None
    )


def encode(labels: Sequence[str | None], attribute: Attribute) -> np.ndarray:
    """Which values each label allows.

    Returns:
        bool (rows, values). A row without label, or whose label is no value of the attribute,
        allows none; ``A|B`` allows those of its values that the attribute has.
    """
    allowed = np.zeros((len(labels), len(attribute.values)), bool)
    for row, label in enumerate(labels):
        if label is not None:
            for value in label.split(ANY_OF):
                position = attribute.index.get(value)
                if position is not None:
                    allowed[row, position] = True
    return allowed


def require_attributes(catalogue: "Catalogue", recipe: Recipe) -> None:
    """Refuse a catalogue that lacks what a recipe's attributes are made from."""
    for name in recipe_sources(recipe):
        if name not in catalogue.attributes:
            raise HangtagError(
                f"{catalogue.source}: no attribute {name!r}, which the recipe {recipe.name!r} "
                f"asks for; name those to learn with --attribute: {', '.join(catalogue.attributes)}"
            )


def require_rules(recipe: Recipe) -> None:
    """Refuse rules for what a recipe neither learns nor combines."""
    made = {one.name for one in recipe.combine}
    # Groups are made before attributes are combined, rare values merged after it.
    for section, known in (("groups", recipe.labelled - made), ("rare", recipe.labelled | made)):
        for one in getattr(recipe, section):
            if one.attribute not in known:
                raise HangtagError(
                    f"recipe {recipe.name!r}: [[{section}]] of {one.attribute!r}, which it doesn't "
                    f"learn; there are {', '.join(sorted(known))}"
                )


def require_values(heads: dict[str, Attribute], source: Path) -> None:
    """Refuse attributes without a value."""
    for name, attribute in heads.items():
        if len(attribute.values) < 1:
            raise HangtagError(f"{source}: no labels of {name!r} among the training products")
