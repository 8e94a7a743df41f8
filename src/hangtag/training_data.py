"""What a network is trained on: photos, targets and parts, and the order they are shown in."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hangtag.attributes import TYPE, TYPE_PARENTS, Attribute, Taxonomy, vocabulary
from hangtag.catalogue import read_catalogue
from hangtag.detail_tables import join_details
from hangtag.errors import HangtagError
from hangtag.labels import (
    Labels,
    encode,
    read_labels,
    recipe_sources,
    relabel,
    require_attributes,
    require_rules,
    require_values,
)
from hangtag.photo_cache import cached_photos
from hangtag.progress import Progress
from hangtag.recipe import Recipe
from hangtag.sequence import sequence
from hangtag.split import PARTS, Kind, assign_all

if TYPE_CHECKING:
    from hangtag.catalogue import Catalogue

NO_PHOTO = -1

_LEAST_STATED, _SHARE_STATED = 20, 0.1
"""An article type has a detail if so many of its training products state it, and such a share."""

_BATCH = 64

SOFT = "soft/"
"""Before an attribute's name: what teachers say of it."""


class PhotoPool:
    """Several arrays of photos, or of their features, seen as one."""

    def __init__(self, arrays: Sequence[np.ndarray]) -> None:
        self.arrays = arrays
        self._starts = np.cumsum([0, *(len(array) for array in arrays)])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __deepcopy__(self, _: dict[int, Any]) -> "PhotoPool":
        # Averaging the weights copies all that a lesson holds; gigabytes of photos stay on disk.
        return self

    def take(self, positions: np.ndarray) -> np.ndarray:
        """Copy those at int positions (N,): photos are uint8 (N, h, w, 4)."""
        first = self.arrays[0]
        photos = np.empty((len(positions), *first.shape[1:]), first.dtype)
        source = np.searchsorted(self._starts, positions, side="right") - 1
        for number, array in enumerate(self.arrays):
            of_this = source == number
            photos[of_this] = array[positions[of_this] - self._starts[number]]
        return photos

    def rgb(self, positions: np.ndarray) -> np.ndarray:
        """Copy photos without their masks, as a model's graph takes them: uint8 (N, h, w, 3)."""
        return np.ascontiguousarray(self.take(positions)[..., :3])

    def batches(self, positions: np.ndarray, *, masks: bool = False) -> Iterator[np.ndarray]:
        """Copy photos as `rgb` does, or with their masks as `take` does, a batch at a time."""
        copy = self.take if masks else self.rgb
        for start in range(0, len(positions), _BATCH):
            yield copy(positions[start : start + _BATCH])


