"""What is in a catalogue and what is wrong with it: a catalogue in, numbers out."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel

from hangtag import consistency
from hangtag.attributes import TYPE, TYPE_PARENTS
from hangtag.copies import CopyGroups, find_copies
from hangtag.photo_files import Count, PhotoFile, PhotoSummary, counts, read_files, summarise

if TYPE_CHECKING:
    from hangtag.catalogue import Catalogue

RARE_BELOW = 10
"""A class with fewer products than this can hardly be learnt or judged."""

CROSSED = (("gender", TYPE), ("season", "baseColour"))
"""The cross-tables of the public dataset's attributes that are made when none are asked for."""

YEAR = "year"
"""What may be crossed with an attribute like another one."""

EXAMPLES = 6
"""Photos of each class that are named as its examples."""

_MOSTLY_UNIQUE = 0.5  # share of different labels above which an attribute is text, not classes
_FEW_VALUES = 60  # attributes with no more values than this are crossed without being asked for
_WORST = 3  # attributes of which the summary says what is missing


class AttributeSummary(BaseModel):
    """One attribute: how its labels are distributed, and where they are missing.

    ``classes`` are the most frequent first; ``imbalance`` is the largest class by the smallest;
    ``rare`` are the classes with fewer than `RARE_BELOW` products. ``missing_in`` counts the rows
    without a label per value of the coarsest attribute, ``share`` being of that value's rows.
    ``free_text``: nearly every label is another one, so these are no classes. ``examples`` are
    some rows of each class, those with readable photos.
    """

    name: str
    classes: list[Count]
    missing: int
    missing_share: float
    missing_in: list[Count]
    imbalance: float | None
    rare: list[str]
    free_text: bool
    examples: dict[str, list[int]]


class Branch(BaseModel):
    """A value of the taxonomy, how many rows have it, and the finer values below it."""

    value: str
    count: int
    below: list["Branch"]


class Conflict(BaseModel):
    """A row whose label is contradicted; see `hangtag.consistency.Contradiction`."""

    row: int
    id: str
    attribute: str
    given: str
    suggested: str
    score: float
    reason: str


class CrossTable(BaseModel):
    """How often two attributes' values occur together: ``counts[row value][column value]``."""

    rows: str
    columns: str
    row_values: list[str]
    column_values: list[str]
    counts: list[list[int]]


class Copies(BaseModel):
    """Rows with the same photo.

    ``near`` are (row, row, levels of 255 by which their photos differ); ``surplus`` is the number
    of rows whose exact photo an earlier row has. The disagreements count, per attribute, the
    groups or pairs whose labels differ.
    """

    exact: list[list[int]]
    near: list[tuple[int, int, float]]
    surplus: int
    exact_disagreements: dict[str, int]
    near_disagreements: dict[str, int]


class TableProblem(BaseModel):
    """Something wrong in the table; see `hangtag.rows.Problem`."""

    kind: str
    line: int | None
    message: str


class Exploration(BaseModel):
    """All that `explore` finds; rows are counted from 0. ``summary`` says it in plain words.

    ``taxonomy_checked`` is whether the labels could be held against a taxonomy, which needs all of
    its levels.
    """

    source: str
    summary: list[str]
    rows: int
    problems: list[TableProblem]
    attributes: list[AttributeSummary]
    taxonomy_levels: list[str]
    taxonomy_checked: bool
    taxonomy: list[Branch]
    taxonomy_conflicts: list[Conflict]
    children_as_adults: list[Conflict]
    cross_tables: list[CrossTable]
    years: list[Count]
    photos: PhotoSummary
    copies: Copies

    def to_json(self) -> str:
        """Write it as indented JSON."""
        return self.model_dump_json(indent=1)


