"""Learning which training products' photos are most like one: the bank that `hangtag.voting` asks.

A photo is looked at in three ways: at where its edges run, which tells photos of one sitting,
whatever the product's colour; at what the network sees halfway, in squares of the photo; and at its
embedding, which tells what it shows. In each, what differs little between a product and the next
one of the catalogue, but much between others, counts most.
"""

from collections.abc import Callable

import numpy as np
from PIL import Image

from hangtag.bank import ask, ask_strangers, bank_of, set_bank
from hangtag.calibration import ENOUGH
from hangtag.cores import available_cores
from hangtag.errors import require
from hangtag.graph_outputs import Bank, View, add_edges, add_look, lengths
from hangtag.model import EDGES, EMBEDDING, INPUT, LOGITS, LOOK, MIDWAY, Neighbours
from hangtag.progress import Progress
from hangtag.session import open_session
from hangtag.tagger import Tagger
from hangtag.training_data import TrainingData
from hangtag.vote_share import UNUSUAL, fit_log_odds

_MOST = 40_000
"""How many products there are in the bank at most, some 100 bytes each."""

_SAMPLE = 10_000
"""How many of them the principal components are found from."""

_ROWS = 20
"""Squares from the top of a photo to its bottom."""

_COMPONENTS = {EDGES: 1200, MIDWAY: 1200, EMBEDDING: 512}
"""Principal components of what is looked at."""

_WIDTHS = {EDGES: 200, MIDWAY: 280, EMBEDDING: 160}
"""Bits that become of them. The more there are of one, the more it counts."""

_CHUNK = 4096
"""Photos at a time whose numbers are mapped, so that not all are held in full precision."""

_SMALLER = 0.75
"""How large products are, by their height and width, that are shown smaller."""

_WHITE = 255

_SOME = 1e-9
"""What stands for no variance at all."""

_SEED = 0


class TrainingNeighbours:
    """The products that a model was trained on, as the neighbours that it asks.

    Making one adds to the model's graph what photos are compared by. The folder's checksums are no
    longer right then; `hangtag.model.write_info` mends them.

    Args:
        tagger: Of a model folder whose graph has no such votes yet. It doesn't see the change.
        data: The model was trained on; own photos of the main catalogue vote. At least `ENOUGH` of
            each part (`can_vote`).
        count: How many of the nearest vote.
        progress: Told about the training photos.
    """

    def __init__(
        self, tagger: Tagger, data: TrainingData, count: int, progress: Progress | None = None
    ) -> None:
        self._tagger, self._data, self._count = tagger, data, count
        rows = data.rows("train", extra=False)
        rows = np.random.default_rng(_SEED).permutation(rows)[:_MOST]
        self._rows = rows[np.argsort(data.sequence[rows], kind="stable")]
        add_edges(tagger.model.onnx_path, tagger.input_size, _ROWS)
        self._looks = _learn_to_look(tagger, data.own[self._rows], data, progress)
        self._log_odds: dict[str, tuple[float, ...]] = {}

    @staticmethod
    def can_vote(data: TrainingData) -> bool:
        """Tell whether there are products enough to vote, and to tell how much they count."""
        return all(len(data.rows(part, extra=False)) >= ENOUGH for part in ("train", "validation"))

    def fit(self) -> Neighbours:
        """Let the training products vote; validation photos of all kinds say how much.

        Own photos of the catalogue's products are three more kinds: changed, for who shows mirror
        images, or products smaller in the frame, has many that are near to some and siblings of
        none; and beside a bank without their siblings, which a new season's products haven't yet.
        """
        bank = self._bank(self._rows, self._looks)
        set_bank(self._tagger.model.onnx_path, bank)
        rows, positions, kind = self._data.shown("validation")
        own = np.flatnonzero(kind == 0)
        names = [LOOK, *(LOGITS + one.name for one in self._data.attributes)]
        shown = self._said(positions, names)
        changed = [self._said(positions[own], names, change) for change in (_mirrored, _smaller)]
        new = {name: values[own] for name, values in shown.items()}
        sequence = self._data.sequence
        places = np.searchsorted(sequence[self._rows], sequence[rows[own]])
        places = np.minimum(places, len(self._rows) - 1)
        parts = [
            *(one | ask(bank, one[LOOK]) for one in (shown, *changed)),
            new | ask_strangers(bank, new[LOOK], places),
        ]
        said = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        rows = np.concatenate([rows, *[rows[own]] * (len(parts) - 1)])
        unusual = np.repeat(kind.max() + np.arange(1, len(parts)), len(own))
        counts = np.repeat([1.0, UNUSUAL], [len(kind), len(unusual)])
        allowed = {one.name: self._data.targets[one.name][rows] for one in self._data.attributes}
        self._log_odds = fit_log_odds(said, allowed, np.append(kind, unusual), counts)
        return Neighbours(products=len(self._rows), log_odds=self._log_odds)

    def all_vote(self) -> Neighbours:
        """Let the validation products vote, too, when nothing is left to be fitted to them."""
        more = self._data.rows("validation", extra=False)[: _MOST - len(self._rows)]
        rows, looks = self._rows, self._looks
        if len(more):
            rows = np.concatenate([rows, more])
            looks = np.concatenate([looks, self._said(self._data.own[more], [LOOK])[LOOK]])
        set_bank(self._tagger.model.onnx_path, self._bank(rows, looks))
        return Neighbours(products=len(rows), log_odds=self._log_odds)

    def _bank(self, rows: np.ndarray, looks: np.ndarray) -> Bank:
        targets = {one.name: self._data.targets[one.name][rows] for one in self._data.attributes}
        return bank_of(looks, targets, self._count)

    def _said(
        self,
        positions: np.ndarray,
        names: list[str],
        change: Callable[[np.ndarray], np.ndarray] = np.asarray,
    ) -> dict[str, np.ndarray]:
        session = open_session(self._tagger.model, available_cores())
        batches = self._data.pool.batches(positions)
        found = [session.run(names, {INPUT: change(photos)}) for photos in batches]
        return dict(zip(names, map(np.concatenate, zip(*found, strict=True)), strict=True))


