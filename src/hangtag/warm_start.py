"""Going on from a trained model: its weights become the start of another training."""

from collections.abc import Sequence

import torch
from torch import Tensor

from hangtag.attributes import Attribute
from hangtag.errors import HangtagError
from hangtag.model import Model
from hangtag.network import HangtagNetwork
from hangtag.recipe import Network, Recipe
from hangtag.weights import WeightsError, read_state

_COLOUR_BRANCH = "palette."


def adopt_network(recipe: Recipe, start: Model) -> Recipe:
    """A recipe with the network and the input size of the model that it goes on from.

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
    changes = {"frozen": own.frozen, "head_hidden": own.head_hidden or theirs.head_hidden}
    return recipe.model_copy(
        update={
            "network": theirs.model_copy(update=changes),
            "input_size": start.info.input_size,
        }
    )


def start_from(start: Model, network: HangtagNetwork, attributes: Sequence[Attribute]) -> list[str]:
    """Copy a model's weights into a network, value by value where vocabularies differ.

    The last layer of a head keeps what the model knows of each value that both vocabularies
    have; other values, attributes that the model doesn't tag, and a colour branch that it lacks
    start as they are.

    Args:
        start: A trained model.
        network: To change. Its backbone and neck must be shaped like the model's, and so must its
            colour branch if the model has one.
        attributes: The network's own.

    Returns:
        The attributes whose heads were taken over, in part or in whole.

    Raises:
        WeightsError: The model is another network.
    """
    known = {attribute.name: attribute for attribute in start.info.vocabularies()}
    state = read_state(start.weights_path)
    own = network.state_dict()
    wider = not any(key.startswith(_COLOUR_BRANCH) for key in state)
    new = ("heads.", _COLOUR_BRANCH) if wider else ("heads.",)
    shared = [key for key in own if not key.startswith(new)]
    for key in shared:
        if (
            # Counters of batch norm may be arrays of one value instead of scalars.
            key not in state or state[key].squeeze().shape != own[key].squeeze().shape
        ):
            raise WeightsError(
                f"{start.info.name}: is another network than the recipe's (first difference: "
                f"{key}); start from a model of the same backbone, colour branch and neck"
            )
    taken = []
    for key in shared:
        own[key].copy_(state[key].reshape(own[key].shape))
    for attribute in attributes:
        theirs = known.get(attribute.name)
        if theirs and _take_head(attribute, theirs, own, state, wider=wider):
            taken.append(attribute.name)
    return taken


def _take_head(
    attribute: Attribute,
    known: Attribute,
    own: dict[str, Tensor],
    state: dict[str, Tensor],
    *,
    wider: bool,
) -> bool:
    prefix = f"heads.{attribute.name}."
    mine = {key: tensor for key, tensor in own.items() if key.startswith(prefix)}
    theirs = {key: tensor for key, tensor in state.items() if key.startswith(prefix)}
    if mine.keys() != theirs.keys():
        return False
    both = [value for value in attribute.values if value in known.index]
    here = torch.tensor([attribute.index[value] for value in both], dtype=torch.long)
    there = torch.tensor([known.index[value] for value in both], dtype=torch.long)
    layers = sorted({key[: key.rindex(".")] for key in mine})

    # A new colour branch stands behind the features that the model has, and its columns, too.
    width = theirs[f"{layers[0]}.weight"].shape[1]

    def known_part(key: str) -> Tensor:
        new_branch = wider and key == f"{layers[0]}.weight"
        return mine[key][:, :width] if new_branch else mine[key]

    def fits(key: str) -> bool:
        # Of the last layer only the values are another number.
        first = 1 if key.startswith(layers[-1]) else 0
        return known_part(key).shape[first:] == theirs[key].shape[first:]

    if not all(map(fits, mine)):
        return False
    for key, tensor in theirs.items():
        if key.startswith(layers[-1]):
            known_part(key)[here] = tensor[there].to(mine[key].dtype)
        else:
            known_part(key).copy_(tensor)
    return True