@dataclass(frozen=True)
class TrainingData:
    """Everything that training needs of one or several catalogues.

    The rows of the main catalogue come first, then those of the extra ones.

    Attributes:
        attributes: What the model will tag, with vocabularies from the main training rows.
        details: Those of them that only some article types have, and these types.
        auxiliary: What only teaches the backbone.
        taxonomy: Learnt from the main training rows.
        pool: All photos.
        own: int64 (rows,): position of each row's photo in the pool, or `NO_PHOTO`.
        alternate: int64 (rows,): the same for another photo of the same product.
        targets: bool (rows, values) by attribute: the values that the row's label allows.
        sequence: int64 (rows,): place of each row's product in its catalogue (`hangtag.sequence`).
        parts: str (rows,): ``train``, ``validation`` or ``test``.
        extra: bool (rows,): True for the rows of extra catalogues.
        split: How the parts were made.
        left_out: Details and auxiliary attributes of the recipe that the catalogue doesn't have.
        soft: float16 (rows, values) by attribute: what teachers say, rows of 0 where nothing.
    """

    attributes: list[Attribute]
    details: dict[str, list[str]]
    auxiliary: list[Attribute]
    taxonomy: Taxonomy
    pool: PhotoPool
    own: np.ndarray
    alternate: np.ndarray
    targets: dict[str, np.ndarray]
    sequence: np.ndarray
    parts: np.ndarray
    extra: np.ndarray
    split: Kind
    left_out: list[str] = field(default_factory=list)
    soft: dict[str, np.ndarray] = field(default_factory=dict)

    def rows(self, part: str, *, extra: bool | None = None) -> np.ndarray:
        """Row numbers of a part that have a photo: of the main, the extra or all catalogues."""
        chosen = (self.parts == part) & (self.own != NO_PHOTO)
        if extra is not None:
            chosen &= self.extra == extra
        return np.flatnonzero(chosen)

    def shown(self, part: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """All photos of a part: products with an alternate photo are seen twice, once with each.

        Returns:
            int64 (N,): row numbers; int64 (N,): positions of their photos in the pool; int (N,):
            the photos' kinds, 0 for own, 1 for alternate, 2 for those of extra catalogues.
        """
        rows = self.rows(part)
        twice = rows[self.alternate[rows] != NO_PHOTO]
        return (
            np.concatenate([rows, twice]),
            np.concatenate([self.own[rows], self.alternate[twice]]),
            np.concatenate([np.where(self.extra[rows], 2, 0), np.ones(len(twice), int)]),
        )

    def kinds(self, part: str, *, extra: bool = True) -> list[np.ndarray]:
        """Positions of own, alternate and, if they're wanted, extra photos of a part.

        Kinds of which there are none are left out.
        """
        own, others = (self.own[self.rows(part, extra=extra)] for extra in (False, True))
        alternate = self.alternate[self.rows(part)]
        kinds = [own, alternate[alternate != NO_PHOTO], *([others] if extra else [])]
        return [kind for kind in kinds if len(kind)]

    def sample(self, part: str, count: int, rng: np.random.Generator) -> np.ndarray:
        """Positions of at most so many photos of a part, as many of each kind.

        So a few phone photos among many shop photos count, too.
        """
        kinds = self.kinds(part)
        return np.concatenate([rng.permutation(kind)[: count // len(kinds)] for kind in kinds])


def read_catalogues(
    catalogue: "str | Path | Catalogue",
    extra: Sequence[str | Path] = (),
    details: str | Path | Sequence[str | Path] | None = None,
) -> "list[Catalogue]":
    """Read the main catalogue and the extra ones, with further attributes of their products.

    Args:
        catalogue: The main one, or its path.
        extra: Paths of others.
        details: Tables of further attributes, by id; each is joined to the catalogue that has most
            of its products.

    Raises:
        HangtagError: Something that can't be read, a table that names no product, or one that fits
            two catalogues equally well.
    """
    if isinstance(catalogue, str | Path):
        catalogue = read_catalogue(catalogue)
    found = [catalogue, *(read_catalogue(path) for path in extra)]
    return join_details(found, [details] if isinstance(details, str | Path) else details or ())


def prepare(
    catalogue: "Catalogue",
    recipe: Recipe,
    *,
    alternate: Path | None = None,
    extra: "Sequence[Catalogue]" = (),
    split: Kind = "random",
    vocabularies: Sequence[Attribute] = (),
    progress: Progress | None = None,
) -> TrainingData:
    """Read photos and labels, split the products, and encode the targets.

    Args:
        catalogue: The main catalogue.
        recipe: Says which attributes and which size.
        alternate: A folder or zip of other photos of the same products, named by their ids.
        extra: Other catalogues to learn from, through the recipe's translations.
        split: How to split the main catalogue; extra ones are split at random, but for copies of
            its photos, which are where it has them.
        vocabularies: Of a trained model, in place of those that the training rows would give.
        progress: Told about the reading.

    Raises:
        HangtagError: The catalogue lacks an attribute of the recipe, or has nothing to train on.
    """
    catalogues = [catalogue, *extra]
    asked = [*recipe.details, *recipe.auxiliary]
    left_out = [name for name in asked if name not in catalogue.attributes]
    recipe = _without(recipe, left_out)
    require_attributes(catalogue, recipe)
    require_rules(recipe)
    all_parts = np.concatenate(assign_all(catalogues, split, progress))
    read = partial(
        cached_photos,
        size=recipe.input_size,
        progress=progress,
        cuts=recipe.augmentation.cuts_out,
        wearers=recipe.augmentation.wearer > 0,
    )
    caches = [read(one) for one in catalogues]
    own = []
    start = 0
    for cache in caches:
        own.append(np.where(cache.readable, start + np.arange(len(cache.readable)), NO_PHOTO))
        start += len(cache.readable)
    alternates = np.full(start, NO_PHOTO)
    if alternate is not None:
        other = read_catalogue(alternate)
        cache = read(other)
        position = {
            product: start + row
            for row, product in enumerate(other.table["id"])
            if cache.readable[row]
        }
        ids = catalogue.table["id"]
        alternates[: len(ids)] = [position.get(product, NO_PHOTO) for product in ids]
        caches.append(cache)

    is_extra = np.arange(len(all_parts)) >= len(catalogue)
    counted = (all_parts == "train") & ~is_extra
    labels = relabel(_all_labels(catalogues, recipe), recipe, counted)
    given = {attribute.name: attribute for attribute in vocabularies}
    heads = {
        name: given.get(name)
        or vocabulary(name, (labels[name][row] for row in np.flatnonzero(counted)))
        for name in [*recipe.attributes, *recipe.details, *recipe.auxiliary]
    }
    require_values(heads, catalogue.source)
    return TrainingData(
        attributes=[heads[name] for name in [*recipe.attributes, *recipe.details]],
        details={name: _types_with(name, labels, counted) for name in recipe.details},
        auxiliary=[heads[name] for name in recipe.auxiliary],
        taxonomy=_taxonomy(labels, counted, recipe),
        pool=PhotoPool([cache.pixels for cache in caches]),
        own=np.concatenate(own),
        alternate=alternates,
        targets={name: encode(labels[name], head) for name, head in heads.items()},
        sequence=np.concatenate([sequence(one.table["id"].to_list()) for one in catalogues]),
        parts=all_parts,
        extra=is_extra,
        split=split,
        left_out=left_out,
    )


def require_photos(
    data: TrainingData, catalogue: "Catalogue", alternate: str | Path | None = None
) -> None:
    """Refuse data that would train for hours before it's found that it can't be judged.

    Raises:
        HangtagError: A part of the main catalogue has no photo, or alternate photos that are
            nobody's.
    """
    if (data.own[~data.extra] == NO_PHOTO).all():
        raise HangtagError(
            f"{catalogue.source}: no photo of its products is there and can be read; "
            "check the column of photos, or the names of their files"
        )
    for part in PARTS:
        if not len(data.rows(part, extra=False)):
            raise HangtagError(
                f"{catalogue.source}: no {part} products with a photo; the catalogue is too small"
            )
    if alternate is not None and (data.alternate == NO_PHOTO).all():
        raise HangtagError(
            f"{alternate}: no photo is named by an id of {catalogue.source}; "
            "name photos like the products, 1234.jpg"
        )


def _without(recipe: Recipe, names: Sequence[str]) -> Recipe:
    """A recipe without some details and auxiliary attributes, and their rules; no types, no
    details."""
    details = [name for name in recipe.details if name not in names]
    auxiliary = [name for name in recipe.auxiliary if name not in names]
    if TYPE not in recipe.attributes:
        details, auxiliary = [], [*details, *auxiliary]
    rules = {
        section: [one for one in getattr(recipe, section) if one.attribute not in names]
        for section in ("groups", "rare")
    }
    return recipe.model_copy(update={"details": details, "auxiliary": auxiliary, **rules})


def _types_with(name: str, labels: Labels, counted: np.ndarray) -> list[str]:
    """The article types of which enough training products state an attribute."""
    rows = np.flatnonzero(counted)
    every = Counter(labels[TYPE][row] for row in rows)
    stated = Counter(labels[TYPE][row] for row in rows if labels[name][row] is not None)
    return sorted(
        value
        for value, count in stated.items()
        if value is not None and count >= _LEAST_STATED and count >= _SHARE_STATED * every[value]
    )


def _all_labels(catalogues: "Sequence[Catalogue]", recipe: Recipe) -> Labels:
    names = recipe_sources(recipe)
    read = [read_labels(one, names, recipe.translations) for one in catalogues]
    return {name: [label for labels in read for label in labels[name]] for name in names}


def _taxonomy(labels: Labels, counted: np.ndarray, recipe: Recipe) -> Taxonomy:
    levels = (TYPE, *TYPE_PARENTS)
    if not all(level in recipe.attributes for level in levels):
        return Taxonomy()
    rows = np.flatnonzero(counted)
    return Taxonomy.learn({level: labels[level][row] for level in levels} for row in rows)


class TrainingBatches:
    """The batches of an epoch, in an order that depends on seed, epoch and process alone.

    It can stop and go on within an epoch: `state_dict` and `load_state_dict` are what Lightning
    saves and restores with its checkpoints.

    Args:
        data: What to draw from.
        recipe: Batch size, shares of alternate and extra photos, repetition of rare types.
        rank: Number of this process.
        world: How many processes share each batch.
    """

    def __init__(self, data: TrainingData, recipe: Recipe, rank: int = 0, world: int = 1) -> None:
        self._data, self._recipe, self._rank, self._world = data, recipe, rank, world
        self._main = data.rows("train", extra=False)
        self._extra = data.rows("train", extra=True)
        self._repeats = _repeat_factors(data, self._main, recipe.schedule.repeat_rare)
        share = recipe.photos.extra_share if len(self._extra) else 0.0
        self._extra_count = round(share * len(self._main))
        self._extra_chances: np.ndarray | None = None
        if recipe.photos.extra_repeat_rare and len(self._extra):
            factors = _repeat_factors(data, self._extra, recipe.photos.extra_repeat_rare)
            self._extra_chances = factors / factors.sum()
        expected = self._repeats.sum() + self._extra_count
        # A last batch that isn't full would give its photos more weight and, of one photo, break
        # batch norm, so it's left out; but there is always one batch.
        self.length = max(1, int(expected) // recipe.schedule.batch_size)
        self.epoch = 0
        self._next = 0

    def __len__(self) -> int:
        return self.length

    def state_dict(self) -> dict[str, Any]:
        """Where in which epoch the next batch is."""
        return {"epoch": self.epoch, "next": self._next}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state."""
        self.epoch, self._next = state["epoch"], state["next"]

    def __iter__(self) -> Iterator[dict[str, np.ndarray]]:
        # Whoever counts batches need not run an epoch's iterator dry, so the next one begins here.
        if self._next >= self.length:
            self.epoch, self._next = self.epoch + 1, 0
        size = self._recipe.schedule.batch_size
        rng = np.random.default_rng([self._recipe.seed, self.epoch])
        repeats = np.floor(self._repeats + rng.random(len(self._main))).astype(int)
        order = np.repeat(self._main, repeats)
        if self._extra_count:
            extra = rng.choice(self._extra, self._extra_count, p=self._extra_chances)
            order = np.concatenate([order, extra])
        rng.shuffle(order)
        order = np.resize(order, self.length * size)
        sharp = rng.random(len(order)) < self._recipe.photos.alternate_share
        while self._next < self.length:
            span = slice(self._next * size, (self._next + 1) * size)
            mine = slice(self._rank, None, self._world)
            self._next += 1
            yield self._batch(order[span][mine], sharp[span][mine])

    def _batch(self, rows: np.ndarray, sharp: np.ndarray) -> dict[str, np.ndarray]:
        data = self._data
        alternate = sharp & (data.alternate[rows] != NO_PHOTO)
        positions = np.where(alternate, data.alternate[rows], data.own[rows])
        batch = {"photos": data.pool.take(positions)}
        for name, allowed in data.targets.items():
            targets = allowed[rows]
            if name in self._recipe.photos.alternate_blind:
                targets[alternate] = False
            batch[name] = targets
        for name, said in data.soft.items():
            batch[SOFT + name] = said[rows]
        return batch


def _repeat_factors(data: TrainingData, rows: np.ndarray, threshold: float) -> np.ndarray:
    """How often each row is shown per epoch, on average: at least once."""
    if not threshold or TYPE not in data.targets:
        return np.ones(len(rows))
    targets = data.targets[TYPE][rows]
    frequency = targets.mean(axis=0)
    factors = np.sqrt(np.maximum(1.0, threshold / np.maximum(frequency, 1e-9)))
    return np.where(targets.any(axis=1), (targets * factors).max(axis=1), 1.0)
