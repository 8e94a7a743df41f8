"""The names of heads among a network's weights: the attributes', escaped where PyTorch needs it.

Nearly every attribute keeps its name. ``type`` and ``half`` are names of PyTorch's own, and a dot
ends a name; such attributes become ``=type`` and ``=Price%2ERange``.
"""

from urllib.parse import unquote

HEADS = "heads."
"""Before the name of each head's weights."""

COLOUR_BRANCH = "palette."
"""Before the name of each of the colour branch's weights."""

COLOUR_BRANCH_WIDTH = f"{COLOUR_BRANCH}pixels.0.weight"
"""Those that have as many rows as the branch has channels."""

_ESCAPED = "="


def head_name(attribute: str) -> str:
    """What an attribute's head is called; needs PyTorch."""
    from torch import nn

    ordinary = attribute and "." not in attribute and not attribute.startswith(_ESCAPED)
    if ordinary and not hasattr(nn.ModuleDict(), attribute):
        return attribute
    return _ESCAPED + attribute.replace("%", "%25").replace(".", "%2E")


def attribute_of(head: str) -> str:
    """The attribute whose head has this name."""
    return unquote(head.removeprefix(_ESCAPED)) if head.startswith(_ESCAPED) else head
