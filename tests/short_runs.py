"""Runs that are over soon, and other photos for them."""

import shutil
from pathlib import Path

from hangtag.recipe import Recipe


def shorter(recipe: Recipe, epochs: int) -> Recipe:
    """The recipe with its first stage alone, of so many epochs."""
    stages = [recipe.schedule.stages[0].model_copy(update={"epochs": epochs})]
    schedule = recipe.schedule.model_copy(update={"stages": stages})
    return recipe.model_copy(update={"schedule": schedule})


def phone_photos(folder: Path, catalogue: Path, labels: list[str]) -> Path:
    """An extra catalogue: photos of drawn products, and a label of its own for each."""
    folder.mkdir()
    lines = ["photo,label"]
    for number, (photo, label) in enumerate(
        zip(sorted((catalogue / "images").glob("*.jpg")), labels, strict=False)
    ):
        shutil.copy(photo, folder / f"{number}.jpg")
        lines.append(f"{number}.jpg,{label}")
    (folder / "labels.csv").write_text("\n".join(lines))
    return folder
