"""Several trained models of one kind become one that is as fast as each and a little better.

The weights of networks that were fine-tuned from the same start are averaged, and the mean is
calibrated anew (Wortsman et al., "Model soups", 2022).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from hangtag.attributes import Attribute
from hangtag.errors import HangtagError
from hangtag.finishing import finish
from hangtag.model import Model, read_model
from hangtag.network import HangtagNetwork
from hangtag.progress import Progress
from hangtag.recipe import Recipe
from hangtag.resuming import NETWORK, RUN, read_checkpoint
from hangtag.split import Kind
from hangtag.training_data import prepare, read_catalogues, require_photos
from hangtag.warm_start import take_head
from hangtag.weights import WeightsError, read_state

if TYPE_CHECKING:
    from hangtag.catalogue import Catalogue


def average(
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
    """Average the weights of models, calibrate the result and write it as a model folder.

    Args:
        models: At least two names or folders of models, or checkpoints of unfinished runs
            (``.ckpt``); the first must be a model. One named twice counts twice. All of one
            recipe's network and one catalogue's vocabularies.
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
        HangtagError: Fewer than two models, a first one without a recipe, models of other values or
            another split than the first, details that the catalogue lacks, a folder that holds a
            model already.
        WeightsError: Models of different networks.
    """
    folder = Path(output)
    if len(models) < 2:
        raise HangtagError("an average needs two models or checkpoints of one network")
    if folder.exists():
        raise HangtagError(f"{folder}: exists already; choose another folder or remove it")
    first = read_model(models[0])
    if not first.info.recipe:
        raise HangtagError(f"{models[0]}: says nothing of its recipe; put another model first")
    recipe = Recipe.model_validate(first.info.recipe)
    opened = [read_model(one) for one in models if not _is_checkpoint(one)]
    for model in opened:
        _require_likeness(model, first)
    heads = first.info.vocabularies()
    states = [(str(one), _read(one, heads)) for one in models]
    catalogue, *extras = read_catalogues(catalogue, extra, details)
    data = prepare(
        catalogue,
        # What only teaches the backbone isn't needed any more, nor what the models didn't learn.
        recipe.model_copy(update={"auxiliary": [], "details": list(first.info.details)}),
        alternate=Path(alternate) if alternate else None,
        extra=extras,
        split=cast(Kind, first.info.split),
        vocabularies=heads,
        progress=progress,
    )
    require_photos(data, catalogue, alternate)
    if lacking := [name for name in first.info.details if name not in data.details]:
        raise HangtagError(
            f"{catalogue.source}: lacks {', '.join(lacking)}, which the models tag; name the table "
            "that has them with --details"
        )
    network = HangtagNetwork(recipe.network, heads, recipe.input_size, from_scratch=True)
    network.load_state_dict(_mean(states, network.state_dict()))
    commands = [typed for model in opened for typed in model.info.commands]
    facts = {
        "name": name or folder.name,
        "from_scratch": False,
        "average of": [Path(one).name for one in models],
        "earlier commands": list(dict.fromkeys(commands)),
    }
    finish(
        network,
        recipe,
        data,
        catalogue=catalogue,
        alternate=alternate,
        extra=extra,
        folder=folder,
        facts=facts,
        command=command,
        progress=progress,
    )
    return folder


def _is_checkpoint(model: str | Path) -> bool:
    return Path(model).suffix == ".ckpt"


def _require_likeness(model: Model, first: Model) -> None:
    """Refuse a model that tags something else or has seen other products than the first one."""
    if model.info.split != first.info.split:
        raise HangtagError(
            f"{model.folder}: was trained on the {model.info.split} split, {first.folder} on the "
            f"{first.info.split} one; average models of one split"
        )
    mine, theirs = (
        {one.name: set(one.values) for one in each.info.attributes} for each in (model, first)
    )
    for name in [*theirs, *mine]:
        if mine.get(name) != theirs.get(name):
            raise HangtagError(_other_values(model.folder, name))


def _read(model: str | Path, heads: Sequence[Attribute]) -> dict[str, Tensor]:
    """A model's weights, the values of its heads in the order of these heads'."""
    if _is_checkpoint(model):
        checkpoint = read_checkpoint(Path(model))
        tensors = checkpoint["state_dict"]
        state = {key.removeprefix(NETWORK): tensor for key, tensor in tensors.items()}
        # An older one doesn't say what its values are; they must be those of the first model.
        values = checkpoint[RUN]["vocabularies"] if RUN in checkpoint else {}
        known = {name: Attribute(name, tuple(own)) for name, own in values.items()}
    else:
        opened = read_model(model)
        state = read_state(opened.weights_path)
        known = {one.name: one for one in opened.info.vocabularies()}
    ordered = {key: tensor.clone() for key, tensor in state.items()}
    for head in heads:
        theirs = known.get(head.name, head)
        if set(theirs.values) != set(head.values):
            raise HangtagError(_other_values(model, head.name))
        if theirs != head:
            take_head(head, theirs, ordered, state)
    return ordered


def _other_values(model: str | Path, attribute: str) -> str:
    return (
        f"{model}: has other values of {attribute!r} than the first model; "
        "average models of one catalogue's vocabularies"
    )


def _mean(
    states: Sequence[tuple[str, dict[str, Tensor]]], own: dict[str, Tensor]
) -> dict[str, Tensor]:
    """The mean of each of a network's tensors; counters are taken from the first state."""
    for model, state in states:
        for key, tensor in own.items():
            if key not in state or state[key].numel() != tensor.numel():
                raise WeightsError(
                    f"{model}: is another network than the first (first difference: {key}); "
                    "average models of one recipe and one catalogue"
                )
    mean = {}
    for key, tensor in own.items():
        values = [state[key].reshape(tensor.shape) for _, state in states]
        floats = tensor.is_floating_point()
        mean[key] = torch.stack([one.float() for one in values]).mean(0) if floats else values[0]
    return mean
