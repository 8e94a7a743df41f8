"""Recipes side by side: train or load each, judge all on the same products, measure their cost."""

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hangtag.catalogue import read_catalogue
from hangtag.common_ground import CommonTask, common_tasks
from hangtag.eight_bits import SCALE
from hangtag.errors import HangtagError
from hangtag.judge import evaluate
from hangtag.model import INFO, Model, read_model
from hangtag.photo_reader import PhotoReader
from hangtag.progress import Progress
from hangtag.recipe import Recipe
from hangtag.recipe_file import read_recipe
from hangtag.split import Kind, require_split
from hangtag.tagger import Tagger
from hangtag.training import CHECKPOINTS, train
from hangtag.training_data import prepare

if TYPE_CHECKING:
    from hangtag.catalogue import Catalogue
    from hangtag.verdict import Evaluation

SCORES = ("accuracy", "macro_f1")
"""What the comparison takes of `hangtag.evaluation.METRICS`."""

_TIMED_PHOTOS = 256
_ROUNDS = 3
_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


@dataclass(frozen=True)
class Row:
    """One model of the comparison.

    Attributes:
        name: The recipe's, or the model's if it has none.
        backbone: timm's name, or ``cnn``; those of an ensemble with ``+`` between them.
        start: ``pretrained``, ``from scratch``, ``from`` another model, ``average of`` or
            ``ensemble of`` some, and ``frozen`` where the backbone stays so.
        input_size: Height and width in pixels.
        epochs: Of the recipe; None for an average or an ensemble, which wasn't trained.
        minutes: Of training; None where the model doesn't say. What recipes share (decoded photos,
            the search for copies) is done before the clock starts.
        device: What it was trained on: ``cpu``, ``cuda``…; None where the model doesn't say.
        parameters: How many numbers the network has learnt or been given.
        megabytes: Size of the network and its weights.
        photos_per_second: From the bytes of a photo to its tags, on this machine's CPU.
        scores: By attribute, in the model's own vocabulary: ``photos``, ``values``, ``accuracy``
            and ``macro_f1``; None where a score is not defined.
    """

    name: str
    backbone: str
    start: str
    input_size: tuple[int, int]
    epochs: int | None
    minutes: float | None
    device: str | None
    parameters: int
    megabytes: float
    photos_per_second: float
    scores: dict[str, dict[str, float | None]]


@dataclass(frozen=True)
class Comparison:
    """The rows, and what all of the models were asked alike; see `hangtag.common_ground`."""

    catalogue: str
    split: str
    photos: int
    rows: list[Row]
    common: list[CommonTask]

    @property
    def attributes(self) -> list[str]:
        """All attributes that any of the models tags."""
        return list(dict.fromkeys(name for row in self.rows for name in row.scores))


def compare_recipes(
    catalogue: "Catalogue | str | Path",
    recipes: Sequence[str | Path],
    *,
    models: Sequence[str | Path] = (),
    folder: str | Path = "compared",
    split: Kind = "random",
    weights: Mapping[str, str | Path] | None = None,
    from_scratch: bool = False,
    progress: Progress | None = None,
) -> Comparison:
    """Compare recipes and models on the test products of a catalogue.

    A recipe is trained into ``folder``, unless its model is there already; a run that was stopped
    goes on.

    Args:
        catalogue: As for `hangtag.train`.
        recipes: Names of recipes that ship, or files.
        models: Names or folders of further models, trained on the same split.
        folder: Where the recipes' models are kept, each by its recipe's name.
        split: How to split the catalogue.
        weights: Local files of backbone weights, by the recipe's name.
        from_scratch: Start all of them from random weights.
        progress: Told about reading, training's preparations and tagging.

    Raises:
        HangtagError: Fewer than two to compare, two recipes of one name, weights for none of them,
            a folder that holds a model of another recipe, a model that was trained on another
            split, and all that training and judging raise.
    """
    read = [read_recipe(one) for one in recipes]
    _check(read, models, weights or {})
    for one in models:
        require_split(read_model(one), split)
    products = read_catalogue(catalogue) if isinstance(catalogue, str | Path) else catalogue
    names: list[tuple[str, str | Path]] = []
    for recipe in read:
        place = Path(folder) / recipe.name
        if not (place / INFO).is_file():
            begun = any((place / CHECKPOINTS).glob("step-*.ckpt"))
            if not begun:
                # Stopped before there was anything to go on from.
                shutil.rmtree(place / CHECKPOINTS, ignore_errors=True)
            # Else the first recipe of a size would pay for the photos of all.
            prepare(products, recipe, split=split, progress=progress)
            train(
                products,
                recipe,
                place,
                split=split,
                weights=(weights or {}).get(recipe.name),
                from_scratch=from_scratch,
                resume=begun,
                name=recipe.name,
                progress=progress,
            )
        _require_recipe(read_model(place), recipe)
        require_split(read_model(place), split)
        names.append((recipe.name, place))
    names += [(read_model(one).info.name, one) for one in models]
    judged = [evaluate(place, products, kind=split, progress=progress) for _, place in names]
    speeds = measure_speeds([place for _, place in names], _sample(judged[0]))
    return Comparison(
        catalogue=products.source.name,
        split=split,
        photos=len(judged[0].rows),
        rows=[
            _row(name, one, speed)
            for (name, _), one, speed in zip(names, judged, speeds, strict=True)
        ],
        common=common_tasks(judged),
    )


