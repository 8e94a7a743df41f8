"""Labels that contradict each other: within a row, with the taxonomy, among copies of a photo."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hangtag.attributes import ANY_OF, TYPE, TYPE_PARENTS, Taxonomy

if TYPE_CHECKING:
    from hangtag.catalogue import Catalogue

GENDER = "gender"
"""The attribute that tells children from adults."""

CHILD_OF = {"Men": "Boys", "Women": "Girls"}
"""What a child's product is called whose gender says it is an adult's."""

# "Baby" isn't among them, being a colour and several shops; nor are "boy" and "girl", which are
# shorts, scents and prints of adults.
_CHILD = re.compile(
    r"\b(kids?('?s)?|kids?wear|infants?|toddlers?|boys|girls|boy's|girl's)\b", re.IGNORECASE
)
_NAMES_RIGHT = 0.99  # 337 of 339 on the public dataset, by the shop's own age groups


@dataclass(frozen=True)
class Contradiction:
    """A label that something else in the catalogue speaks against.

    ``row`` is its row in the catalogue, ``suggested`` what it should be by ``reason``, empty if
    that can't be told; ``score``, 0 to 1, is how much speaks for the suggestion.
    """

    row: int
    attribute: str
    given: str
    suggested: str
    score: float
    reason: str


@dataclass(frozen=True)
class Disagreement:
    """Rows whose photos are the same and whose labels of one attribute aren't.

    ``labels`` has the label of each of ``rows``, None where it is missing.
    """

    attribute: str
    rows: tuple[int, ...]
    labels: tuple[str | None, ...]


def taxonomy_of(catalogue: "Catalogue") -> Taxonomy:
    """Learn which parents most rows of each article type state; empty without these columns."""
    if not {TYPE, *TYPE_PARENTS} <= set(catalogue.attributes):
        return Taxonomy()
    return Taxonomy.learn(catalogue.table.select(TYPE, *TYPE_PARENTS).iter_rows(named=True))


def against_taxonomy(catalogue: "Catalogue") -> list[Contradiction]:
    """Rows whose sub- or master category isn't the one that their article type mostly has.

    Of a label that stands for several values any may be right, so one that agrees is enough.
    """
    taxonomy = taxonomy_of(catalogue)
    found = []
    for level in taxonomy.levels:
        pairs = list(zip(catalogue.labels(TYPE), catalogue.labels(level), strict=True))
        votes, usual_votes = Counter[str](), Counter[str]()
        for kind, given in pairs:
            if kind and given:
                votes[kind] += 1
                usual_votes[kind] += taxonomy.parent(kind, level) in given.split(ANY_OF)
        for row, (kind, given) in enumerate(pairs):
            usual = taxonomy.parent(kind, level) if kind else None
            if kind and usual and given and usual not in given.split(ANY_OF):
                share = usual_votes[kind] / votes[kind]
                reason = f"{100 * share:.0f} % of {kind} are {usual}"
                found.append(Contradiction(row, level, given, usual, share, reason))
    return found


def children_as_adults(catalogue: "Catalogue") -> list[Contradiction]:
    """Rows of men's and women's products whose name or another label says that they are kids'."""
    if GENDER not in catalogue.attributes:
        return []
    others = [name for name in catalogue.attributes if name != GENDER]
    found = []
    for row, labels in enumerate(catalogue.table.select(GENDER, "name", *others).iter_rows()):
        if labels[0] not in CHILD_OF:
            continue
        for text in filter(None, labels[1:]):
            if word := _CHILD.search(text):
                reason = f"“{word.group()}” in “{text}”"
                suggested = CHILD_OF[labels[0]]
                found.append(Contradiction(row, GENDER, labels[0], suggested, _NAMES_RIGHT, reason))
                break
    return found


def among_copies(
    catalogue: "Catalogue", groups: Iterable[Sequence[int]]
) -> dict[str, list[Disagreement]]:
    """For each attribute, the groups of copies that state different labels of it.

    A missing label contradicts nothing.

    Args:
        catalogue: What the rows are of.
        groups: Rows that show the same photo.
    """
    members = [tuple(group) for group in groups]
    found: dict[str, list[Disagreement]] = defaultdict(list)
    for attribute in catalogue.attributes:
        column = catalogue.labels(attribute)
        for rows in members:
            labels = tuple(column[row] for row in rows)
            if len({label for label in labels if label is not None}) > 1:
                found[attribute].append(Disagreement(attribute, rows, labels))
    return dict(found)


def outvoted(disagreements: Iterable[Disagreement]) -> list[Contradiction]:
    """Labels that differ from what most copies of the photo say.

    Where no label has a majority there is nobody to believe: all of them are listed, and nothing
    is suggested.
    """
    found = []
    for one in disagreements:
        votes = Counter(label for label in one.labels if label is not None).most_common()
        total = sum(count for _, count in votes)
        tied = votes[0][1] == votes[1][1]
        winner = "" if tied else votes[0][0]
        listed = ", ".join(f"{count}× {label}" for label, count in votes)
        reason = f"copies of this photo say {listed}"
        for row, label in zip(one.rows, one.labels, strict=True):
            if label is None or label == winner or ANY_OF in label:
                continue
            # Of a tie, a label is as often wrong as there are others.
            score = 1 - votes[0][1] / total if tied else votes[0][1] / total
            found.append(Contradiction(row, one.attribute, label, winner, score, reason))
    return found
