"""The model folder: ``model.onnx``, ``weights.safetensors``, ``model.json`` and ``README.md``.

Anyone can read it, nothing in it is a pickle, and its files are verified when it's opened.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from hangtag.attributes import TYPE, Attribute, Taxonomy
from hangtag.calibration import Calibration
from hangtag.errors import HangtagError
from hangtag.recipe import Translation

MODEL_VERSION = 1
ONNX = "model.onnx"
INFO = "model.json"
WEIGHTS = "weights.safetensors"
CARD = "README.md"

INPUT = "photos"
LOGITS = "logits/"
EMBEDDING = "embedding"
FEATURES = "features"
IN_DOMAIN = "in_domain"
ORIENTATION = "orientation"
EDGES = "edges"
MIDWAY = "midway"
HISTOGRAM = "histogram"
LOOK = "look"
VOTES = "votes/"
NEARNESS = "nearness"
"""Names of the graph's input and outputs; an attribute's logits are ``logits/`` and its name, and
likewise its neighbours' votes."""


class ModelError(HangtagError):
    """A model folder that is missing, damaged, or newer than this hangtag."""


class Vocabulary(BaseModel):
    """An attribute and its values, in the order of the head's outputs."""

    name: str
    values: Annotated[list[str], Field(min_length=1)]


class Domain(BaseModel):
    """When a photo counts as showing a product of a kind that the model knows.

    The score is the graph's output ``in_domain``, described at `hangtag.domain`; photos that score
    below ``threshold`` don't count.
    """

    model_config = ConfigDict(allow_inf_nan=False)

    threshold: float


class Orientation(BaseModel):
    """When a photo is turned upright before it's tagged: see `hangtag.turning`.

    Both are of the graph's output ``orientation``. A photo is looked at from all sides where the
    log of the probability that it's upright lies below ``doubted``, and turned where the log-odds
    of all that is seen then lie above ``threshold``, in nats.
    """

    model_config = ConfigDict(allow_inf_nan=False)

    doubted: float
    threshold: float


class Neighbours(BaseModel):
    """How much the nearest training products' votes count: see `hangtag.voting`.

    ``log_odds`` hold, by attribute, the log-odds of the votes' share: a start, and the slope of
    each kind of `hangtag.voting.evidence`, in its order; an older hangtag's, of the first alone.
    Attributes that aren't there have no votes. ``products`` is how many training products there
    are to be near to.
    """

    model_config = ConfigDict(allow_inf_nan=False)

    products: int
    log_odds: dict[str, Annotated[tuple[float, ...], Field(min_length=2, max_length=5)]]


Side = Annotated[int, Field(ge=1, le=1024)]
"""Pixels of a side of a network's input."""


class ModelInfo(BaseModel):
    """What ``model.json`` holds.

    Attributes:
        format_version: Of this file.
        name: Of the model.
        attributes: What it tags.
        details: Those of them that only some article types have, and these types. They are tagged
            only when they are asked for.
        input_size: Height and width of its input in pixels, 1 to 1024.
        taxonomy: See `hangtag.attributes.Taxonomy`.
        calibration: See `hangtag.calibration.Calibration`.
        domain: How out-of-domain photos are told; None if they aren't.
        orientation: When photos are turned upright; None if they aren't.
        neighbours: How much like training products count; None if they have no vote.
        translations: What the words of other catalogues mean; for judging on them.
        split: How training, validation and test products were told apart.
        recipe: The recipe it was trained by, in full.
        training: Facts about the run.
        numbers: Test results by data set and attribute.
        files: SHA-256 of the other files.
    """

    model_config = ConfigDict(extra="forbid")

    format_version: int = MODEL_VERSION
    name: str
    attributes: list[Vocabulary]
    details: dict[str, list[str]] = {}
    input_size: tuple[Side, Side]
    taxonomy: dict[str, dict[str, dict[str, str]]] = {}
    calibration: Calibration = Calibration()
    domain: Domain | None = None
    orientation: Orientation | None = None
    neighbours: Neighbours | None = None
    translations: list[Translation] = []
    split: str = "random"
    recipe: dict[str, Any] = {}
    training: dict[str, Any] = {}
    numbers: dict[str, Any] = {}
    files: dict[str, str] = {}

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        values = {one.name: one.values for one in self.attributes}
        for name in self.details:
            if name not in values:
                raise ValueError(f"details: no attribute {name!r}")
            if TYPE not in values:
                raise ValueError(f"details: {name!r} needs the attribute {TYPE}")
        for name, biases in self.calibration.biases.items():
            if name in values and len(biases) != len(values[name]):
                raise ValueError(f"calibration: {name!r} needs {len(values[name])} biases")
        return self

    def vocabularies(self) -> list[Attribute]:
        """The attributes, as the rest of the library uses them."""
        return [Attribute(one.name, tuple(one.values)) for one in self.attributes]

    @property
    def backbones(self) -> list[str]:
        """timm's names of the backbones, several of an ensemble; none if the recipe isn't known."""
        own = self.recipe.get("network", {}).get("backbone")
        return self.training.get("backbones", [own] if own else [])

    @property
    def commands(self) -> list[str]:
        """What was typed to train it and the models that it came from, in that order."""
        own = self.training.get("command")
        return [*self.training.get("earlier commands", []), *([own] if own else [])]


