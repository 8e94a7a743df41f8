"""What averages and ensembles have in common: several trained models become one model folder."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from hangtag.attributes import Attribute
from hangtag.ensemble import AnyNetwork
from hangtag.errors import HangtagError
from hangtag.finishing import finish
from hangtag.model import Model
from hangtag.progress import Progress
from hangtag.recipe import Recipe
from hangtag.split import Kind
from hangtag.training_data import prepare, read_catalogues, require_photos

if TYPE_CHECKING:
    from hangtag.catalogue import Catalogue

MakeNetwork = Callable[[Recipe, Sequence[Attribute]], AnyNetwork]


@dataclass(frozen=True)
class Sources:
    """What models were trained on; see `hangtag.train`."""

    catalogue: "Catalogue | str | Path"
    alternate: str | Path | None = None
    extra: Sequence[str | Path] = ()
    details: str | Path | Sequence[str | Path] | None = None


def require_new(folder: Path) -> None:
    """Refuse a folder that exists.

    Raises:
        HangtagError: It does.
    """
    if folder.exists():
        raise HangtagError(f"{folder}: exists already; choose another folder or remove it")


def require_likeness(model: Model, first: Model, verb: str) -> None:
    """Refuse an ensemble, and a model that tags something else or has seen other products than
    the first one.

    Args:
        model: To compare.
        first: To compare it to.
        verb: What models of one kind could have been done to: "average".

    Raises:
        HangtagError: It's an ensemble, or they differ in split, attributes or values.
    """
    if "ensemble of" in model.info.training:
        raise HangtagError(
            f"{model.folder}: is an ensemble; {verb} the models that it was made of: "
            f"{', '.join(model.info.training['ensemble of'])}"
        )
    if model.info.split != first.info.split:
        raise HangtagError(
            f"{model.folder}: was trained on the {model.info.split} split, {first.folder} on the "
            f"{first.info.split} one; {verb} models of one split"
        )
    mine, theirs = (
        {one.name: set(one.values) for one in each.info.attributes} for each in (model, first)
    )
    for name in [*theirs, *mine]:
        if mine.get(name) != theirs.get(name):
            raise HangtagError(other_values(model.folder, name, verb))


def other_values(model: str | Path, attribute: str, verb: str) -> str:
    """What is said of a model whose attribute has other values than the first one's."""
    return (
        f"{model}: has other values of {attribute!r} than the first model; "
        f"{verb} models of one catalogue's vocabularies"
    )


def write_combined(
    first: Model,
    make: MakeNetwork,
    sources: Sources,
    folder: Path,
    facts: dict[str, Any],
    *,
    command: str | None,
    progress: Progress | None,
) -> Path:
    """Make a network of several models, calibrate and judge it, and write the model folder.

    Args:
        first: The model whose recipe, vocabularies and split count.
        make: Given them, makes the network.
        sources: What the models were trained on; its validation products calibrate.
        folder: To write.
        facts: About the models, for the card; "name" may be None.
        command: What was typed, for the card.
        progress: Told about reading and judging.

    Returns:
        The folder.

    Raises:
        HangtagError: A first model without a recipe, details that the catalogue lacks.
    """
    if not first.info.recipe:
        raise HangtagError(f"{first.folder}: says nothing of its recipe; put another model first")
    recipe = Recipe.model_validate(first.info.recipe)
    heads = first.info.vocabularies()
    catalogue, *extras = read_catalogues(sources.catalogue, sources.extra, sources.details)
    data = prepare(
        catalogue,
        # What only teaches the backbone isn't needed any more, nor what the models didn't learn.
        recipe.model_copy(update={"auxiliary": [], "details": list(first.info.details)}),
        alternate=Path(sources.alternate) if sources.alternate else None,
        extra=extras,
        split=cast(Kind, first.info.split),
        vocabularies=heads,
        progress=progress,
    )
    require_photos(data, catalogue, sources.alternate)
    if lacking := [name for name in first.info.details if name not in data.details]:
        raise HangtagError(
            f"{catalogue.source}: lacks {', '.join(lacking)}, which the models tag; name the table "
            "that has them with --details"
        )
    finish(
        make(recipe, heads),
        recipe,
        data,
        catalogue=catalogue,
        alternate=sources.alternate,
        extra=sources.extra,
        folder=folder,
        facts={**facts, "name": facts["name"] or folder.name, "from_scratch": False},
        command=command,
        progress=progress,
    )
    return folder
