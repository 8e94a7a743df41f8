"""The photos of the evaluation report: which ones are shown, and where the network looked."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from hangtag import heat_map
from hangtag.errors import HangtagError
from hangtag.photo import read_photo
from hangtag.reports import page
from hangtag.turning import turned, turned_input
from hangtag.verdict import COLOUR_GROUP, Evaluation, Judged

TOP_LOSSES = 12
PAIRS = 6
PHOTOS_OF_A_PAIR = 4
GRID = 24

_GRID_SEED = 3


@dataclass(frozen=True)
class Shown:
    """A photo in the report; ``beside`` is the photo under its class activation map."""

    source: str | None
    lines: list[str]
    tone: str
    beside: str | None = None


class Gallery:
    """Picks photos of an evaluation and encodes them."""

    def __init__(self, evaluation: Evaluation) -> None:
        self._evaluation = evaluation
        self._thumbnails: dict[int, str | None] = {}

    def top_losses(self, attribute: str) -> list[Shown]:
        """The photos whose true value the model thought least probable, of the wrong ones."""
        one = self._evaluation.judged[attribute]
        allowed = np.where(one.truths, one.probabilities, 0).sum(axis=1)
        wrong = np.flatnonzero(one.known & ~one.right)
        # Where the truth is equally impossible, the more confident error is the worse one.
        order = np.lexsort((-one.confidence[wrong], allowed[wrong]))
        return [self._explained(attribute, photo) for photo in wrong[order[:TOP_LOSSES]]]

    def confused(self, attribute: str) -> list[dict[str, Any]]:
        """Example photos of the commonest confusions, the most confident ones first."""
        one = self._evaluation.judged[attribute]
        shown = []
        for pair in self._evaluation.numbers["attributes"][attribute]["confused"][:PAIRS]:
            actual = one.attribute.index[pair["actual"]]
            predicted = one.attribute.index[pair["predicted"]]
            single = one.truths.sum(axis=1) == 1
            photos = np.flatnonzero(single & one.truths[:, actual] & (one.predicted == predicted))
            chosen = photos[np.argsort(-one.confidence[photos], kind="stable")][:PHOTOS_OF_A_PAIR]
            examples = [self._explained(attribute, photo) for photo in chosen]
            shown.append({**pair, "examples": examples})
        return shown

    def grid(self) -> list[Shown]:
        """Photos drawn at random, each with its actual and predicted values."""
        evaluation = self._evaluation
        count = min(GRID, len(evaluation.rows))
        random = np.random.default_rng(_GRID_SEED)
        return [
            self._compared(photo)
            for photo in np.sort(random.choice(len(evaluation.rows), count, replace=False))
        ]

    def disagreements(self, other: Evaluation, attribute: str) -> list[Shown]:
        """Photos on which exactly one of two models is right, the more confident ones first."""
        mine, theirs = self._evaluation.judged[attribute], other.judged[attribute]
        _, here, there = np.intersect1d(self._evaluation.rows, other.rows, return_indices=True)
        both = mine.known[here] & theirs.known[there]
        differ = np.flatnonzero(both & (mine.right[here] != theirs.right[there]))
        surest = np.argsort(
            -(mine.confidence[here[differ]] + theirs.confidence[there[differ]]), kind="stable"
        )
        return [
            Shown(
                self._thumbnail(here[at]),
                [
                    f"is {mine.actual(here[at])}",
                    f"{self._evaluation.name}: {_said(mine, here[at])}",
                    f"{other.name}: {_said(theirs, there[at])}",
                ],
                "right" if mine.right[here[at]] else "wrong",
            )
            for at in differ[surest[:TOP_LOSSES]]
        ]

    def _explained(self, attribute: str, photo: int) -> Shown:
        one = self._evaluation.judged[attribute]
        return Shown(
            source=self._thumbnail(photo),
            lines=[
                f"is {one.actual(photo)}",
                f"tagged {_said(one, photo)}",
                self._name(photo),
            ],
            tone="wrong",
            beside=self._looked_at(photo, attribute, one),
        )

    def _compared(self, photo: int) -> Shown:
        lines = []
        right = True
        for name, one in self._evaluation.judged.items():
            if name == COLOUR_GROUP:
                continue
            predicted = one.attribute.values[one.predicted[photo]]
            if not one.known[photo]:
                lines.append(f"? {predicted} (no label)")
            elif one.right[photo]:
                lines.append(f"✓ {predicted}")
            else:
                right = False
                lines.append(f"✗ {predicted}, is {one.actual(photo)}")
        return Shown(self._thumbnail(photo), lines, "right" if right else "wrong")

    def _name(self, photo: int) -> str:
        row = int(self._evaluation.rows[photo])
        product, name = self._evaluation.catalogue.table.select("id", "name").row(row)
        return name or product

    def _thumbnail(self, photo: int) -> str | None:
        if photo not in self._thumbnails:
            try:
                pixels = turned(read_photo(self._read(photo)), int(self._evaluation.turned[photo]))
                self._thumbnails[photo] = page.thumbnail(pixels)
            except HangtagError:
                # Readable a moment ago; the report can do without it.
                self._thumbnails[photo] = None
        return self._thumbnails[photo]

    def _looked_at(self, photo: int, attribute: str, one: Judged) -> str | None:
        tagger = self._evaluation.tagger
        try:
            pixels = tagger.prepare(self._read(photo))
        except HangtagError:
            return None
        value = one.attribute.values[one.predicted[photo]]
        pixels = turned_input(pixels, int(self._evaluation.turned[photo]))
        strength = tagger.activation_map(pixels, attribute, value)
        return page.thumbnail(heat_map.lay_over(pixels, strength))

    def _read(self, photo: int) -> bytes:
        return self._evaluation.photos.read(int(self._evaluation.rows[photo]))


def _said(one: Judged, photo: int) -> str:
    return f"{one.attribute.values[one.predicted[photo]]} ({100 * one.confidence[photo]:.0f} %)"
