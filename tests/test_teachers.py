"""A network learns from what other models say, beside the labels."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from hangtag.catalogue import read_catalogue
from hangtag.judge import evaluate
from hangtag.recipe import Recipe
from hangtag.tagger import Tagger
from hangtag.teachers import soft_labels
from hangtag.training import train
from hangtag.training_data import prepare


@pytest.fixture(scope="module")
def wrongly_labelled(drawn_catalogue: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The drawn photos, two in five of them with the label of some other article type."""
    folder = tmp_path_factory.mktemp("wrong")
    (folder / "images").symlink_to(drawn_catalogue / "images")
    with (drawn_catalogue / "styles.csv").open(encoding="utf-8") as source:
        rows = list(csv.DictReader(source))
    dice = np.random.default_rng(0)
    for row, other in zip(rows, dice.permutation(len(rows)), strict=True):
        if dice.random() < 0.4:
            row["articleType"] = rows[other]["articleType"]
    with (folder / "styles.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    return folder


def test_they_are_asked_about_training_products_alone(
    tiny_model: Path, drawn_catalogue: Path, tiny_recipe: Recipe
) -> None:
    catalogue = read_catalogue(drawn_catalogue)
    data = prepare(catalogue, tiny_recipe)
    soft = soft_labels([tiny_model, tiny_model], catalogue, data)
    asked = data.rows("train")
    others = np.setdiff1d(np.arange(len(catalogue)), asked)
    for attribute in data.attributes:
        said = soft[attribute.name]
        assert said.shape == (len(catalogue), len(attribute.values))
        assert np.allclose(said[asked].sum(1), 1, atol=0.01)
        assert not said[others].any()
    row = int(asked[0])
    tag = Tagger(tiny_model, flip=True).tag(drawn_catalogue / "images" / f"{1000 + row}.jpg")
    colours = next(one for one in data.attributes if one.name == "baseColour")
    assert colours.values[soft["baseColour"][row].argmax()] == tag.tags["baseColour"].value


def test_what_they_know_outweighs_wrong_labels(
    tiny_model: Path,
    drawn_catalogue: Path,
    wrongly_labelled: Path,
    tiny_recipe: Recipe,
    tmp_path: Path,
) -> None:
    taught = tiny_recipe.model_copy(
        update={
            "attributes": ["articleType"],
            "loss": tiny_recipe.loss.model_copy(update={"teacher_weight": 0.5}),
        }
    )
    alone = train(wrongly_labelled, taught, tmp_path / "alone")
    pupil = train(wrongly_labelled, taught, tmp_path / "pupil", teachers=[tiny_model])
    right = [
        evaluate(model, drawn_catalogue).judged["articleType"].right.mean()
        for model in (alone, pupil)
    ]
    assert right[1] > right[0]
    training = json.loads((pupil / "model.json").read_text("utf-8"))["training"]
    assert training["teachers"] == ["tiny"]