def _mirrored(photos: np.ndarray) -> np.ndarray:
    """Photos uint8 (N, h, w, 3), left for right."""
    return np.ascontiguousarray(photos[:, :, ::-1])


def _smaller(photos: np.ndarray) -> np.ndarray:
    """Photos uint8 (N, h, w, 3), each smaller in the middle of a white one."""
    height, width = (round(_SMALLER * side) for side in photos.shape[1:3])
    top, left = (photos.shape[1] - height) // 2, (photos.shape[2] - width) // 2
    shown = np.full_like(photos, _WHITE)
    for place, photo in zip(shown, photos, strict=True):
        small = Image.fromarray(photo).resize((width, height), Image.Resampling.BILINEAR)
        place[top : top + height, left : left + width] = np.asarray(small)
    return shown


def _learn_to_look(
    tagger: Tagger, positions: np.ndarray, data: TrainingData, progress: Progress | None
) -> np.ndarray:
    """Add the output ``look`` to a graph: float32 (M, d) of photos that follow each other."""
    normalise = require("train", "sklearn.preprocessing").normalize
    session = open_session(tagger.model, available_cores())
    # Not every backbone gives what it sees halfway.
    names = [one.name for one in session.get_outputs() if one.name in _WIDTHS]
    found: list[list[np.ndarray]] = []
    for photos in data.pool.batches(positions):
        said = session.run(names, {INPUT: photos})
        found.append([one.astype(np.float16) for one in said])
        if progress:
            progress(
                "looking at training photos", sum(len(one[0]) for one in found), len(positions)
            )
    looked_at = dict(zip(names, map(np.concatenate, zip(*found, strict=True)), strict=True))
    views = {
        name: _view(seen, _COMPONENTS[name], _WIDTHS[name]) for name, seen in looked_at.items()
    }
    add_look(tagger.model.onnx_path, views)
    looks = [
        length * normalise(_mapped(looked_at[name], views[name].seen))
        for name, length in lengths(views).items()
    ]
    return np.concatenate(looks, axis=1)


def _view(seen: np.ndarray, components: int, width: int) -> View:
    """How to look at what was seen of photos that follow each other, float16 (M, D).

    Linear discriminant analysis, each photo and the next one being taken for a class (after
    Bar-Hillel et al., "Learning Distance Functions using Equivalence Relations", 2003): directions
    in which neighbours differ least, measured by how much all photos do. Those that don't belong
    together, one where a sitting ends, differ in all directions and favour none.
    """
    decomposition = require("train", "sklearn.decomposition")
    covariance = require("train", "sklearn.covariance")
    linalg = require("train", "scipy.linalg")
    rng = np.random.default_rng(_SEED)
    sample = seen[np.sort(rng.permutation(len(seen))[:_SAMPLE])].astype(np.float32)
    count = min(components, *sample.shape)
    found = decomposition.PCA(count, svd_solver="randomized", random_state=_SEED).fit(sample)
    principal = _mapped(seen, found.transform).astype(float)
    steps = np.diff(principal, axis=0) / 2**0.5
    within, _ = covariance.ledoit_wolf(steps, assume_centered=True)
    within += _SOME * np.eye(count)
    ratios, directions = linalg.eigh(covariance.empirical_covariance(principal), within)
    ratios, directions = ratios[-width:], directions[:, -width:]
    told_apart = np.sqrt(np.maximum(1 - 1 / np.maximum(ratios, 1), 0))
    # Turned at random, all values vary alike, and their signs tell enough of them.
    turn = np.linalg.qr(rng.normal(size=(len(ratios),) * 2))[0]
    weights = found.components_.T @ (directions * told_apart @ turn)
    return View(
        weights=weights.astype(np.float32),
        bias=(-found.mean_ @ weights).astype(np.float32),
    )


def _mapped(seen: np.ndarray, way: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """What becomes of float16 (M, D) by a map of float32 (m, D), a few photos at a time."""
    chunks = range(0, len(seen), _CHUNK)
    return np.concatenate([way(seen[at : at + _CHUNK].astype(np.float32)) for at in chunks])
