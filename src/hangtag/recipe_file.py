"""Reading recipes, which are TOML files.

`hangtag train --recipe NAME|FILE` reads one; those that ship lie in ``recipes/``. One with
``base = "NAME"`` states only what it changes of one that ships, one with ``base = "FILE.toml"`` of
one that lies beside it.
"""

import difflib
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from hangtag.attributes import PRODUCT_ATTRIBUTES
from hangtag.recipe import RECIPE_VERSION, Recipe, RecipeError


def recipe_names() -> list[str]:
    """Names of the recipes that ship."""
    folder = files("hangtag") / "recipes"
    return sorted(entry.name[: -len(".toml")] for entry in folder.iterdir() if entry.name[0] != "_")


def read_recipe(name_or_file: str | Path = "default") -> Recipe:
    """Read a recipe that ships, by name, or any other, by its file.

    Raises:
        RecipeError: No such recipe, not TOML, an unknown key, a wrong type, a newer version, a base
            that is missing or based on itself.
    """
    text = str(name_or_file)
    if text in recipe_names():
        return parse_recipe(_shipped(text), text)
    path = Path(name_or_file)
    if not path.is_file():
        near = difflib.get_close_matches(text, recipe_names(), n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(recipe_names())}"
        raise RecipeError(f"{text}: no such recipe or file; {hint}")
    return _checked(_whole(_text(path), str(path), [path.resolve()]), str(path))


def parse_recipe(text: str, where: str) -> Recipe:
    """Check a recipe's text; ``where`` names it in errors.

    Raises:
        RecipeError: As for `read_recipe`.
    """
    return _checked(_whole(text, where, []), where)


def _checked(data: dict[str, Any], where: str) -> Recipe:
    version = data.get("format_version", RECIPE_VERSION)
    if isinstance(version, int) and version > RECIPE_VERSION:
        raise RecipeError(
            f"{where}: format_version {version} is newer than this hangtag reads "
            f"({RECIPE_VERSION}): pip install -U hangtag"
        )
    try:
        return Recipe.model_validate(data)
    except ValidationError as error:
        raise RecipeError(f"{where}: {_first_problem(error)}") from error


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (UnicodeDecodeError, OSError) as error:
        raise RecipeError(f"{file}: not a text file in UTF-8; save it as one ({error})") from error


def _shipped(name: str) -> str:
    return (files("hangtag") / "recipes" / f"{name}.toml").read_text("utf-8")


def _whole(text: str, where: str, files_read: list[Path]) -> dict[str, Any]:
    """A recipe as data, with what it takes from its base, and that from its own.

    ``files_read`` are the files that led here, the last of them its own; none for one that ships.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{where}: not a TOML file: {error}") from error
    base = data.pop("base", None)
    if base is None:
        return _weighing(data, data, where)
    if base in recipe_names():
        return _weighing(_merged(_whole(_shipped(base), base, []), data), data, where)
    file = files_read[-1].parent / base if files_read and isinstance(base, str) else None
    if file is None or not file.is_file():
        raise RecipeError(
            f"{where}: base: no recipe {base!r} ships or lies beside it; there are: "
            f"{', '.join(recipe_names())}"
        )
    if file.resolve() in files_read:
        raise RecipeError(f"{where}: base: {base} is based on it")
    theirs = _whole(_text(file), str(file), [*files_read, file.resolve()])
    _checked(theirs, str(file))  # so that an error names the file that has it
    return _weighing(_merged(theirs, data), data, where)


def _weighing(whole: dict[str, Any], own: dict[str, Any], where: str) -> dict[str, Any]:
    """A whole recipe, if what its own file weighs is learnt; a base may weigh more than that."""
    lists = [whole.get(key, []) for key in ("details", "auxiliary")]
    lists.append(whole.get("attributes", list(PRODUCT_ATTRIBUTES)))
    loss = own.get("loss")
    weights = loss.get("attribute_weights") if isinstance(loss, dict) else None
    if isinstance(weights, dict) and all(isinstance(one, list) for one in lists):
        learnt = [name for one in lists for name in one if isinstance(name, str)]
        for name in weights:
            if name not in learnt:
                near = difflib.get_close_matches(name, learnt, n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                raise RecipeError(f"{where}: loss.attribute_weights.{name}: isn't learnt{hint}")
    return whole


def _merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Tables are merged; anything else of ``changes`` replaces what the base has."""
    merged = dict(base)
    for key, value in changes.items():
        old = base.get(key)
        both = isinstance(value, dict) and isinstance(old, dict)
        merged[key] = _merged(old, value) if both else value  # type: ignore[arg-type]
    return merged


def _first_problem(error: ValidationError) -> str:
    problem = error.errors()[0]
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] != "extra_forbidden":
        return f"{key}: {problem['msg']}" if key else problem["msg"]
    near = difflib.get_close_matches(str(problem["loc"][-1]), _known_keys(problem["loc"]), n=1)
    return f"{key}: unknown key" + (f"; did you mean {near[0]}?" if near else "")


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    section: type[BaseModel] = Recipe
    for part in location[:-1]:
        if isinstance(part, int):
            continue
        annotation = section.model_fields[part].annotation
        inner = getattr(annotation, "__args__", (annotation,))[0]
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return []
        section = inner
    return list(section.model_fields)
