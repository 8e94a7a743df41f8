"""A model's confidences and thresholds, fitted anew to the labels of another catalogue.

The network stays as it is, and so does what it says; but how sure it may be of it, and from where
on a tag is accepted, follow a shop's own labels.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hangtag.calibration import (
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
from hangtag.judge import evaluate
from hangtag.model import ONNX, WEIGHTS, read_model, write_info
from hangtag.photo_cache import Progress
from hangtag.tagger import Tagger
from hangtag.verdict import COLOUR_GROUP, Evaluation

ENOUGH = 100
"""Labelled photos that an attribute's thresholds are fitted to, at least."""


@dataclass(frozen=True)
class Recalibrated:
    """What became of a model.

    Attributes:
        folder: The new model folder.
        photos: How many of the catalogue's photos it was fitted to.
        counts: How many of them have a label, by attribute. One with fewer than `ENOUGH` keeps its
            thresholds, and its confidences hardly move.
    """

    folder: Path
    photos: int
    counts: dict[str, int]


def recalibrate(
    model: str | Path,
    catalogue: str | Path | Catalogue,
    output: str | Path,
    *,
    split: str = "all",
    name: str | None = None,
    command: str | None = None,
    progress: Progress | None = None,
) -> Recalibrated:
    """Fit a model's confidences and thresholds to a catalogue and write it as a new model folder.

    Each attribute's confidences are moved along a curve, which stays near the model's own where
    the labels are few; see `hangtag.calibration.Calibration`.

    Args:
        model: A model's name or folder.
        catalogue: With labels in the model's words, or in words that it translates. Not what the
            model was trained on: of those products it's surer than of others.
        output: Folder to write.
        split: The part of the catalogue to fit to, as for `hangtag.judge.evaluate`.
        name: The model's name; by default that of the output folder.
        command: What was typed, for the model card.
        progress: Told about the tagging.

    Raises:
        HangtagError: A model or catalogue that can't be read, no labels of what the model tags, or
            a folder that exists.
    """
    folder = Path(output)
    if folder.exists():
        raise HangtagError(f"{folder}: exists already; choose another folder or remove it")
    first = read_model(model)
    if not isinstance(catalogue, Catalogue):
        catalogue = read_catalogue(catalogue)
    draft = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    try:
        shutil.copyfile(first.onnx_path, draft / ONNX)
        shutil.copyfile(first.weights_path, draft / WEIGHTS)

        def judged(calibration: Calibration) -> Evaluation:
            write_info(draft, first.info.model_copy(update={"calibration": calibration}), "")
            return evaluate(Tagger(draft, details=True), catalogue, split=split, progress=progress)

        calibration = first.info.calibration
        straight = judged(calibration.model_copy(update={"curves": {}}))
        curves = _fit_curves(straight, first.taxonomy.levels, calibration.curves)
        calibration = calibration.model_copy(update={"curves": curves})
        found = judged(calibration)
        thresholds, counts = dict(calibration.thresholds), dict[str, int]()
        for attribute, (confidence, right) in _telling(found).items():
            counts[attribute] = len(right)
            if len(right) >= ENOUGH:
                thresholds[attribute] = fit_thresholds(confidence, right)
        facts = {
            **first.info.training,
            "earlier commands": first.info.commands,
            "command": command,
            "calibrated on": {"catalogue": catalogue.source.name, "photos": len(found.rows)},
        }
        info = first.info.model_copy(
            update={
                "name": name or folder.name,
                "calibration": calibration.model_copy(update={"thresholds": thresholds}),
                "training": {key: value for key, value in facts.items() if value is not None},
                # They were measured with the confidences before.
                "numbers": {},
            }
        )
        write_info(draft, info, write_card(info))
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return Recalibrated(folder, len(found.rows), counts)


def _fit_curves(
    straight: Evaluation, levels: Sequence[str], near: Mapping[str, Curve]
) -> dict[str, Curve]:
    """Curves by attribute; those of the taxonomy's levels follow from the article types'."""
    fitted = {
        name: fit_curve(confidence, right, near.get(name, STRAIGHT))
        for name, (confidence, right) in _telling(straight).items()
        if name not in levels
    }
    return {**near, **fitted}


def _telling(found: Evaluation) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """By attribute: confidences (N,), and which tags are right, bool (N,), of labelled photos."""
    result = {}
    for name, one in found.judged.items():
        if name != COLOUR_GROUP:
            rows = telling(one.truths)
            result[name] = (one.confidence[rows], one.right[rows])
    return result
