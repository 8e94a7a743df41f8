"""Photos that are copies of each other: the same pixels, or the same photo saved otherwise."""

import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from hangtag.errors import HangtagError
from hangtag.photo import read_photo

if TYPE_CHECKING:
    from hangtag.catalogue import Catalogue

MINIATURE = (48, 36)
"""Height and width to which photos are brought before they are compared."""

NEAR = 10.0
"""Levels of 255 by which near copies may differ where they differ most (see `find_copies`).

Chosen by looking at pairs of the public dataset on both sides of it: below 8 all pairs show one
photo; up to 13 come shades of one lipstick or nail polish, of which the shop retouched one photo;
from about 15 on different wallets, ties and shirts begin, which must not be merged.
"""

_GREY = np.array([0.299, 0.587, 0.114], np.float32)
_CELL = 3  # pixels of a miniature's side that make one pixel of its signature
_BLOCK = 4  # pixels of a miniature's side within which differences are averaged
_CANDIDATE = 0.1  # distance of signatures, unit vectors; near copies are nearly all within 0.08
_DIRECTIONS = 12  # principal components of the signatures by which candidates are looked up
_PAIRS_AT_ONCE = 1024


@dataclass(frozen=True)
class CopyGroups:
    """Which rows show the same photo.

    ``group``: int64 (rows,), for each row the smallest row of its group; a row without a readable
    photo is its own group. ``exact``: rows with the same pixels, two or more, ascending. ``near``:
    pairs of rows whose photos are the same but for size, lighting or compression, with how far
    they differ in levels of 255; of exact copies only the first takes part.
    """

    group: np.ndarray
    exact: list[list[int]]
    near: list[tuple[int, int, float]]


def copy_groups(
    catalogue: "Catalogue", *, progress: Callable[[int, int], None] | None = None
) -> CopyGroups:
    """Find the copies among a catalogue's photos.

    Args:
        catalogue: As for `fingerprints`.
        progress: Likewise.
    """
    return find_copies(fingerprints(catalogue, progress=progress))


def fingerprints(
    catalogue: "Catalogue", *, progress: Callable[[int, int], None] | None = None
) -> list[tuple[bytes, np.ndarray] | None]:
    """Reduce each photo of a catalogue to what tells copies, row by row, for `find_copies`.

    Args:
        catalogue: Rows without a photo, or with one that can't be read, are nobody's copy.
        progress: Called with the numbers of photos read so far and in all.
    """
    photos: list[str | None] = catalogue.table["photo"].to_list()

    def fingerprint_of(photo: str | None) -> tuple[bytes, np.ndarray] | None:
        if photo is None:
            return None
        try:
            return fingerprint(read_photo(catalogue.photo_bytes(photo)))
        except HangtagError:
            return None

    found: list[tuple[bytes, np.ndarray] | None] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for one in pool.map(fingerprint_of, photos):
            found.append(one)
            if progress:
                progress(len(found), len(photos))
    return found


def fingerprint(photo: np.ndarray) -> tuple[bytes, np.ndarray]:
    """Reduce a photo to what tells copies: a hash of its pixels, and a miniature.

    Args:
        photo: uint8 (H, W, 3).

    Returns:
        16 bytes, and uint8 (48, 36, 3): the photo averaged to `MINIATURE`, whatever its shape.
    """
    digest = hashlib.blake2b(photo.tobytes(), digest_size=16)
    digest.update(str(photo.shape).encode())
    size = MINIATURE[::-1]
    small = Image.fromarray(photo).resize(size, Image.Resampling.BOX, reducing_gap=3.0)
    return digest.digest(), np.asarray(small)


