"""Going on with a run that was stopped: what must be as it was, and where its files are now."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities import rank_zero_only
from pydantic import ValidationError

from hangtag.cache import cache_folder
from hangtag.errors import HangtagError
from hangtag.network import HangtagNetwork
from hangtag.recipe import Recipe
from hangtag.training_data import TrainingData

RUN = "run"
"""The key of a checkpoint that holds what `describe` returns; older checkpoints have none."""

NETWORK = "network."
"""Before the names of the network's weights in a checkpoint."""

_MAY_DIFFER: Any = {
    "format_version": True,
    "name": True,
    "description": True,
    "schedule": {"stages", "learning_rate", "backbone_rate", "patience"},
}
"""Keys of a recipe that may be others when a run goes on: how long, and how fast."""


@contextmanager
def only_run(folder: Path) -> Iterator[None]:
    """Keep other trainings on this machine away from a run's folder.

    Raises:
        HangtagError: One is writing into it.
    """
    if getattr(rank_zero_only, "rank", 0):
        # The first process of a distributed run holds it for all.
        yield
        return
    place = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:24]
    lock = FileLock(cache_folder() / f"run-{place}.lock", timeout=0)
    try:
        cache_folder().mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise HangtagError(
            f"{folder}: another training writes into it; wait for it, stop it, or take another -o"
        ) from error
    except OSError as error:
        raise HangtagError(
            f"{lock.lock_file}: can't be written ({error.strerror}); "
            "name another folder with HANGTAG_CACHE"
        ) from error
    try:
        yield
    finally:
        lock.release()


def describe(recipe: Recipe, data: TrainingData) -> dict[str, Any]:
    """What a run is about, for its checkpoints: recipe, split, vocabularies, parts of the rows."""
    heads = [*data.attributes, *data.auxiliary]
    return {
        "recipe": recipe.model_dump(mode="json"),
        "split": data.split,
        "vocabularies": {head.name: list(head.values) for head in heads},
        "parts": hashlib.sha256("\n".join(data.parts.tolist()).encode()).hexdigest(),
    }


def read_checkpoint(file: Path) -> dict[str, Any]:
    """Read a checkpoint without unpickling objects.

    Raises:
        HangtagError: It isn't one, or not a whole one.
    """
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        raise HangtagError(f"{file}: not a whole checkpoint ({type(error).__name__})") from error


def require_same_run(
    file: Path, recipe: Recipe, data: TrainingData, network: HangtagNetwork
) -> None:
    """Refuse to go on from a checkpoint with what it doesn't fit.

    Stages and learning rates may differ. Of a checkpoint that doesn't say what it's about only the
    network and the epochs are compared.

    Raises:
        HangtagError: Another recipe, split or network; other values or products; fewer epochs than
            the run has had.
    """
    checkpoint = read_checkpoint(file)
    if RUN in checkpoint:
        _require_same(file, checkpoint[RUN], describe(recipe, data))
    state = checkpoint["state_dict"]
    for name, tensor in network.state_dict().items():
        if NETWORK + name not in state or state[NETWORK + name].shape != tensor.shape:
            raise HangtagError(
                f"{file}: is of another network (first difference: {name}); resume with the recipe "
                "and the catalogue that the run began with, or take another -o"
            )
    if checkpoint["epoch"] > recipe.schedule.epochs:
        raise HangtagError(
            f"{file}: has had {checkpoint['epoch']} epochs, and the recipe's stages are only "
            f"{recipe.schedule.epochs}; lengthen them, or take another -o"
        )


def _require_same(file: Path, then: dict[str, Any], now: dict[str, Any]) -> None:
    differs = _first_difference(file, then["recipe"], now["recipe"])
    cure = "resume with what the run began with, or take another -o"
    if differs:
        raise HangtagError(f"{file}: is of another recipe (first difference: {differs}); {cure}")
    if then["split"] != now["split"]:
        raise HangtagError(
            f"{file}: is of the {then['split']} split; resume with --split {then['split']}"
        )
    for name in [*then["vocabularies"], *now["vocabularies"]]:
        if then["vocabularies"].get(name) != now["vocabularies"].get(name):
            raise HangtagError(
                f"{file}: the values of {name!r}, or their frequencies, were others then; {cure}"
            )
    if then["parts"] != now["parts"]:
        raise HangtagError(f"{file}: the catalogues had other products or photos then; {cure}")


def _first_difference(file: Path, then: dict[str, Any], now: dict[str, Any]) -> str | None:
    """The first key that two recipes don't have in common, of those that they must."""
    try:
        # Keys that recipes didn't have when the run began are as their defaults say.
        recipes = [Recipe.model_validate(one) for one in (then, now)]
    except ValidationError as error:
        key = ".".join(map(str, error.errors()[0]["loc"]))
        raise HangtagError(
            f"{file}: is of a recipe that this hangtag doesn't read ({key}); "
            "resume with the hangtag that it began with"
        ) from error
    before, after = (_flat(one.model_dump(mode="json", exclude=_MAY_DIFFER)) for one in recipes)
    return next((key for key in after if before[key] != after[key]), None)


def _flat(recipe: dict[str, Any]) -> dict[str, Any]:
    """The values of a recipe's sections by dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in recipe.items():
        of_section = value if isinstance(value, dict) else {}
        flat |= {f"{key}.{name}": inner for name, inner in of_section.items()} or {key: value}
    return flat


class WhereItLies(Callback):
    """Lets a run go on in a folder that was moved: its checkpoints are where they lie now.

    Args:
        checkpoints: The folder of checkpoints.
    """

    def __init__(self, checkpoints: Path) -> None:
        # As Lightning writes it; it forgets the best score where the folders' names differ.
        self._folder = os.path.realpath(checkpoints)

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Change the paths that the checkpoint states, before other callbacks read them."""
        for state in checkpoint["callbacks"].values():
            if "dirpath" in state:
                state["dirpath"] = self._folder
                for key in ("best_model_path", "kth_best_model_path", "last_model_path"):
                    state[key] = self._here(state[key])
                kept = state["best_k_models"]
                state["best_k_models"] = {self._here(file): score for file, score in kept.items()}

    def _here(self, file: str) -> str:
        return str(Path(self._folder, Path(file).name)) if file else file
