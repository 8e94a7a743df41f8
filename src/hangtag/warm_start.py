"""Going on from a trained model: its weights become the start of another training."""

from collections.abc import Sequence

import torch
from torch import Tensor

from hangtag.attributes import Attribute
from hangtag.model import Model
from hangtag.network import HangtagNetwork
from hangtag.weights import WeightsError, read_state


def start_from(start: Model, network: HangtagNetwork, attributes: Sequence[Attribute]) -> list[str]:
    """Copy a model's weights into a network, value by value where vocabularies differ.

    The last layer of a head keeps what the model knows of each value that both vocabularies
    have; other values, and attributes that the model doesn't tag, start as they are.

    Args:
        start: A trained model.
        network: To change. Its backbone, colour branch and neck must be shaped like the model's.
        attributes: The network's own.

    Returns:
        The attributes whose heads were taken over, in part or in whole.

    Raises:
        WeightsError: The model is another network.
    """
    known = {attribute.name: attribute for attribute in start.info.vocabularies()}
    state = read_state(start.weights_path)
    own = network.state_dict()
    for key in own:
        if not key.startswith("heads.") and (
            # Counters of batch norm may be arrays of one value instead of scalars.
            key not in state or state[key].squeeze().shape != own[key].squeeze().shape
        ):
            raise WeightsError(
                f"{start.info.name}: is another network than the recipe's (first difference: "
                f"{key}); start from a model of the same backbone, colour branch and neck"
            )
    taken = []
    for key, tensor in own.items():
        if not key.startswith("heads."):
            tensor.copy_(state[key].reshape(tensor.shape))
    for attribute in attributes:
        if attribute.name in known and _take_head(attribute, known[attribute.name], own, state):
            taken.append(attribute.name)
    return taken


def _take_head(
    attribute: Attribute, known: Attribute, own: dict[str, Tensor], state: dict[str, Tensor]
) -> bool:
    prefix = f"heads.{attribute.name}."
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
