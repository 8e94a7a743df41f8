"""What can be tagged: attributes and their vocabularies, the taxonomy, colour groups."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

MISSING = frozenset({"", "NA", "N/A", "NaN", "nan", "null", "None"})
"""Cell texts that mean "no label". (In a product's name the same texts are ordinary words.)"""

PRODUCT_ATTRIBUTES = (
    "gender",
    "masterCategory",
    "subCategory",
    "articleType",
    "baseColour",
    "season",
    "usage",
)
"""The attributes of the public dataset, in the order of its columns."""

NOT_SHOWN = frozenset({"season"})
"""Attributes that a photo doesn't show: a season is that of the collection it was sold in."""

COLOUR = "baseColour"
"""The attribute that a photo's colours tell."""

TYPE = "articleType"
"""The finest level of the taxonomy."""

TYPE_PARENTS = ("subCategory", "masterCategory")
"""The coarser levels of the taxonomy: each article type has one value of each."""

ANY_OF = "|"
"""Separates the values of a cell that is known to be one of several: ``Tops|Tunics``."""

COLOUR_GROUPS: dict[str, tuple[str, ...]] = {
    "black": ("Black", "Charcoal"),
    "white": ("White", "Off White", "Cream"),
    "blue": ("Blue", "Navy Blue", "Turquoise Blue", "Teal"),
    "brown": (
        "Brown",
        "Beige",
        "Tan",
        "Khaki",
        "Coffee Brown",
        "Mushroom Brown",
        "Taupe",
        "Nude",
        "Skin",
        "Bronze",
        "Copper",
    ),
    "grey": ("Grey", "Grey Melange", "Silver", "Steel", "Metallic"),
    "red": ("Red", "Maroon", "Burgundy", "Rust"),
    "green": ("Green", "Olive", "Sea Green", "Lime Green", "Fluorescent Green"),
    "purple": ("Purple", "Lavender", "Mauve", "Magenta", "Pink", "Rose"),
    "orange": ("Orange", "Peach"),
    "yellow": ("Yellow", "Mustard", "Gold"),
    "other": ("Multi",),
}
"""The 46 base colours of the public dataset in eleven groups."""


@dataclass(frozen=True)
class Attribute:
    """One thing that can be tagged, and the values it can take."""

    name: str
    values: tuple[str, ...]

    @cached_property
    def index(self) -> dict[str, int]:
        """Position of each value in the vocabulary."""
        return {value: position for position, value in enumerate(self.values)}


def vocabulary(name: str, labels: Iterable[str | None]) -> Attribute:
    """Collect the values that occur, most frequent first (ties alphabetically).

    A label that stands for several possible values (``A|B``) adds none of them.
    """
    counts = Counter(label for label in labels if label is not None and ANY_OF not in label)
    ordered = sorted(counts, key=lambda value: (-counts[value], value))
    return Attribute(name, tuple(ordered))


def colour_group(colour: str) -> str | None:
    """Name the group of a base colour; None for a colour outside the table.

    Of a label that stands for several colours (``Blue|Red``) the groups of all are joined alike;
    None if one of them is outside the table, for it may be the right one.
    """
    found: dict[str, None] = {}
    for part in colour.split(ANY_OF):
        group = next((name for name, colours in COLOUR_GROUPS.items() if part in colours), None)
        if group is None:
            return None
        found[group] = None
    return ANY_OF.join(found)


@dataclass(frozen=True)
class Taxonomy:
    """Which sub- and master category each article type belongs to.

    ``parents`` maps a child attribute to its values, each with its value at every coarser level:
    ``{"articleType": {"Tshirts": {"subCategory": "Topwear", "masterCategory": "Apparel"}}}``.
    """

    parents: Mapping[str, Mapping[str, Mapping[str, str]]] = field(default_factory=dict)

    @property
    def levels(self) -> tuple[str, ...]:
        """The coarser attributes, finest first; empty when there is no taxonomy."""
        for of_value in self.parents.get(TYPE, {}).values():
            return tuple(of_value)
        return ()

    def parent(self, article_type: str, level: str) -> str | None:
        """Value of ``level`` for an article type; None for an unknown type or level."""
        return self.parents.get(TYPE, {}).get(article_type, {}).get(level)

    def membership(
        self, article_types: Sequence[str], values: Sequence[str], level: str
    ) -> np.ndarray:
        """Which value of a level each article type belongs to.

        Returns:
            float32 (types, values), each row summing to 1: probabilities of types times this are
            those of the level. A type that nothing is known of may belong to any value.
        """
        parents = [self.parent(article_type, level) for article_type in article_types]
        belongs = np.array([[one == value for value in values] for one in parents], np.float32)
        belongs[~belongs.any(axis=1)] = 1
        return belongs / belongs.sum(axis=1, keepdims=True)

    @classmethod
    def learn(cls, rows: Iterable[Mapping[str, str | None]]) -> "Taxonomy":
        """Take for each article type the parents that most of its rows state.

        Args:
            rows: Mappings with ``articleType``, ``subCategory`` and ``masterCategory``; rows that
                lack one of them don't count.
        """
        seen: dict[str, Counter[tuple[str, ...]]] = defaultdict(Counter)
        for row in rows:
            path = tuple(row.get(level) or "" for level in (TYPE, *TYPE_PARENTS))
            if all(value and ANY_OF not in value for value in path):
                seen[path[0]][path[1:]] += 1
        if not seen:
            return cls()
        return cls(
            {
                TYPE: {
                    child: dict(zip(TYPE_PARENTS, counts.most_common(1)[0][0], strict=True))
                    for child, counts in sorted(seen.items())
                }
            }
        )