@dataclass(frozen=True)
class Model:
    """An opened and verified model folder."""

    folder: Path
    info: ModelInfo

    @property
    def onnx_path(self) -> Path:
        """The network; its weights lie in the other file."""
        return self.folder / ONNX

    @property
    def weights_path(self) -> Path:
        """The network's weights."""
        return self.folder / WEIGHTS

    @property
    def card(self) -> str:
        """The model card, as Markdown."""
        file = self.folder / CARD
        return file.read_text("utf-8") if file.is_file() else ""

    @property
    def taxonomy(self) -> Taxonomy:
        """Which sub- and master category each article type belongs to."""
        return Taxonomy(self.info.taxonomy)


def earlier_commands(models: Sequence[ModelInfo]) -> list[str]:
    """What was typed to train models, each line once."""
    return list(dict.fromkeys(typed for model in models for typed in model.commands))


def model_names() -> list[str]:
    """Names of the models that ship."""
    folder = files("hangtag") / "models"
    if not folder.is_dir():
        return []
    return sorted(entry.name for entry in folder.iterdir() if (entry / INFO).is_file())


def read_model(name_or_folder: str | Path = "default") -> Model:
    """Open a model that ships, by name, or any other, by its folder.

    Raises:
        ModelError: No such model, a newer format, a file missing, without rights or not what it
            was when written.
    """
    try:
        return _read(name_or_folder)
    except OSError as error:
        raise ModelError(
            f"{error.filename or name_or_folder}: can't be read ({error.strerror}); "
            "check the file's rights"
        ) from error


def _read(name_or_folder: str | Path) -> Model:
    text = str(name_or_folder)
    folder = Path(name_or_folder)
    if text in model_names():
        folder = Path(str(files("hangtag") / "models" / text))
    if not (folder / INFO).is_file():
        known = ", ".join(model_names())
        raise ModelError(f"{text}: no model here (no {INFO}); models that ship: {known or 'none'}")
    info = _parse((folder / INFO).read_bytes(), folder / INFO)
    for name, digest in info.files.items():
        file = folder / name
        if Path(name).name != name or not file.is_file():
            raise ModelError(f"{file}: missing; copy the whole model folder again")
        if sha256(file) != digest:
            raise ModelError(f"{file}: damaged (checksum differs); copy the model folder again")
    return Model(folder, info)


def _parse(text: bytes, where: Path) -> ModelInfo:
    import json

    try:
        data = json.loads(text.decode("utf-8"))
        version = data.get("format_version") if isinstance(data, dict) else None
        if isinstance(version, int) and version > MODEL_VERSION:
            raise ModelError(
                f"{where}: format_version {version} is newer than this hangtag reads "
                f"({MODEL_VERSION}): pip install -U hangtag"
            )
        return ModelInfo.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        reason = ": ".join(filter(None, [".".join(map(str, first["loc"])), first["msg"]]))
        raise ModelError(f"{where}: {reason}; copy the model folder again") from error
    except (ValueError, RecursionError) as error:
        # Also bytes that are no text, and numbers of thousands of digits.
        raise ModelError(f"{where}: not JSON ({error}); copy the model folder again") from error


def write_info(folder: Path, info: ModelInfo, card: str) -> Model:
    """Write ``model.json`` and the card beside network and weights, with checksums of all.

    The other files must be in the folder already. ``model.json`` comes last and in one piece, so
    that a folder that has it is whole.
    """
    (folder / CARD).write_text(card, "utf-8")
    digests = {name: sha256(folder / name) for name in (ONNX, WEIGHTS)}
    info = info.model_copy(update={"files": digests})
    partial = folder / f"{INFO}.partial"
    partial.write_text(info.model_dump_json(indent=1) + "\n", "utf-8")
    partial.replace(folder / INFO)
    return Model(folder, info)


def sha256(file: Path) -> str:
    """Checksum of a file, in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