def find_copies(fingerprints: Sequence[tuple[bytes, np.ndarray] | None]) -> CopyGroups:
    """Group photos by their fingerprints.

    Candidates for near copies are found by their signatures: 16 × 12 grey thumbnails less their
    mean, of length one, so that size and lighting don't count. Each candidate pair is then
    compared in colour, its brightness and contrast made equal: the mean absolute difference in
    blocks of 4 × 4 pixels must be below `NEAR` in every block of the miniature. So one differing
    print, strap or logo keeps two products apart, however alike they are elsewhere.

    Args:
        fingerprints: Of each row, as `fingerprint` gives them; None for a row without a photo.
    """
    by_digest: dict[bytes, list[int]] = defaultdict(list)
    for row, one in enumerate(fingerprints):
        if one is not None:
            by_digest[one[0]].append(row)
    exact = [rows for rows in by_digest.values() if len(rows) > 1]
    first = np.array([rows[0] for rows in by_digest.values()], np.int64)
    miniatures = [one[1] for row in first.tolist() if (one := fingerprints[row]) is not None]
    near = _near_pairs(first, np.stack(miniatures)) if len(first) > 1 else []
    links = [(rows[0], other) for rows in exact for other in rows[1:]]
    links += [(left, right) for left, right, _ in near]
    return CopyGroups(_joined(len(fingerprints), links), exact, near)


def _near_pairs(rows: np.ndarray, miniatures: np.ndarray) -> list[tuple[int, int, float]]:
    pairs = _candidates(miniatures)
    distances = [
        _distances(miniatures[some[:, 0]], miniatures[some[:, 1]])
        for start in range(0, len(pairs), _PAIRS_AT_ONCE)
        for some in [pairs[start : start + _PAIRS_AT_ONCE]]
    ]
    distance = np.concatenate(distances) if distances else np.empty(0, np.float32)
    kept = distance < NEAR
    ends = np.sort(rows[pairs[kept]], axis=1)
    found = zip(ends[:, 0].tolist(), ends[:, 1].tolist(), distance[kept].tolist(), strict=True)
    return sorted(found, key=lambda pair: (pair[2], pair[:2]))


def _candidates(miniatures: np.ndarray) -> np.ndarray:
    """Pairs int64 (N, 2) of miniatures with close signatures."""
    from scipy.spatial import cKDTree

    height, width = (side // _CELL for side in MINIATURE)
    signatures = np.empty((len(miniatures), height * width), np.float32)
    for position, miniature in enumerate(miniatures):
        cells = miniature.reshape(height, _CELL, width, _CELL, 3).mean((1, 3), dtype=np.float32)
        signatures[position] = (cells @ _GREY).ravel()
    signatures -= signatures.mean(1, keepdims=True)
    length = np.linalg.norm(signatures, axis=1)
    patterned = np.flatnonzero(length > 1)  # blank photos have no signature
    signatures = signatures[patterned] / length[patterned, None]
    if len(patterned) < 2:
        return np.empty((0, 2), np.int64)
    # Projections are never further apart than what they are projections of: no pair is lost.
    _, directions = np.linalg.eigh(signatures.T @ signatures)
    projected = signatures @ directions[:, -_DIRECTIONS:]
    pairs = cKDTree(projected).query_pairs(_CANDIDATE, output_type="ndarray")
    apart = [
        np.linalg.norm(signatures[some[:, 0]] - signatures[some[:, 1]], axis=1)
        for start in range(0, len(pairs), _PAIRS_AT_ONCE)
        for some in [pairs[start : start + _PAIRS_AT_ONCE]]
    ]
    return patterned[pairs[np.concatenate(apart) < _CANDIDATE]] if apart else pairs


def _distances(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Largest mean difference of any block, float32 (N,); of miniatures uint8 (N, 48, 36, 3)."""
    pixels = (1, 2, 3)
    left = left - left.mean(pixels, keepdims=True, dtype=np.float32)
    right = right - right.mean(pixels, keepdims=True, dtype=np.float32)
    contrasts = [np.sqrt((side**2).mean(pixels, keepdims=True)) for side in (left, right)]
    common = np.sqrt(contrasts[0] * contrasts[1])
    difference = np.abs(left * (common / contrasts[0]) - right * (common / contrasts[1])).mean(3)
    height, width = (side // _BLOCK for side in MINIATURE)
    return difference.reshape(-1, height, _BLOCK, width, _BLOCK).mean((2, 4)).max((1, 2))


def _joined(rows: int, links: list[tuple[int, int]]) -> np.ndarray:
    """Connected rows, int64 (rows,): each row's value is the smallest row it is connected to."""
    parent = list(range(rows))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    for left, right in links:
        low, high = sorted((root(left), root(right)))
        parent[high] = low
    return np.array([root(row) for row in range(rows)], np.int64)
