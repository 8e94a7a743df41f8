"""Which products train, which validate and which test, so that no copy crosses the border."""

import hashlib
import json
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from hangtag.cache import cache_folder, fingerprint, kept
from hangtag.copies import copy_groups, find_copies, fingerprints
from hangtag.errors import HangtagError
from hangtag.progress import Progress

if TYPE_CHECKING:
    from hangtag.catalogue import Catalogue
    from hangtag.model import Model

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = get_args(Part)
Kind = Literal["random", "temporal"]
KINDS: tuple[Kind, ...] = get_args(Kind)

_SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}


def assign(
    catalogue: "Catalogue", kind: Kind = "random", progress: Progress | None = None
) -> np.ndarray:
    """Assign each row to a part.

    ``random`` is 80/10/10 by a hash of the product group: all products whose photos are copies
    or near copies of each other go where the first of them goes. A row's part doesn't depend on
    rows that come after it, unless they link two groups.

    ``temporal`` tests on odd years and trains on even ones, a tenth of whose groups validate; a
    row without a year trains. As in the published protocol, copies may cross the years.

    Args:
        catalogue: With a ``year`` column for ``temporal``.
        kind: How to split.
        progress: Told about the search for copies.

    Returns:
        str (rows,): ``train``, ``validation`` or ``test``.

    Raises:
        HangtagError: No such split, or a temporal one of a catalogue without years.
    """
    if kind not in KINDS:
        raise HangtagError(f"--split {kind}: no such split; there are {', '.join(KINDS)}")
    first = product_groups(catalogue, progress)
    ids = catalogue.table["id"].to_list()
    parts = np.array([part_of(ids[row]) for row in first], dtype="<U10")
    if kind == "random":
        return parts
    years = catalogue.table["year"].to_list()
    if all(year is None for year in years):
        raise HangtagError(f"{catalogue.source}: no years, so no temporal split; use random")
    odd = np.array([year is not None and year % 2 == 1 for year in years])
    return np.where(odd, "test", np.where(parts == "validation", "validation", "train"))


def assign_all(
    catalogues: "Sequence[Catalogue]", kind: Kind = "random", progress: Progress | None = None
) -> list[np.ndarray]:
    """Assign the rows of several catalogues, so that no copy crosses from one to another.

    Args:
        catalogues: The first is split as `assign` does it alone; the others at random. A row whose
            photo is a copy of one in an earlier catalogue has the part of that: of several, test
            before validation and validation before train.
        kind: How to split the first.
        progress: Told about the search for copies.

    Returns:
        str (rows,) for each catalogue.

    Raises:
        HangtagError: As for `assign`.
    """
    first, *others = catalogues
    parts = [assign(first, kind, progress), *(assign(one, progress=progress) for one in others)]
    if not others:
        return parts
    group = _groups_of_all(catalogues, progress)
    strictest: dict[int, str] = {}
    start = 0
    for part in parts:
        of_rows = group[start : start + len(part)].tolist()
        earlier = dict(strictest)
        part[:] = [earlier.get(one, own) for one, own in zip(of_rows, part, strict=True)]
        for one, own in zip(of_rows, part.tolist(), strict=True):
            strictest[one] = max(own, strictest.get(one, own), key=PARTS.index)
        start += len(part)
    return parts


def part_of(product: str) -> Part:
    """The part of a product group, by a hash of its first product's id."""
    number = int.from_bytes(hashlib.sha256(product.encode()).digest()[:8], "big") / 2**64
    above = 0.0
    for part in PARTS:
        above += _SHARES[part]
        if number < above:
            return part
    return PARTS[-1]


def product_groups(catalogue: "Catalogue", progress: Progress | None = None) -> np.ndarray:
    """Group products whose photos are copies: int64 (rows,), the row of each group's first one.

    The search is done once for a catalogue and kept in the cache folder.
    """
    file = cache_folder() / f"groups-{fingerprint(catalogue)}.json"
    if file.exists():
        return np.array(json.loads(file.read_text()), dtype=np.int64)
    told = partial(progress, "looking for copies") if progress else None
    groups = copy_groups(catalogue, progress=told).group
    with kept(file) as new:
        new.write_text(json.dumps(groups.tolist()))
    return groups


def _groups_of_all(catalogues: "Sequence[Catalogue]", progress: Progress | None) -> np.ndarray:
    """Groups of copies in several catalogues, as if they were one: int64 (rows of all,)."""
    made_of = [fingerprint(one) for one in catalogues[1:]]
    file = cache_folder() / f"groups-{fingerprint(catalogues[0], *made_of)}.json"
    if file.exists():
        return np.array(json.loads(file.read_text()), dtype=np.int64)
    told = partial(progress, "looking for copies in all catalogues") if progress else None
    groups = find_copies([row for one in catalogues for row in fingerprints(one, progress=told)])
    with kept(file) as new:
        new.write_text(json.dumps(groups.group.tolist()))
    return groups.group


def require_split(model: "Model", kind: Kind) -> None:
    """Refuse a model that was trained on another split.

    Raises:
        HangtagError: It was.
    """
    if model.info.split != kind:
        raise HangtagError(
            f"{model.folder}: was trained on the {model.info.split} split and has seen products "
            f"that the {kind} one tests on; give --split {model.info.split}"
        )


def count_parts(parts: Sequence[str] | np.ndarray) -> dict[str, int]:
    """How many rows each part has."""
    return {part: int(np.sum(np.asarray(parts) == part)) for part in PARTS}
