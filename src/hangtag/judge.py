"""Run a model over a catalogue and hold its predictions against the labels."""

import io
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from PIL import Image

from hangtag import evaluation
from hangtag.attributes import ANY_OF, COLOUR_GROUPS, TYPE, Attribute, colour_group
from hangtag.catalogue import Catalogue, read_catalogue
from hangtag.errors import HangtagError
from hangtag.labels import Labels, encode, read_labels, recipe_sources, relabel
from hangtag.photo_cache import Progress
from hangtag.photo_reader import PhotoReader
from hangtag.recipe import Recipe
from hangtag.split import PARTS, Kind, assign
from hangtag.tagger import Tagger
from hangtag.verdict import COLOUR_GROUP, Evaluation, Judged

if TYPE_CHECKING:
    from hangtag.model import ModelInfo

SPLITS = (*PARTS, "all")
"""Which rows of a catalogue can be asked for: those of a part, or all."""

COLOUR = "baseColour"
"""The attribute whose values have groups."""

_BATCH = 64


def evaluate(
    model: str | Path | Tagger,
    catalogue: str | Path | Catalogue,
    *,
    split: str = "test",
    kind: Kind | None = None,
    photos: str | Path | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Judge a model by the labels of a catalogue.

    Labels of a catalogue with other columns or words are translated as the model says.

    Args:
        model: A model's name or folder, or a `Tagger`.
        catalogue: As for `read_catalogue`, or read already.
        split: One of `SPLITS`: the photos that are judged.
        kind: How to split the catalogue; by default as for the model's training.
        photos: Folder or zip of other photos of the same products, named by their ids; products
            without one keep the catalogue's.
        progress: Told about the search for copies and the tagging.

    Raises:
        HangtagError: A model or catalogue that can't be read, no photo in the part, or no labels
            of anything that the model tags.
    """
    tagger = Tagger(model) if isinstance(model, str | Path) else model
    if not isinstance(catalogue, Catalogue):
        catalogue = read_catalogue(catalogue)
    if split not in SPLITS:
        raise HangtagError(f"no split {split!r}; choose one of {', '.join(SPLITS)}")
    reader = PhotoReader(catalogue, photos)
    labels = labels_for(tagger.info, catalogue)
    kind = kind or cast(Kind, tagger.info.split)
    if split == "all":
        chosen, counted = np.ones((2, len(catalogue)), bool)
    else:
        parts = assign(catalogue, kind, progress)
        chosen, counted = parts == split, parts == "train"
    wanted = [row for row in np.flatnonzero(chosen).tolist() if reader.has(row)]
    if not wanted:
        raise HangtagError(
            f"{catalogue.source}: no photos in the {split} part of {len(catalogue):,} products; "
            "try --split all"
        )
    said = _predict(tagger, reader, wanted, progress)
    if not said.rows:
        photo, message = said.unreadable[0]
        raise HangtagError(f"{catalogue.source}: no photo can be read, e.g. {photo}: {message}")
    judged, left_out = _hold_against(tagger, said.values, labels, said.rows)
    if not judged:
        reasons = "; ".join(f"{name}: {why}" for name, why in left_out.items())
        raise HangtagError(f"{catalogue.source}: nothing to judge by ({reasons})")
    types = labels.get(TYPE, [])
    return Evaluation(
        tagger=tagger,
        catalogue=catalogue,
        split=split,
        kind=kind,
        rows=np.array(said.rows),
        sizes=np.array(said.sizes),
        known_product=np.array(said.known_product),
        photos=reader,
        unreadable=said.unreadable,
        judged=judged,
        left_out=left_out,
        training_counts=Counter(
            label for label, counts in zip(types, counted, strict=False) if counts and label
        ),
    )


def labels_for(info: "ModelInfo", catalogue: Catalogue) -> Labels:
    """A catalogue's labels in a model's words: translated, grouped and combined like its recipe's.

    Where the recipe dropped or merged rare values, so are values that the model doesn't have.
    """
    own = info.vocabularies()
    names = [attribute.name for attribute in own]
    if not info.recipe:
        return read_labels(catalogue, names, info.translations)
    recipe = Recipe.model_validate(info.recipe)
    made = {combination.name for combination in recipe.combine}
    sources = dict.fromkeys([*recipe_sources(recipe), *names])
    labels = read_labels(
        catalogue, [name for name in sources if name not in made], info.translations
    )
    # What was rare in training shows in the model's vocabulary; counting here would tell otherwise.
    every = [one.model_copy(update={"most_frequent": 0}) for one in recipe.combine]
    rules = recipe.model_copy(update={"rare": [], "combine": every})
    labels = relabel(labels, rules, np.zeros(len(catalogue), bool))
    into: dict[str, str | None] = {one.name: None for one in recipe.combine if one.most_frequent}
    into |= {rule.attribute: rule.into for rule in recipe.rare}
    for attribute in own:
        if attribute.name in into:
            labels[attribute.name] = [
                label
                if label is None or set(label.split(ANY_OF)) & attribute.index.keys()
                else into[attribute.name]
                for label in labels[attribute.name]
            ]
    return labels


Input = tuple[np.ndarray, tuple[int, int]]


@dataclass
class _Said:
    """What the model said of the photos that could be read, and why the others couldn't."""

    rows: list[int] = field(default_factory=list)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    known_product: list[bool] = field(default_factory=list)
    values: dict[str, np.ndarray] = field(default_factory=dict)
    unreadable: list[tuple[str, str]] = field(default_factory=list)


def _predict(
    tagger: Tagger, reader: PhotoReader, wanted: list[int], progress: Progress | None
) -> _Said:
    said = _Said()
    batches: dict[str, list[np.ndarray]] = {one.name: [] for one in tagger.attributes}

    def decode(row: int) -> Input:
        data = reader.read(row)
        pixels = tagger.prepare(data)
        with Image.open(io.BytesIO(data)) as header:
            return pixels, header.size

    done = 0
    for batch in _decoded(decode, wanted):
        inputs = []
        for row, future in batch:
            try:
                pixels, size = future.result()
            except HangtagError as error:
                # The reader got bytes, so it called each of them just "photo".
                message = str(error).removeprefix("photo: ")
                said.unreadable.append((reader.name(row), message))
                continue
            inputs.append(pixels)
            said.rows.append(row)
            said.sizes.append(size)
        if inputs:
            found = tagger.probabilities(np.stack(inputs))
            for name, collected in batches.items():
                collected.append(found.values[name])
            said.known_product += _known_products(tagger, found.in_domain, len(inputs))
        done += len(batch)
        if progress:
            progress("tagging photos", done, len(wanted))
    said.values = {name: np.concatenate(parts) for name, parts in batches.items() if parts}
    return said


def _known_products(tagger: Tagger, in_domain: np.ndarray, count: int) -> list[bool]:
    if tagger.info.domain is None:
        return [True] * count
    return (in_domain >= tagger.info.domain.threshold).tolist()


def _decoded(
    decode: Callable[[int], Input], wanted: list[int]
) -> Iterator[list[tuple[int, Future[Input]]]]:
    """Batches of photos; the next one is decoded while the network looks at this one."""
    source = iter(wanted)
    with ThreadPoolExecutor() as pool:

        def start() -> list[tuple[int, Future[Input]]]:
            return [(row, pool.submit(decode, row)) for row in islice(source, _BATCH)]

        batch = start()
        while batch:
            following = start()
            yield batch
            batch = following


def _hold_against(
    tagger: Tagger, values: dict[str, np.ndarray], labels: Labels, rows: list[int]
) -> tuple[dict[str, Judged], dict[str, str]]:
    judged: dict[str, Judged] = {}
    left_out: dict[str, str] = {}
    for attribute in tagger.attributes:
        given = [labels[attribute.name][row] for row in rows]
        said = {value for label in given if label for value in label.split(ANY_OF)}
        if not said:
            left_out[attribute.name] = "these products have no labels"
        elif said.isdisjoint(attribute.values):
            left_out[attribute.name] = f"the model knows none of its labels, e.g. {min(said)!r}"
        else:
            judged[attribute.name] = _judge(attribute, values[attribute.name], given, said)
    grouped = {colour for colours in COLOUR_GROUPS.values() for colour in colours}
    if COLOUR in judged and not grouped.isdisjoint(judged[COLOUR].attribute.values):
        judged[COLOUR_GROUP] = _by_colour_group(judged[COLOUR])
    return judged, left_out


def _judge(
    attribute: Attribute, probabilities: np.ndarray, given: list[str | None], said: set[str]
) -> Judged:
    unknown = tuple(sorted(said.difference(attribute.values)))
    wider = Attribute(attribute.name, (*attribute.values, *unknown))
    padded = np.pad(probabilities, ((0, 0), (0, len(unknown))))
    return Judged(wider, unknown, padded, encode(given, wider))


def _by_colour_group(colours: Judged) -> Judged:
    names = tuple(COLOUR_GROUPS)
    groups = np.array([names.index(colour_group(value)) for value in colours.attribute.values])
    probabilities, truths = evaluation.merge(
        colours.probabilities, colours.truths, groups, len(names)
    )
    return Judged(Attribute(COLOUR_GROUP, names), (), probabilities, truths)
