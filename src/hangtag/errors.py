"""Errors that a user is meant to read: one line that names the file and the cure."""

import importlib
from types import ModuleType


class HangtagError(Exception):
    """An expected failure. Its message is one line that says what is wrong and what to do."""


class MissingExtraError(HangtagError):
    """A part of hangtag was asked for whose optional dependencies are not installed."""


def require(extra: str, module: str) -> ModuleType:
    """Import an optional dependency.

    Args:
        extra: Name of the extra in ``pyproject.toml`` that installs the module, e.g. ``"train"``.
        module: Import name, e.g. ``"torch"``.

    Raises:
        MissingExtraError: The module is not installed; the message holds the command that does it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"{error.name or module} is not installed; this part of hangtag needs it: "
            f"pip install 'hangtag[{extra}]'"
        ) from error
