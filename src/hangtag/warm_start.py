"""Going on from a trained model: its weights become the start of another training."""

import re
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from hangtag.attributes import Attribute
from hangtag.eight_bits import restored
from hangtag.errors import HangtagError
from hangtag.head_names import COLOUR_BRANCH, HEADS, head_name
from hangtag.members import members
from hangtag.model import Model
from hangtag.network import HangtagNetwork
from hangtag.recipe import Network, Recipe
from hangtag.weights import WeightsError, read_state

_NECK = "neck.0.weight"
_FIRST_OF_A_HEAD = re.compile(r"heads\.[^.]+(\.0)?\.weight")


def adopt_network(recipe: Recipe, start: Model) -> Recipe:
    """A recipe with the network and the input size of the model that it goes on from.

    Its stages' sizes become as much larger or smaller as the input does.

    Args:
        recipe: Returned as it is unless its network is to be ``adopted``.
        start: A trained model.

    Raises:
        HangtagError: The model doesn't say what its network is.
    """
    own = recipe.network
    if not own.adopted:
        return recipe
    if "network" not in start.info.recipe:
        raise HangtagError(
            f"{start.info.name}: says nothing of its recipe, whose network {recipe.name!r} takes "
            "over; start from a model that hangtag train has written"
        )
    theirs = Network.model_validate(start.info.recipe["network"])
    network = theirs.model_copy(
        update={
            "frozen": own.frozen,
            "frozen_stages": own.frozen_stages,
            "dropout": own.dropout,
            "head_hidden": own.head_hidden or theirs.head_hidden,
        }
    )
    before, after = recipe.input_size, start.info.input_size

    def scaled(size: tuple[int, int] | None) -> tuple[int, int] | None:
        # Flattened features have a weight for each place, so they keep one size.
        if size is None or theirs.pooling == "flatten":
            return None
        return round(size[0] * after[0] / before[0]), round(size[1] * after[1] / before[1])

    schedule = recipe.schedule
    stages = [one.model_copy(update={"size": scaled(one.size)}) for one in schedule.stages]
    return recipe.model_copy(
        update={
            "network": network,
            "input_size": after,
            "schedule": schedule.model_copy(update={"stages": stages}),
        }
    )


def start_from(start: Model, network: HangtagNetwork, attributes: Sequence[Attribute]) -> list[str]:
    """Copy a model's weights into a network, value by value where vocabularies differ.

    The last layer of a head keeps what the model knows of each value that both vocabularies
    have; other values, and attributes that the model doesn't tag, start as they are. So does a
    colour branch that the model lacks; what it sees counts for nothing at first.

    Args:
        start: A trained model; of an ensemble the first network.
        network: To change. Its backbone and neck must be shaped like the model's, and so must its
            colour branch if the model has one.
        attributes: The network's own.

    Returns:
        The attributes whose heads were taken over, in part or in whole.

    Raises:
        WeightsError: The model is another network.
    """
    known = {attribute.name: attribute for attribute in start.info.vocabularies()}
    state = members(restored(read_state(start.weights_path)))[0]
    own = network.state_dict()
    if not any(map(_of_branch, state)):
        state = _with_colour_branch(state, network)
    for key in {**own, **state}:
        if not key.startswith(HEADS) and (
            # Counters of batch norm may be arrays of one value instead of scalars.
            key not in state
            or key not in own
            or state[key].squeeze().shape != own[key].squeeze().shape
        ):
            raise WeightsError(
                f"{start.info.name}: is another network than the recipe's (first difference: "
                f"{key}); start from a model of the same backbone, colour branch and neck, or let "
                "the recipe's [network] say adopted = true"
            )
    taken = []
    for key, tensor in own.items():
        if not key.startswith(HEADS):
            tensor.copy_(state[key].reshape(tensor.shape))
    for attribute in attributes:
        if attribute.name in known and take_head(attribute, known[attribute.name], own, state):
            taken.append(attribute.name)
    return taken


def _with_colour_branch(state: dict[str, Tensor], network: HangtagNetwork) -> dict[str, Tensor]:
    """A model's weights with those of the network's colour branch, if it has one, added.

    What it sees comes behind the features that neck or heads read; their weights for it are zero.
    """
    if network.palette is None:
        return state
    added = {key: tensor for key, tensor in network.state_dict().items() if _of_branch(key)}
    seen = 2 * network.palette.detail.in_channels
    first = {_NECK} if _NECK in state else set(filter(_FIRST_OF_A_HEAD.fullmatch, state))
    widened = {key: functional.pad(state[key], (0, seen)) for key in first}
    return {**state, **added, **widened}


def _of_branch(key: str) -> bool:
    return key.startswith(COLOUR_BRANCH)


def take_head(
    attribute: Attribute, known: Attribute, own: dict[str, Tensor], state: dict[str, Tensor]
) -> bool:
    """Copy a head's weights by the names of its values.

    Args:
        attribute: The head that takes, with its vocabulary.
        known: The same attribute, with the vocabulary of the head that gives.
        own: Tensors by their name in a network, changed in place.
        state: Those to copy from.

    Returns:
        Whether the two heads are shaped alike but for their values; else nothing is copied.
    """
    prefix = f"{HEADS}{head_name(attribute.name)}."
    mine = {key: tensor for key, tensor in own.items() if key.startswith(prefix)}
    theirs = {key: tensor for key, tensor in state.items() if key.startswith(prefix)}
    if mine.keys() != theirs.keys():
        return False
    both = [value for value in attribute.values if value in known.index]
    here = torch.tensor([attribute.index[value] for value in both], dtype=torch.long)
    there = torch.tensor([known.index[value] for value in both], dtype=torch.long)
    last = max(mine)[: max(mine).rindex(".")]

    def fits(key: str) -> bool:
        # Of the last layer only the values are another number.
        first = 1 if key.startswith(last) else 0
        return mine[key].shape[first:] == theirs[key].shape[first:]

    if not all(map(fits, mine)):
        return False
    for key, tensor in mine.items():
        if key.startswith(last):
            tensor[here] = theirs[key][there].to(tensor.dtype)
        else:
            tensor.copy_(theirs[key])
    return True
