"""From a trained network to a model folder: export, calibrate, set thresholds, judge, describe."""

import platform
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hangtag import evaluation
from hangtag.calibration import (
    ENOUGH,
    Calibration,
    Decoder,
    fit_probabilities,
    fit_thresholds,
    strictest,
    telling,
)
from hangtag.card import write_card
from hangtag.domain import fit_domain
from hangtag.ensemble import AnyNetwork
from hangtag.errors import HangtagError
from hangtag.histogram import can_read_colours, read_colours
from hangtag.judge import evaluate
from hangtag.model import CARD, INFO, ONNX, WEIGHTS, ModelInfo, Vocabulary, write_info
from hangtag.neighbours import TrainingNeighbours
from hangtag.onnx_graph import write_network
from hangtag.orientation import fit_orientation
from hangtag.progress import Progress
from hangtag.recipe import Recipe
from hangtag.split import count_parts
from hangtag.tagger import Tagger
from hangtag.training_data import TrainingData

if TYPE_CHECKING:
    from hangtag.catalogue import Catalogue

ALL_RIGHT = "all right"
"""Name under which a model's numbers hold how often all attributes of a photo are right."""

_UNFINISHED = "unfinished"
"""Folder in the model's own in which it is made."""

_ELSEWHERE = 0.03
"""How far the precision on photos from elsewhere may lie below what is asked. Without it a few
hundred phone photos would decide how many tags of a shop's own photos are accepted."""


@dataclass(frozen=True)
class TestSet:
    """A catalogue whose test part is judged, with its own photos or others of the same products."""

    catalogue: "Catalogue | Path"
    alternate: Path | None = None


def finish(
    network: AnyNetwork,
    recipe: Recipe,
    data: TrainingData,
    *,
    catalogue: "Catalogue",
    alternate: str | Path | None,
    extra: Sequence[str | Path],
    folder: Path,
    facts: dict[str, Any],
    command: str | None = None,
    progress: Progress | None = None,
) -> None:
    """Write the model folder of a trained network.

    Everything is fitted to what the ONNX graph says, because that is what will be used. The model
    is made in a folder of its own and moved when it's whole. Test photos that can't be judged are
    left out of its numbers with a line that says why.

    Args:
        network: Trained.
        recipe: It was trained by; an ensemble's first member, in whose place training can go on.
        data: It was trained on; its validation rows calibrate.
        catalogue: It was trained on; the test products' photos give the card's numbers.
        alternate: As for `hangtag.train`; its photos of the test products are judged, too.
        extra: As for `hangtag.train`; the test photos of each are judged, too.
        folder: To write. Its name is the model's.
        facts: About the run, for the card.
        command: What was typed, for the card.
        progress: Told about the judging.
    """
    attributes = [attribute.name for attribute in data.attributes]
    unfinished = folder / _UNFINISHED
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    write_network(network, attributes, recipe.input_size, unfinished)
    info = ModelInfo(
        name=str(facts.get("name", folder.name)),
        attributes=[Vocabulary(name=one.name, values=list(one.values)) for one in data.attributes],
        details=data.details,
        input_size=recipe.input_size,
        taxonomy=dict(data.taxonomy.parents),
        translations=recipe.translations,
        split=data.split,
        recipe=recipe.model_dump(mode="json"),
        training={
            **facts,
            **({"command": command} if command is not None else {}),
            "catalogue": catalogue.source.name,
            "products": count_parts(data.parts[~data.extra]),
            "extra photos": count_parts(data.parts[data.extra]),
            "versions": {package: version(package) for package in ("hangtag", "torch", "timm")},
            "machine": platform.machine(),
        },
    )
    write_info(unfinished, info, "")
    if recipe.histogram and can_read_colours(data):
        read_colours(Tagger(unfinished), data, progress)
        write_info(unfinished, info, "")
    voters = None
    if recipe.neighbours and TrainingNeighbours.can_vote(data):
        voters = TrainingNeighbours(
            Tagger(unfinished, details=True), data, recipe.neighbours, progress
        )
        info = info.model_copy(update={"neighbours": voters.fit()})
        write_info(unfinished, info, "")
    tagger = Tagger(unfinished, details=True)
    fitted = {
        "calibration": calibrate(tagger, data),
        "domain": fit_domain(tagger, data, recipe.augmentation),
        "orientation": fit_orientation(tagger, data),
    }
    info = info.model_copy(update=fitted)
    if voters is not None:
        info = info.model_copy(update={"neighbours": voters.all_vote()})
    write_info(unfinished, info, "")
    finished = Tagger(unfinished, details=True)
    numbers = {}
    for name, one in _test_sets(catalogue, alternate, extra).items():
        try:
            numbers[name] = _scores(finished, one, progress)
        except HangtagError as error:
            print(f"not judged: {name}: {error}", file=sys.stderr)
    info = info.model_copy(update={"numbers": numbers})
    write_info(unfinished, info, write_card(info))
    _move(unfinished, folder)


