"""A model's neighbours, confidences and thresholds, fitted anew to the labels of another catalogue.

The network stays as it is; but which products vote beside it, how sure it may be of what comes of
that, and from where on a tag is accepted, follow a shop's own labels.
"""

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from hangtag.attributes import TYPE, Taxonomy
from hangtag.calibration import (
    ENOUGH,
    STRAIGHT,
    Calibration,
    Curve,
    fit_curve,
    fit_thresholds,
    telling,
)
from hangtag.card import write_card
from hangtag.catalogue import Catalogue, read_catalogue
from hangtag.errors import HangtagError
from hangtag.judge import evaluate, labels_for, parts_of
from hangtag.model import ONNX, WEIGHTS, read_model, write_info
from hangtag.own_neighbours import OwnNeighbours, can_compare
from hangtag.photo_reader import PhotoReader
from hangtag.progress import Progress
from hangtag.split import Kind, product_groups
from hangtag.tagger import Tagger
from hangtag.verdict import COLOUR_GROUP, Evaluation, Judged

_Tags = tuple[np.ndarray, np.ndarray]
"""Confidences, float (N,), and which tags are right, bool (N,), of the photos with a label."""


@dataclass(frozen=True)
class Recalibrated:
    """What became of a model.

    Attributes:
        folder: The new model folder.
        fitted: Attributes whose confidences and thresholds are the catalogue's now, and how many
            photos with a label of each there are.
        kept: Those that stay as they were, and why; "neighbours" likewise.
        voters: How many products of the catalogue vote beside the network; 0 if who voted before
            votes on.
    """

    folder: Path
    fitted: dict[str, int]
    kept: dict[str, str]
    voters: int

    @property
    def photos(self) -> int:
        """How many photos the attribute with the most labels was fitted to."""
        return max(self.fitted.values())


def recalibrate(
    model: str | Path,
    catalogue: str | Path | Catalogue,
    output: str | Path,
    *,
    split: str = "all",
    neighbours: bool = True,
    name: str | None = None,
    command: str | None = None,
    progress: Progress | None = None,
) -> Recalibrated:
    """Fit a model to a catalogue without training, and write it as a new model folder.

    The catalogue's products vote in place of those that the model was trained on, as far as the
    model can compare photos and a hundred products have labels (`hangtag.own_neighbours`); each of
    them is judged by the others. Each attribute's confidences are moved along a curve, and its
    thresholds are set anew; see `hangtag.calibration.Calibration`. Attributes of which fewer than
    `hangtag.calibration.ENOUGH` photos have a label stay as they are; labels that the model has no
    word for don't count.

    Args:
        model: A model's name or folder.
        catalogue: With labels in the model's words, or in words that it translates. Not what the
            model was trained on: of those products it's surer than of others.
        output: Folder to write.
        split: The part of the catalogue to fit to, as for `hangtag.judge.evaluate`.
        neighbours: Let the catalogue's products vote; without, what the model says of a photo stays
            as it is.
        name: The model's name; by default that of the output folder.
        command: What was typed, for the model card.
        progress: Told about looking at the photos, which is done twice, and once more for votes.

    Raises:
        HangtagError: A model or catalogue that can't be read, too few labels of all that the model
            tags, or a folder that exists; nothing is written then.
    """
    folder = Path(output)
    if folder.exists():
        raise HangtagError(f"{folder}: exists already; choose another folder or remove it")
    first = read_model(model)
    if not isinstance(catalogue, Catalogue):
        catalogue = read_catalogue(catalogue)
    folder.absolute().parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.absolute().parent, prefix=".hangtag-") as around:
        draft = Path(around) / folder.name
        draft.mkdir()
        shutil.copyfile(first.onnx_path, draft / ONNX)
        shutil.copyfile(first.weights_path, draft / WEIGHTS)

        write_info(draft, first.info, "")
        votes, why = _own_votes(draft, catalogue, split, progress) if neighbours else (None, {})
        near = first.info.neighbours if votes is None else votes.fit()

        def judged(calibration: Calibration) -> Evaluation:
            update = {"calibration": calibration, "neighbours": near}
            write_info(draft, first.info.model_copy(update=update), "")
            return evaluate(Tagger(draft, details=True), catalogue, split=split, progress=progress)

        calibration = first.info.calibration
        straight = judged(calibration.model_copy(update={"curves": {}}))
        tags, kept = _labelled(straight, first.taxonomy)
        kept = why | kept
        if not tags:
            reasons = "; ".join(f"{attribute}: {why}" for attribute, why in kept.items())
            raise HangtagError(f"{catalogue.source}: too few labels to fit anything to ({reasons})")
        calibration = calibration.model_copy(
            update={"curves": _curves(tags, first.taxonomy, calibration.curves)}
        )
        tags, _ = _labelled(judged(calibration), first.taxonomy)
        fitted = {attribute: len(right) for attribute, (_, right) in tags.items()}
        result = Recalibrated(folder, fitted, kept, votes.voters if votes is not None else 0)
        thresholds = {attribute: fit_thresholds(*one) for attribute, one in tags.items()}
        facts = {
            **first.info.training,
            "name": name or folder.name,
            "earlier commands": first.info.commands,
            "command": command,
            "calibrated on": {"catalogue": catalogue.source.name, "photos": result.photos},
        }
        info = first.info.model_copy(
            update={
                "name": facts["name"],
                "neighbours": near,
                "calibration": calibration.model_copy(
                    update={"thresholds": {**calibration.thresholds, **thresholds}}
                ),
                "training": {key: value for key, value in facts.items() if value is not None},
                # They were measured with the confidences before.
                "numbers": {},
            }
        )
        if votes is not None:
            votes.vote(for_themselves=True)
        write_info(draft, info, write_card(info))
        draft.rename(folder)
    return result


