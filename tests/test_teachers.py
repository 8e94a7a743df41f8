"""A network learns from what other models say, beside the labels."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hangtag import teachers
from hangtag.catalogue import read_catalogue
from hangtag.errors import HangtagError
from hangtag.judge import evaluate
from hangtag.model import read_model, write_info
from hangtag.prediction import Predictions, predict
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


def test_what_a_teacher_said_is_kept_until_the_teacher_changes(
    monkeypatch: pytest.MonkeyPatch,
    tiny_model: Path,
    drawn_catalogue: Path,
    tiny_recipe: Recipe,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("HANGTAG_CACHE", str(tmp_path / "cache"))
    catalogue = read_catalogue(drawn_catalogue)
    data = prepare(catalogue, tiny_recipe)
    asked = []

    def counted(tagger: Tagger, *rest: Any) -> Predictions:
        asked.append(tagger.model.folder)
        return predict(tagger, *rest)

    monkeypatch.setattr(teachers, "predict", counted)
    first = soft_labels([tiny_model], catalogue, data)
    again = soft_labels([tiny_model], catalogue, data)
    assert asked == [tiny_model]
    assert all((first[name] == again[name]).all() for name in first)
    other = tmp_path / "other"
    shutil.copytree(tiny_model, other)
    info = json.loads((other / "model.json").read_text("utf-8"))
    info["calibration"]["scales"] = dict.fromkeys(info["calibration"]["scales"], 0.1)
    (other / "model.json").write_text(json.dumps(info), "utf-8")
    vague = soft_labels([other], catalogue, data)
    assert asked == [tiny_model, other]
    assert (vague["articleType"] != first["articleType"]).any()


def _knowing(model: Path, folder: Path, articles: dict[str, str]) -> Path:
    """A copy of a model, some of whose article types have other names."""
    shutil.copytree(model, folder)
    info = read_model(model).info
    attributes = [
        one.model_copy(update={"values": [articles.get(value, value) for value in one.values]})
        if one.name == "articleType"
        else one
        for one in info.attributes
    ]
    write_info(folder, info.model_copy(update={"attributes": attributes, "taxonomy": {}}), "")
    return folder


def test_a_teacher_that_knows_some_values_says_nothing_of_others(
    tiny_model: Path, drawn_catalogue: Path, tiny_recipe: Recipe, tmp_path: Path
) -> None:
    catalogue = read_catalogue(drawn_catalogue)
    data = prepare(catalogue, tiny_recipe)
    types = data.attributes[[one.name for one in data.attributes].index("articleType")]
    partial = _knowing(tiny_model, tmp_path / "partial", {"Tshirts": "Tees"})
    asked = data.rows("train")
    of_it = data.targets["articleType"][asked, types.index["Tshirts"]]
    assert of_it.any()
    alone = soft_labels([partial], catalogue, data)["articleType"][asked]
    # Of T-shirts it would say what else they look like; of others it may say "Tees", too.
    assert not alone[of_it].any()
    assert not alone[:, types.index["Tshirts"]].any()
    assert (alone[~of_it].sum(1) < 1.01).all()
    assert (alone[~of_it].sum(1) < 0.97).any()
    whole = soft_labels([tiny_model], catalogue, data)["articleType"][asked]
    others = np.delete(np.arange(len(types.values)), types.index["Tshirts"])
    both = soft_labels([tiny_model, partial], catalogue, data)["articleType"][asked]
    assert np.allclose(both[of_it], whole[of_it], atol=1e-3)
    assert np.allclose(both[~of_it][:, others], (whole + alone)[~of_it][:, others] / 2, atol=2e-3)


def test_a_teacher_that_knows_nothing_of_it_is_refused(
    tiny_model: Path, drawn_catalogue: Path, tiny_recipe: Recipe, tmp_path: Path
) -> None:
    catalogue = read_catalogue(drawn_catalogue)
    recipe = tiny_recipe.model_copy(update={"attributes": ["articleType"]})
    data = prepare(catalogue, recipe)
    (types,) = data.attributes
    stranger = _knowing(tiny_model, tmp_path / "stranger", {one: f"x{one}" for one in types.values})
    with pytest.raises(HangtagError, match=r"stranger: knows none of the values .* --teacher"):
        soft_labels([stranger], catalogue, data)


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
    alone = train(wrongly_labelled, taught, tmp_path / "alone", command="hangtag train alone")
    teachers = [tiny_model, _typed(tiny_model, tmp_path / "typed", "hangtag train typed")]
    pupil = train(
        wrongly_labelled,
        taught,
        tmp_path / "pupil",
        teachers=teachers,
        command="hangtag train pupil",
    )
    right = [
        evaluate(model, drawn_catalogue).judged["articleType"].right.mean()
        for model in (alone, pupil)
    ]
    assert right[1] > right[0]
    training = json.loads((pupil / "model.json").read_text("utf-8"))["training"]
    assert training["teachers"] == ["tiny", "tiny"]
    # Without its teachers' it couldn't be made again.
    assert read_model(pupil).info.commands == ["hangtag train typed", "hangtag train pupil"]
    assert read_model(alone).info.commands == ["hangtag train alone"]


def _typed(model: Path, folder: Path, command: str) -> Path:
    """A copy of a model that says how it was trained."""
    shutil.copytree(model, folder)
    info = json.loads((folder / "model.json").read_text("utf-8"))
    info["training"]["command"] = command
    (folder / "model.json").write_text(json.dumps(info), "utf-8")
    return folder