def _move(unfinished: Path, folder: Path) -> None:
    """Put a model's files in their place, ``model.json`` last."""
    (folder / INFO).unlink(missing_ok=True)
    for name in (ONNX, WEIGHTS, CARD):
        # Where files in use can't be moved, they can be copied.
        shutil.copyfile(unfinished / name, folder / name)
    (unfinished / INFO).replace(folder / INFO)
    shutil.rmtree(unfinished, ignore_errors=True)


def _test_sets(
    catalogue: "Catalogue", alternate: str | Path | None, extra: Sequence[str | Path]
) -> dict[str, TestSet]:
    """What a model of these sources is judged on, by the name that its card gives to it."""
    sets = {"test": TestSet(catalogue)}
    if alternate is not None:
        sets["test, alternate photos"] = TestSet(catalogue, Path(alternate))
    for path in map(Path, extra):
        name, number = f"test, {path.stem}", 1
        while name in sets:
            number += 1
            name = f"test, {path.stem} ({number})"
        sets[name] = TestSet(path)
    return sets


def _scores(
    tagger: Tagger, photos: TestSet, progress: Progress | None
) -> dict[str, dict[str, float]]:
    """Scores by attribute on the test part of a catalogue, and how often all are right."""
    result = evaluate(tagger, photos.catalogue, photos=photos.alternate, progress=progress)
    numbers = {
        name: {"photos": float(judged.known.sum())}
        | evaluation.scores(judged.probabilities, judged.truths)
        for name, judged in result.judged.items()
    }
    right = result.all_right()
    numbers[ALL_RIGHT] = {"photos": right.photos, "accuracy": right.value}
    return {
        name: {metric: value for metric, value in scores.items() if np.isfinite(value)}
        for name, scores in numbers.items()
    }


def calibrate(tagger: Tagger, data: TrainingData) -> Calibration:
    """Fit scales and thresholds to the validation rows.

    A threshold is the strictest of those that products' own photos, alternate photos and extra
    catalogues ask for; of the last, which are photos from elsewhere, a little less precision is
    asked.
    """
    shown, positions, group = data.shown("validation")
    logits = tagger.run_all(data.pool.batches(positions)).logits
    names = [attribute.name for attribute in data.attributes]
    allowed = {name: data.targets[name][shown] for name in names}
    # The scales are for shop photos; what phone photos need on top, the thresholds take care of.
    of_shop = group < 2
    fitted = fit_probabilities(
        {name: values[of_shop] for name, values in logits.items()},
        {name: values[of_shop] for name, values in allowed.items()},
        data.attributes,
        data.taxonomy,
        scales_only=data.details,
    )
    probabilities = Decoder(data.attributes, data.taxonomy, fitted)(logits)
    thresholds = {}
    for name in names:
        best = probabilities[name].argmax(1)
        confidence = probabilities[name].max(1)
        right = allowed[name][np.arange(len(best)), best]
        sources = [telling(allowed[name]) & (group == number) for number in range(3)]
        thresholds[name] = strictest(
            [
                fit_thresholds(
                    confidence[rows], right[rows], tolerance=_ELSEWHERE if number == 2 else 0.0
                )
                for number, rows in enumerate(sources)
                if number == 0 or rows.sum() >= ENOUGH
            ]
        )
    return fitted.model_copy(update={"thresholds": thresholds})