def explore(
    catalogue: "Catalogue",
    *,
    crossed: Sequence[tuple[str, str]] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Exploration:
    """Look through a catalogue and all of its photos.

    Args:
        catalogue: With any attributes, or none.
        crossed: Pairs of attributes (or ``year``) to count together, besides those of `CROSSED`
            that the catalogue has (without any: its first two with few values) and each year's
            seasons.
        progress: Called with the numbers of photos read so far and in all.

    Raises:
        HangtagError: ``crossed`` names an attribute that the catalogue doesn't have.
    """
    pairs = dict.fromkeys([*crossed, *_usual_pairs(catalogue)])
    tables = [_cross_table(catalogue, *pair) for pair in pairs]
    files = read_files(catalogue, progress)
    found = Exploration(
        source=str(catalogue.source),
        summary=[],
        rows=len(catalogue),
        problems=[
            TableProblem(kind=problem.kind, line=problem.line, message=problem.message)
            for problem in catalogue.problems
        ],
        attributes=[_summarise(catalogue, name, files) for name in catalogue.attributes],
        taxonomy_levels=_levels(catalogue),
        taxonomy=_tree(catalogue, _levels(catalogue)),
        taxonomy_checked=bool(consistency.taxonomy_of(catalogue).levels),
        taxonomy_conflicts=_conflicts(catalogue, consistency.against_taxonomy(catalogue)),
        children_as_adults=_conflicts(catalogue, consistency.children_as_adults(catalogue)),
        cross_tables=tables,
        years=_years(catalogue),
        photos=summarise(files),
        copies=_copies(catalogue, find_copies([file.fingerprint for file in files])),
    )
    return found.model_copy(update={"summary": list(_plain_words(found))})


def _levels(catalogue: "Catalogue") -> list[str]:
    """The taxonomy's attributes that there are, coarsest first; one alone is no taxonomy."""
    levels = [level for level in (*reversed(TYPE_PARENTS), TYPE) if level in catalogue.attributes]
    return levels if len(levels) > 1 else []


def _few_valued(catalogue: "Catalogue") -> list[str]:
    return [
        name
        for name in catalogue.attributes
        if 2 <= catalogue.table[name].drop_nulls().n_unique() <= _FEW_VALUES
    ]


def _coarsest(catalogue: "Catalogue") -> str | None:
    """The attribute that parts the catalogue: the taxonomy's top, or the one with fewest values."""
    if levels := _levels(catalogue):
        return levels[0]
    return min(
        _few_valued(catalogue), key=lambda name: catalogue.table[name].n_unique(), default=None
    )


def _summarise(catalogue: "Catalogue", name: str, files: Sequence[PhotoFile]) -> AttributeSummary:
    labels = catalogue.labels(name)
    counter = Counter(label for label in labels if label is not None)
    known = counter.total()
    free_text = known > RARE_BELOW and len(counter) > _MOSTLY_UNIQUE * known
    examples: dict[str, list[int]] = defaultdict(list)
    for row, label in enumerate([] if free_text else labels):
        if label is not None and files[row].fingerprint and len(examples[label]) < EXAMPLES:
            examples[label].append(row)
    return AttributeSummary(
        name=name,
        classes=counts(counter, len(labels)),
        missing=len(labels) - known,
        missing_share=1 - known / len(labels),
        missing_in=_missing_in(catalogue, name) if 0 < known < len(labels) else [],
        imbalance=max(counter.values()) / min(counter.values()) if counter else None,
        rare=sorted(value for value, count in counter.items() if count < RARE_BELOW),
        free_text=free_text,
        examples=examples,
    )


def _missing_in(catalogue: "Catalogue", name: str) -> list[Count]:
    coarsest = _coarsest(catalogue)
    if coarsest in (None, name):
        return []
    parts = catalogue.labels(str(coarsest))
    sizes = Counter(part for part in parts if part is not None)
    lacking = Counter(
        part
        for part, label in zip(parts, catalogue.labels(name), strict=True)
        if label is None and part is not None
    )
    return [
        Count(value=part, count=count, share=count / sizes[part])
        for part, count in lacking.most_common()
    ]


def _tree(catalogue: "Catalogue", levels: Sequence[str]) -> list[Branch]:
    if not levels:
        return []
    paths = Counter(catalogue.table.select(levels).drop_nulls().iter_rows())

    def branches(prefix: tuple[str, ...]) -> list[Branch]:
        depth = len(prefix)
        if depth == len(levels):
            return []
        values: Counter[str] = Counter()
        for path, count in paths.items():
            if path[:depth] == prefix:
                values[path[depth]] += count
        return [
            Branch(value=value, count=count, below=branches((*prefix, value)))
            for value, count in values.most_common()
        ]

    return branches(())


def _conflicts(
    catalogue: "Catalogue", found: Sequence[consistency.Contradiction]
) -> list[Conflict]:
    ids = catalogue.table["id"]
    return [Conflict(id=ids[one.row], **vars(one)) for one in found]


def _column(catalogue: "Catalogue", name: str) -> list[str | None]:
    if name != YEAR:
        return catalogue.labels(name)
    return [None if year is None else str(year) for year in catalogue.table[YEAR]]


def _usual_pairs(catalogue: "Catalogue") -> list[tuple[str, str]]:
    pairs = [pair for pair in CROSSED if set(pair) <= set(catalogue.attributes)]
    few = _few_valued(catalogue)
    if not pairs and len(few) > 1:
        pairs = [(few[0], few[1])]
    by_year = "season" if "season" in few else _coarsest(catalogue)
    if by_year and catalogue.table[YEAR].drop_nulls().n_unique() > 1:
        pairs.append((YEAR, by_year))
    return pairs


def _cross_table(catalogue: "Catalogue", rows: str, columns: str) -> CrossTable:
    left, right = _column(catalogue, rows), _column(catalogue, columns)
    both = Counter(pair for pair in zip(left, right, strict=True) if None not in pair)
    row_values, column_values = (
        sorted(values) if name == YEAR else [value for value, _ in values.most_common()]
        for name, values in (
            (rows, Counter(value for value in left if value is not None)),
            (columns, Counter(value for value in right if value is not None)),
        )
    )
    return CrossTable(
        rows=rows,
        columns=columns,
        row_values=row_values,
        column_values=column_values,
        counts=[[both[one, other] for other in column_values] for one in row_values],
    )


def _years(catalogue: "Catalogue") -> list[Count]:
    years = Counter(year for year in _column(catalogue, YEAR) if year is not None)
    return sorted(counts(years, len(catalogue)), key=lambda count: count.value)


def _copies(catalogue: "Catalogue", copies: CopyGroups) -> Copies:
    def at_odds(groups: Sequence[Sequence[int]]) -> dict[str, int]:
        found = consistency.among_copies(catalogue, groups)
        return {name: len(found.get(name, [])) for name in catalogue.attributes}

    return Copies(
        exact=copies.exact,
        near=copies.near,
        surplus=sum(len(rows) - 1 for rows in copies.exact),
        exact_disagreements=at_odds(copies.exact),
        near_disagreements=at_odds([(left, right) for left, right, _ in copies.near]),
    )


def _plain_words(found: Exploration) -> Iterator[str]:
    photos = found.photos.readable
    yield f"{_many(found.rows, 'product')}, {photos:,} of them with a readable photo."
    classed = [one for one in found.attributes if one.classes and not one.free_text]
    if classed:
        finest = max(classed, key=lambda one: (one.name == TYPE, len(one.classes)))
        most = finest.classes[0]
        share = f"{100 * most.share:.0f} %"
        yield f"The most frequent {finest.name} is {most.value}: {share} of the catalogue."
    for one in classed:
        if one.rare and one.imbalance is not None:
            yield (
                f"{one.name}: {len(one.rare)} of {_many(len(one.classes), 'class', 'classes')} "
                f"with fewer than {RARE_BELOW} products; the largest has {one.imbalance:,.0f} "
                "times the products of the smallest."
            )
    for one in sorted(found.attributes, key=lambda one: -one.missing)[:_WORST]:
        if one.missing:
            where = f", most of them {one.missing_in[0].value}" if one.missing_in else ""
            yield f"{one.name} is missing from {_many(one.missing, 'product')}{where}."
    copies = found.copies
    if copies.surplus:
        yield f"{_many(copies.surplus, 'photo')} repeat another product's photo exactly."
        name, at_odds = max(
            copies.exact_disagreements.items(), key=lambda pair: pair[1], default=("", 0)
        )
        if at_odds:
            share = f"{100 * at_odds / len(copies.exact):.1f} %"
            yield f"Exact copies disagree most on {name}: {_many(at_odds, 'group')} ({share})."
    if copies.near:
        yield f"{_many(len(copies.near), 'pair')} of photos are near copies."
    if found.taxonomy_conflicts:
        yield f"{_many(len(found.taxonomy_conflicts), 'label')} against the taxonomy."
    if found.children_as_adults:
        yield (
            f"{_many(len(found.children_as_adults), 'product')} "
            "labelled as adults' though their names say they are children's."
        )
    if found.photos.unreadable or found.photos.without:
        yield (
            f"{_many(len(found.photos.without), 'product')} without a photo, "
            f"{_many(len(found.photos.unreadable), 'photo')} that can't be read."
        )
    if found.photos.odd:
        yield f"{_many(len(found.photos.odd), 'photo')} unlike the others in shape or colour mode."


def _many(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"
