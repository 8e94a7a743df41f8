"""An ensemble's networks among the weights of a model: ``members.0.``, ``members.1.`` and so on."""

from collections.abc import Mapping
from typing import TypeVar

_T = TypeVar("_T")

MEMBERS = "members."
"""Before the number of each network, a dot and the name of its own weights."""


def members(state: Mapping[str, _T]) -> list[dict[str, _T]]:
    """The weights of an ensemble's networks, in their order; of a model of one network its own."""
    if not any(name.startswith(MEMBERS) for name in state):
        return [dict(state)]
    found: dict[int, dict[str, _T]] = {}
    for name, weights in state.items():
        number, _, own = name.removeprefix(MEMBERS).partition(".")
        found.setdefault(int(number), {})[own] = weights
    return [found[number] for number in sorted(found)]
