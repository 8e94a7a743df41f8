"""A model's confidences and thresholds are fitted anew to another catalogue's labels."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from hangtag.calibration import NEVER
from hangtag.cli import app
from hangtag.errors import HangtagError
from hangtag.judge import evaluate
from hangtag.model import WEIGHTS, read_model
from hangtag.recalibration import ENOUGH, recalibrate
from hangtag.tagger import Tagger


@pytest.fixture(scope="module")
def careless_shop(drawn_catalogue: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The drawn catalogue, but three of ten types are wrong and few seasons are known."""
    folder = tmp_path_factory.mktemp("careless") / "shop"
    shutil.copytree(drawn_catalogue, folder)
    with (folder / "styles.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    kind, season = header.index("articleType"), header.index("season")
    for number, row in enumerate(rows):
        if number % 10 < 3:
            row[kind] = "Shirts" if row[kind] == "Tshirts" else "Tshirts"
        if number >= ENOUGH // 2:
            row[season] = ""
    with (folder / "styles.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return folder


@pytest.fixture(scope="module")
def fitted(tiny_model: Path, careless_shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model, calibrated on that shop by the command."""
    folder = tmp_path_factory.mktemp("fitted") / "fitted"
    done = CliRunner().invoke(
        app, ["calibrate", str(tiny_model), str(careless_shop), "-o", str(folder)]
    )
    assert done.exit_code == 0, done.output
    assert "season: " in done.output
    assert "articleType: " not in done.output
    return folder


def test_confidences_follow_the_shop_and_tags_stay(
    tiny_model: Path, fitted: Path, careless_shop: Path
) -> None:
    before, after = (evaluate(model, careless_shop, split="all") for model in (tiny_model, fitted))
    for name, one in before.judged.items():
        assert (one.predicted == after.judged[name].predicted).all(), name
    wrong, right = before.judged["articleType"], after.judged["articleType"]
    assert wrong.confidence.mean() > wrong.right.mean() + 0.1
    assert right.confidence.mean() == pytest.approx(right.right.mean(), abs=0.03)


def test_what_is_accepted_follows_the_shop_where_it_has_labels_enough(
    tiny_model: Path, fitted: Path
) -> None:
    old, new = (read_model(model).info.calibration.thresholds for model in (tiny_model, fitted))
    assert new["season"] == old["season"]
    assert old["articleType"][0.9] < NEVER
    assert new["articleType"][0.9] == NEVER


def test_it_is_a_whole_model_that_says_what_it_was_fitted_to(
    tiny_model: Path, fitted: Path
) -> None:
    model = read_model(fitted)
    assert model.info.name == "fitted"
    assert not model.info.numbers
    assert "fitted to" in model.card
    assert (fitted / WEIGHTS).read_bytes() == (tiny_model / WEIGHTS).read_bytes()
    photo = np.full((80, 60, 3), 200, np.uint8)
    assert Tagger(fitted).tag(photo).model == "fitted"


def test_a_folder_that_exists_is_left_alone(
    tiny_model: Path, careless_shop: Path, tmp_path: Path
) -> None:
    with pytest.raises(HangtagError, match="exists already"):
        recalibrate(tiny_model, careless_shop, tmp_path)
    with pytest.raises(HangtagError):
        recalibrate(tiny_model, tmp_path / "nothing.csv", tmp_path / "new")
    assert list(tmp_path.iterdir()) == []
