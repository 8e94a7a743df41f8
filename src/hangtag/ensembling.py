"""Several trained models become one that says the mean of what they say: a `hangtag.ensemble`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hangtag.attributes import Attribute
from hangtag.combining import (
    Sources,
    require_likeness,
    require_new,
    write_combined,
)
from hangtag.ensemble import Ensemble
from hangtag.errors import HangtagError
from hangtag.model import Model, earlier_commands, read_model
from hangtag.network import HangtagNetwork
from hangtag.progress import Progress
from hangtag.recipe import Recipe
from hangtag.warm_start import start_from

if TYPE_CHECKING:
    from hangtag.catalogue import Catalogue


def ensemble(
    models: Sequence[str | Path],
    catalogue: "Catalogue | str | Path",
    output: str | Path,
    *,
    alternate: str | Path | None = None,
    extra: Sequence[str | Path] = (),
    details: str | Path | Sequence[str | Path] | None = None,
    name: str | None = None,
    command: str | None = None,
    progress: Progress | None = None,
) -> Path:
    """Put models into one model folder that says the mean of what they say, calibrated anew.

    Their networks may differ. The result takes the time of all of them; most of its weights are
    stored in eight bits. Who goes on training from it goes on from the first.

    Args:
        models: At least two names or folders of models, of one input size and one catalogue's
            vocabularies.
        catalogue: The one they were trained on; its validation products calibrate.
        output: Folder to write.
        alternate: As for `hangtag.train`.
        extra: As for `hangtag.train`.
        details: As for `hangtag.train`; needed where the models tag details.
        name: The model's name; by default that of the output folder.
        command: What was typed, for the model card.
        progress: Told about reading and judging.

    Returns:
        The model folder.

    Raises:
        HangtagError: Fewer than two models, one that is an ensemble or says nothing of its recipe,
            models of other values, another split or input size than the first, details that the
            catalogue lacks, a folder that exists.
    """
    folder = Path(output)
    if len(models) < 2:
        raise HangtagError("an ensemble needs two models")
    require_new(folder)
    opened = [read_model(one) for one in models]
    first = opened[0]
    for model in opened:
        require_likeness(model, first, "put together")
        if model.info.input_size != first.info.input_size:
            sizes = ["×".join(map(str, one.info.input_size)) for one in (model, first)]
            raise HangtagError(
                f"{model.folder}: its input is {sizes[0]}, that of {first.folder} {sizes[1]}; "
                "put together models of one input size"
            )
        if not model.info.recipe:
            raise HangtagError(f"{model.folder}: says nothing of its recipe; leave it out")
    return write_combined(
        first,
        lambda _, heads: Ensemble([_network(model, heads) for model in opened]),
        Sources(catalogue, alternate, extra, details),
        folder,
        {
            "name": name,
            "ensemble of": [model.info.name for model in opened],
            "backbones": [_recipe(model).network.backbone for model in opened],
            "earlier commands": earlier_commands([model.info for model in opened]),
        },
        command=command,
        progress=progress,
    )


def _recipe(model: Model) -> Recipe:
    return Recipe.model_validate(model.info.recipe)


def _network(model: Model, heads: Sequence[Attribute]) -> HangtagNetwork:
    """A model's network, with values in the order of these heads'."""
    recipe = _recipe(model)
    network = HangtagNetwork(recipe.network, heads, recipe.input_size, from_scratch=True)
    start_from(model, network, heads)
    return network
