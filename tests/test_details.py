"""Details: finer attributes that only some article types have, tagged when they are asked for."""

import csv
import json
from pathlib import Path

import httpx
import polars
import pytest
from typer.testing import CliRunner

from drawing import draw_garment
from hangtag.app.exports import to_json
from hangtag.app.review import Review
from hangtag.app.uploads import Upload
from hangtag.app.workspace import Workspace
from hangtag.averaging import average
from hangtag.catalogue import read_catalogue
from hangtag.cli import app
from hangtag.model import read_model
from hangtag.recipe import Recipe
from hangtag.recipe_file import read_recipe
from hangtag.tagger import Tagger
from hangtag.training import train
from hangtag.training_data import prepare
from serving import Server

SHADES = {"White": "Light", "Yellow": "Light", "Pink": "Light"}
"""A detail of its own: how light the colour is; other colours are dark."""

WORN = {"Tshirts", "Shirts", "Dresses", "Jeans"}
"""The article types whose shade the table of details states."""

MAIN = ["gender", "masterCategory", "subCategory", "articleType", "baseColour", "season", "usage"]


@pytest.fixture(scope="module")
def details(drawn_catalogue: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of the drawn products' shades, of clothes only."""
    table = tmp_path_factory.mktemp("details") / "details.csv"
    with (drawn_catalogue / "styles.csv").open(encoding="utf-8") as source:
        rows = [
            (row["id"], SHADES.get(row["baseColour"], "Dark") if row["articleType"] in WORN else "")
            for row in csv.DictReader(source)
        ]
    with table.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("id", "Shade"), *rows])
    return table


@pytest.fixture(scope="module")
def detailed_recipe(tiny_recipe: Recipe) -> Recipe:
    return tiny_recipe.model_copy(update={"details": ["Shade", "Neck"]})


