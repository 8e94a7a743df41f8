"""Several trained models of one kind become one that is as fast as each and a little better.

The weights of networks that were fine-tuned from the same start are averaged, and the mean is
calibrated anew (Wortsman et al., "Model soups", 2022).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from hangtag.attributes import Attribute
from hangtag.combining import (
    Sources,
    other_values,
    require_likeness,
    require_new,
    write_combined,
)
from hangtag.errors import HangtagError
from hangtag.model import earlier_commands, read_model
from hangtag.network import HangtagNetwork
from hangtag.progress import Progress
from hangtag.recipe import Recipe
from hangtag.resuming import NETWORK, RUN, read_checkpoint
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
    require_new(folder)
    first = read_model(models[0])
    opened = [read_model(one) for one in models if not _is_checkpoint(one)]
    for model in opened:
        require_likeness(model, first, "average")
    heads = first.info.vocabularies()
    states = [(str(one), _read(one, heads)) for one in models]

    def mean(recipe: Recipe, heads: Sequence[Attribute]) -> HangtagNetwork:
        network = HangtagNetwork(recipe.network, heads, recipe.input_size, from_scratch=True)
        network.load_state_dict(_mean(states, network.state_dict()))
        return network

    return write_combined(
        first,
        mean,
        Sources(catalogue, alternate, extra, details),
        folder,
        {
            "name": name,
            "average of": [Path(one).name for one in models],
            "earlier commands": earlier_commands([model.info for model in opened]),
        },
        command=command,
        progress=progress,
    )


def _is_checkpoint(model: str | Path) -> bool:
    return Path(model).suffix == ".ckpt"


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
            raise HangtagError(other_values(model, head.name, "average"))
        if theirs != head:
            take_head(head, theirs, ordered, state)
    return ordered


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
