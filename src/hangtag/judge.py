"""Run a model over a catalogue and hold its predictions against the labels."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from hangtag import evaluation
from hangtag.attributes import ANY_OF, COLOUR, COLOUR_GROUPS, TYPE, Attribute, colour_group
from hangtag.catalogue import Catalogue, read_catalogue
from hangtag.errors import HangtagError
from hangtag.labels import Labels, encode, read_labels, recipe_sources, relabel
from hangtag.photo_reader import PhotoReader
from hangtag.prediction import predict
from hangtag.progress import Progress
from hangtag.recipe import Recipe
from hangtag.split import PARTS, Kind, assign, product_groups
from hangtag.tagger import Tagger
from hangtag.verdict import COLOUR_GROUP, Evaluation, Judged

if TYPE_CHECKING:
    from hangtag.model import ModelInfo

SPLITS = (*PARTS, "all")
"""Which rows of a catalogue can be asked for: those of a part, or all."""


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
    kind = kind or cast(Kind, tagger.info.split)
    parts = parts_of(catalogue, split, kind, progress)
    training = parts == "train" if split != "all" and kind == tagger.info.split else None
    reader = PhotoReader(catalogue, photos)
    labels = labels_for(tagger.info, catalogue)
    wanted = [row for row in np.flatnonzero(parts == split).tolist() if reader.has(row)]
    if not wanted:
        raise HangtagError(
            f"{catalogue.source}: no photos in the {split} part of {len(catalogue):,} products; "
            "try --split all"
        )
    said = predict(tagger, reader, wanted, progress)
    if not said.rows:
        photo, message = said.unreadable[0]
        raise HangtagError(f"{catalogue.source}: no photo can be read, e.g. {photo}: {message}")
    judged, left_out = _hold_against(tagger, said.values, labels, said.rows)
    if not judged:
        why = _no_column_of(tagger, catalogue) or f"nothing to judge by ({_listed(left_out)})"
        raise HangtagError(f"{catalogue.source}: {why}")
    types = labels.get(TYPE, [])
    return Evaluation(
        tagger=tagger,
        catalogue=catalogue,
        split=split,
        kind=kind,
        rows=np.array(said.rows),
        sizes=np.array(said.sizes),
        known_product=np.array(said.known_product),
        turned=np.array(said.turned),
        photos=reader,
        unreadable=said.unreadable,
        judged=judged,
        left_out=left_out,
        groups=product_groups(catalogue, progress)[said.rows],
        training_counts=None
        if training is None
        else Counter(
            label for label, counts in zip(types, training, strict=False) if counts and label
        ),
    )


def parts_of(
    catalogue: Catalogue, split: str, kind: Kind, progress: Progress | None = None
) -> np.ndarray:
    """The part that each row of a catalogue is in, str (rows,); "all" of each if that is asked for.

    Raises:
        HangtagError: ``split`` is none of `SPLITS`.
    """
    if split not in SPLITS:
        raise HangtagError(f"no split {split!r}; choose one of {', '.join(SPLITS)}")
    if split == "all":
        return np.full(len(catalogue), split)
    return assign(catalogue, kind, progress)


def _listed(left_out: dict[str, str]) -> str:
    return "; ".join(f"{name}: {why}" for name, why in left_out.items())


def _no_column_of(tagger: Tagger, catalogue: Catalogue) -> str:
    """What to say of a catalogue none of whose columns is an attribute of the model."""
    wanted = [attribute.name for attribute in tagger.main_attributes]
    columns = catalogue.attributes
    if set(wanted) & set(columns):
        return ""
    return (
        f"none of its columns ({', '.join(columns) or 'only photos'}) is one that "
        f"{tagger.info.name} tags; name them {', '.join(wanted)}"
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


def _hold_against(
    tagger: Tagger, values: dict[str, np.ndarray], labels: Labels, rows: list[int]
) -> tuple[dict[str, Judged], dict[str, str]]:
    judged: dict[str, Judged] = {}
    left_out: dict[str, str] = {}
    for attribute in tagger.attributes:
        given = [labels[attribute.name][row] for row in rows]
        said = {value for label in given if label for value in label.split(ANY_OF)}
        if not said and attribute.name in tagger.info.details:
            continue
        if not said:
            left_out[attribute.name] = "these products have no labels"
        elif said.isdisjoint(attribute.values):
            left_out[attribute.name] = f"the model knows none of its labels, e.g. {min(said)!r}"
        else:
            judged[attribute.name] = _judge(attribute, values[attribute.name], given, said)
    grouped = {colour for colours in COLOUR_GROUPS.values() for colour in colours}
    if COLOUR in judged and not grouped.isdisjoint(judged[COLOUR].attribute.values):
        in_groups = _by_colour_group(judged[COLOUR])
        if in_groups.known.any():
            judged[COLOUR_GROUP] = in_groups
    return judged, left_out


def _judge(
    attribute: Attribute, probabilities: np.ndarray, given: list[str | None], said: set[str]
) -> Judged:
    unknown = tuple(sorted(said.difference(attribute.values)))
    wider = Attribute(attribute.name, (*attribute.values, *unknown))
    padded = np.pad(probabilities, ((0, 0), (0, len(unknown))))
    return Judged(wider, unknown, padded, encode(given, wider))


def _by_colour_group(colours: Judged) -> Judged:
    """Base colours by groups; a label with a colour that is in none says nothing of its group."""
    names = tuple(COLOUR_GROUPS)
    own = [colour_group(value) for value in colours.attribute.values]
    groupless = np.array([group is None for group in own])
    # What a model says of its own colours that are in no group goes to the last one.
    groups = np.array([names.index(group or names[-1]) for group in own])
    known = ~np.logical_or.reduce(colours.truths[:, groupless], axis=1)
    probabilities, truths = evaluation.merge(
        colours.probabilities, colours.truths & known[:, None], groups, len(names)
    )
    return Judged(Attribute(COLOUR_GROUP, names), (), probabilities, truths)