@pytest.fixture(scope="module")
def detailed_model(
    drawn_catalogue: Path,
    details: Path,
    detailed_recipe: Recipe,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    folder = tmp_path_factory.mktemp("detailed") / "detailed"
    return train(drawn_catalogue, detailed_recipe, folder, details=details)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    draw_garment("Dresses", "Pink", seed=3).save(folder / "dress.png")
    draw_garment("Watches", "Black", seed=4).save(folder / "watch.png")
    return folder


def test_details_are_tagged_when_asked_for_of_the_types_that_have_them(
    detailed_model: Path, photos: Path
) -> None:
    dress, watch = photos / "dress.png", photos / "watch.png"
    assert list(Tagger(detailed_model).tag(dress).tags) == MAIN
    found = Tagger(detailed_model, details=True).tag([dress, watch])
    assert list(found[0].tags) == [*MAIN, "Shade"]
    assert found[0].tags["Shade"].value == "Light"
    assert list(found[1].tags) == MAIN
    assert list(Tagger(detailed_model, attributes=["Shade"]).tag(dress).tags) == ["Shade"]
    both = Tagger(detailed_model, attributes=["gender"], details=True)
    assert list(both.tag(dress).tags) == ["gender", "Shade"]


def test_what_is_always_tagged_is_the_same_with_and_without_them(
    detailed_model: Path, photos: Path
) -> None:
    dress = photos / "dress.png"
    without = Tagger(detailed_model).tag(dress).tags
    assert {
        name: tag
        for name, tag in Tagger(detailed_model, details=True).tag(dress).tags.items()
        if name in without
    } == without


def test_the_model_says_which_types_have_them(detailed_model: Path) -> None:
    info = read_model(detailed_model).info
    assert info.details == {"Shade": sorted(WORN)}
    assert info.calibration.scales["Shade"] > 0
    assert info.numbers["test"]["Shade"]["accuracy"] > 0.8
    # Products without the detail still count as all right.
    assert info.numbers["test"]["all right"]["photos"] > info.numbers["test"]["Shade"]["photos"]


def test_a_column_that_the_catalogue_lacks_is_named_and_left_out(
    drawn_catalogue: Path,
    details: Path,
    detailed_recipe: Recipe,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    short = detailed_recipe.schedule.model_copy(
        update={"stages": [detailed_recipe.schedule.stages[0].model_copy(update={"epochs": 1})]}
    )
    recipe = detailed_recipe.model_copy(update={"schedule": short})
    model = train(drawn_catalogue, recipe, tmp_path / "model", details=details)
    assert "not learnt, for want of such a column: Neck\n" in capsys.readouterr().err
    assert "Neck" not in read_model(model).info.details


def test_the_default_recipe_learns_from_a_catalogue_without_them(drawn_catalogue: Path) -> None:
    recipe = read_recipe("default")
    data = prepare(read_catalogue(drawn_catalogue), recipe)
    assert [attribute.name for attribute in data.attributes] == recipe.attributes
    assert data.left_out == [*recipe.details, *recipe.auxiliary]


def test_columns_of_ones_own_are_learnt_by_name(
    drawn_catalogue: Path, details: Path, detailed_recipe: Recipe, tmp_path: Path
) -> None:
    recipe = tmp_path / "short.toml"
    recipe.write_text(
        'base = "cnn-four"\ninput_size = [32, 24]\n[schedule]\nstages = [{ epochs = 1 }]\n'
    )
    result = CliRunner().invoke(
        app,
        [
            *("train", str(drawn_catalogue), "--recipe", str(recipe), "--details", str(details)),
            *("-a", "Shade", "-a", "articleType", "-o", str(tmp_path / "shades")),
        ],
    )
    assert result.exit_code == 0, result.output
    info = read_model(tmp_path / "shades").info
    assert [one.name for one in info.attributes] == ["Shade", "articleType"]


def test_tables_have_columns_for_them(
    detailed_model: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    output = tmp_path / "tags.parquet"
    arguments = ["tag", str(photos), "--model", str(detailed_model), "--details"]
    assert CliRunner().invoke(app, [*arguments, "-o", str(output)]).exit_code == 0
    rows = {Path(row["photo"]).stem: row for row in polars.read_parquet(output).to_dicts()}
    assert rows["dress"]["Shade"] == "Light"
    assert rows["dress"]["Shade_decision"] in {"accept", "review"}
    assert rows["watch"]["Shade"] is None
    printed = CliRunner().invoke(app, arguments)
    assert "shade Light" in printed.stdout


def test_they_are_judged_by_a_table_of_them(
    detailed_model: Path, drawn_catalogue: Path, details: Path
) -> None:
    command = ["evaluate", str(detailed_model), str(drawn_catalogue), "--json"]
    without = json.loads(CliRunner().invoke(app, command).stdout)["models"][0]
    judged = CliRunner().invoke(app, [*command, "--columns", str(details)]).stdout
    found = json.loads(judged)["models"][0]
    assert found["attributes"].keys() - without["attributes"].keys() == {"Shade"}
    assert found["attributes"]["Shade"]["scores"]["accuracy"]["value"] > 0.8
    assert found["all_right"] == without["all_right"]


def test_the_mean_of_models_has_them_still(
    detailed_model: Path, drawn_catalogue: Path, details: Path, tmp_path: Path, photos: Path
) -> None:
    mean = average(
        [detailed_model, detailed_model], drawn_catalogue, tmp_path / "mean", details=details
    )
    tags = Tagger(mean, details=True).tag(photos / "dress.png").tags
    assert tags["Shade"].value == "Light"


def test_the_server_gives_them_on_request(
    detailed_model: Path, photos: Path, tmp_path: Path
) -> None:
    def ask(file: str, **query: str) -> dict[str, dict[str, object]]:
        with (photos / file).open("rb") as photo:
            address = f"{server.url}/predict"
            return httpx.post(address, params=query, files={"image": photo}).json()

    with Server(detailed_model, tmp_path) as server:
        assert list(ask("dress.png")["predictions"]) == MAIN
        assert ask("dress.png", details="true")["predictions"]["Shade"] == "Light"
        assert ask("dress.png", attributes="Shade")["predictions"] == {"Shade": "Light"}
        both = ask("dress.png", attributes="gender", details="true")["predictions"]
        assert list(both) == ["gender", "Shade"]
        nothing = ask("watch.png", attributes="Shade", explain="true")
        assert nothing["predictions"] == nothing["explanations"] == {}
        model = httpx.get(f"{server.url}/model").json()
    types = {one["name"]: one["article_types"] for one in model["attributes"]}
    assert types["Shade"] == sorted(WORN)
    assert types["gender"] is None


def test_the_app_shows_them_until_the_article_type_is_corrected(
    detailed_model: Path, photos: Path
) -> None:
    tagger = Tagger(detailed_model, details=True)
    workspace = Workspace(Review(tagger.main_attributes, tagger.model.taxonomy))
    workspace.receive([Upload("dress.png", (photos / "dress.png").read_bytes())])
    workspace.tag_some(tagger)
    (photo,) = workspace.review.photos.values()
    assert list(photo.tags) == MAIN
    assert photo.details["Shade"].value == "Light"
    assert json.loads(to_json([photo]))[0]["tags"]["Shade"]["value"] == "Light"
    workspace.review.correct(photo.key, "articleType", "Watches")
    assert photo.details == {}
    assert list(json.loads(to_json([photo]))[0]["tags"]) == MAIN