def _own_votes(
    draft: Path, catalogue: Catalogue, split: str, progress: Progress | None
) -> tuple[OwnNeighbours | None, dict[str, str]]:
    """A catalogue's products as neighbours, or why they can't be."""
    tagger = Tagger(draft, details=True)
    if not can_compare(tagger):
        return None, {"neighbours": "this model hasn't learnt to compare photos"}
    reader = PhotoReader(catalogue)
    parts = parts_of(catalogue, split, cast(Kind, tagger.info.split), progress)
    found = OwnNeighbours(
        tagger,
        reader,
        [row for row in np.flatnonzero(parts == split).tolist() if reader.has(row)],
        labels_for(tagger.info, catalogue),
        product_groups(catalogue, progress),
        progress=progress,
    )
    if found.voters < ENOUGH:
        return None, {"neighbours": f"{found.voters} labelled products, {ENOUGH} are needed"}
    return found, {}


def _curves(
    tags: Mapping[str, _Tags], taxonomy: Taxonomy, before: Mapping[str, Curve]
) -> dict[str, Curve]:
    """Curves by attribute; those of the taxonomy's levels follow from the article types'."""
    fitted = {
        name: fit_curve(*one, before.get(name, STRAIGHT))
        for name, one in tags.items()
        if name not in taxonomy.levels
    }
    return {**before, **fitted}


def _labelled(found: Evaluation, taxonomy: Taxonomy) -> tuple[dict[str, _Tags], dict[str, str]]:
    """Tags by attribute, and why the other attributes have too few.

    The taxonomy's levels move with the article types, so where types have labels enough, so have
    they: their type's.
    """
    tags: dict[str, _Tags] = {}
    kept = dict(found.left_out)
    for name, one in found.judged.items():
        if name == COLOUR_GROUP:
            continue
        truths = _in_its_words(one)
        rows = telling(truths)
        if rows.sum() >= ENOUGH:
            tags[name] = (one.confidence[rows], one.right[rows])
        else:
            kept[name] = f"{rows.sum()} labels in the model's words, {ENOUGH} are needed"
    if TYPE in tags:
        types = found.judged[TYPE]
        truths = _in_its_words(types)
        rows = telling(truths)
        for level in taxonomy.levels:
            if level not in tags:
                kept.pop(level, None)
                tags[level] = _of_level(types, truths, rows, taxonomy, level)
    return tags, kept


def _in_its_words(one: Judged) -> np.ndarray:
    """The labels without those that the model has no word for: bool (N, values of the model)."""
    return one.truths[:, : one.truths.shape[1] - len(one.unknown)]


def _of_level(
    types: Judged, truths: np.ndarray, rows: np.ndarray, taxonomy: Taxonomy, level: str
) -> _Tags:
    own = types.attribute.values[: truths.shape[1]]
    parents = [taxonomy.parent(value, level) for value in own]
    values = sorted({parent for parent in parents if parent is not None})
    membership = taxonomy.membership(own, values, level)
    probabilities = types.probabilities[rows, : truths.shape[1]] @ membership
    said = (membership[types.predicted[rows]] * probabilities).argmax(axis=1)
    right = (truths[rows] @ membership > 0)[np.arange(rows.sum()), said]
    return probabilities.max(axis=1), right