def _check(
    recipes: Sequence[Recipe], models: Sequence[str | Path], weights: Mapping[str, str | Path]
) -> None:
    names = [recipe.name for recipe in recipes]
    if len(names) + len(models) < 2:
        raise HangtagError("a comparison needs two recipes or models; give --recipe once more")
    for name in names:
        if names.count(name) > 1:
            raise HangtagError(f"{name}: two recipes have this name; change it in one of the files")
    for name in weights:
        if name not in names:
            raise HangtagError(
                f"--weights {name}: no recipe of this name is compared; "
                f"there are: {', '.join(names)}"
            )


def _require_recipe(model: Model, recipe: Recipe) -> None:
    # Keys that recipes didn't have when the model was trained are as their defaults say.
    if not model.info.recipe or Recipe.model_validate(model.info.recipe) != recipe:
        raise HangtagError(
            f"{model.folder}: holds a model of another version of the recipe {recipe.name!r}; "
            "move it away, or take another folder with --models"
        )


def _row(name: str, evaluated: "Evaluation", speed: float) -> Row:
    model = evaluated.tagger.model
    recipe = Recipe.model_validate(model.info.recipe)
    facts: dict[str, Any] = model.info.training
    scratch = facts.get("from_scratch", not recipe.network.pretrained)
    start = "from scratch" if scratch else "pretrained"
    if "start" in facts:
        start = f"from {facts['start']}"
    combined = [way for way in ("average of", "ensemble of") if way in facts]
    for way in combined:
        start = f"{way} {', '.join(facts[way])}"
    if recipe.network.frozen:
        start += ", frozen"
    summary = evaluated.summary()
    return Row(
        name=name,
        backbone=" + ".join(model.info.backbones),
        start=start,
        input_size=model.info.input_size,
        epochs=None if combined else recipe.schedule.epochs,
        minutes=facts.get("minutes"),
        device=facts.get("device"),
        parameters=count_parameters(model),
        megabytes=sum((model.folder / file).stat().st_size for file in model.info.files) / 1e6,
        photos_per_second=speed,
        scores={
            attribute: {
                "photos": float(judged.known.sum()),
                "values": float(len(judged.attribute.values) - len(judged.unknown)),
                **{metric: summary[attribute][metric] for metric in SCORES},
            }
            for attribute, judged in evaluated.judged.items()
        },
    )


def count_parameters(model: Model) -> int:
    """Count a model's weights; statistics of batch norm aren't any."""
    from safetensors import safe_open

    with safe_open(model.weights_path, "numpy") as file:
        return sum(
            int(np.prod(file.get_slice(name).get_shape()))
            for name in file.keys()  # noqa: SIM118
            if not name.endswith((*_STATISTICS, SCALE))
        )


def measure_speeds(models: Sequence[str | Path], photos: Sequence[bytes]) -> list[float]:
    """Tag photos on the CPU with each model several times; the best round's photos per second.

    The models take turns, so that a change of the machine's pace meets all of them.
    """
    taggers = [_CpuTagger(model) for model in models]
    best = [float("inf")] * len(taggers)
    for tagger in taggers:
        tagger.tag(list(photos[:1]))
    for _ in range(_ROUNDS):
        for number, tagger in enumerate(taggers):
            started = time.perf_counter()
            tagger.tag(list(photos))
            best[number] = min(best[number], time.perf_counter() - started)
    return [len(photos) / seconds for seconds in best]


class _CpuTagger(Tagger):
    """Tags on the CPU where there is a GPU, too."""

    def __init__(self, model: str | Path) -> None:
        super().__init__(model)
        self._session.set_providers(["CPUExecutionProvider"])


def _sample(evaluated: "Evaluation") -> list[bytes]:
    reader = PhotoReader(evaluated.catalogue)
    return [reader.read(row) for row in evaluated.rows[:_TIMED_PHOTOS].tolist()]
