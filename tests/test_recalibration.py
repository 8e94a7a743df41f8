"""A model's confidences and thresholds are fitted anew to another catalogue's labels."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from hangtag.calibration import ENOUGH, NEVER
from hangtag.cli import app
from hangtag.errors import HangtagError
from hangtag.judge import evaluate
from hangtag.model import WEIGHTS, read_model
from hangtag.recalibration import recalibrate
from hangtag.tagger import Tagger
from hangtag.verdict import COLOUR_GROUP


@pytest.fixture(scope="module")
def careless_shop(drawn_catalogue: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The drawn catalogue, but three of ten types are wrong, few seasons are known, it says "Men's"
    for Men, and it has no categories."""
    folder = tmp_path_factory.mktemp("careless") / "shop"
    shutil.copytree(drawn_catalogue, folder)
    with (folder / "styles.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for number, row in enumerate(rows):
        if number % 10 < 3:
            row["articleType"] = "Shirts" if row["articleType"] == "Tshirts" else "Tshirts"
        if number >= ENOUGH // 2:
            row["season"] = ""
        row["gender"] = row["gender"].replace("Men", "Men's") if number % 2 else ""
        del row["subCategory"], row["masterCategory"]
    with (folder / "styles.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


@pytest.fixture(scope="module")
def fitted(tiny_model: Path, careless_shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model, calibrated on that shop by the command."""
    folder = tmp_path_factory.mktemp("fitted") / "of" / "mine"
    done = CliRunner().invoke(
        app, ["calibrate", str(tiny_model), str(careless_shop), "-o", str(folder), "--name", "ours"]
    )
    assert done.exit_code == 0, done.output
    assert "season: as before (" in done.output
    assert "articleType: as before" not in done.output
    assert [one.name for one in folder.parent.iterdir()] == ["mine"]
    return folder


def test_confidences_follow_the_shop_and_tags_stay(
    tiny_model: Path, fitted: Path, careless_shop: Path
) -> None:
    before, after = (evaluate(model, careless_shop, split="all") for model in (tiny_model, fitted))
    for name in before.judged.keys() - {COLOUR_GROUP}:
        assert (before.judged[name].predicted == after.judged[name].predicted).all(), name
    assert np.array_equal(before.judged["season"].confidence, after.judged["season"].confidence)
    wrong, right = before.judged["articleType"], after.judged["articleType"]
    assert wrong.confidence.mean() > wrong.right.mean() + 0.1
    assert right.confidence.mean() == pytest.approx(right.right.mean(), abs=0.03)
    assert np.allclose(right.probabilities.sum(1), 1, atol=1e-5)


def test_what_is_accepted_follows_the_shop_where_it_has_labels_enough(
    tiny_model: Path, fitted: Path
) -> None:
    old, new = (read_model(model).info.calibration.thresholds for model in (tiny_model, fitted))
    assert new["season"] == old["season"]
    for name in ("articleType", "subCategory"):
        assert old[name][0.9] < NEVER, name
        # A category without labels of its own goes by the types'.
        assert new[name] != old[name], name
    assert new["articleType"][0.9] == NEVER


def test_it_is_a_whole_model_that_says_what_it_was_fitted_to(
    tiny_model: Path, fitted: Path
) -> None:
    model = read_model(fitted)
    assert model.info.name == "ours"
    assert not model.info.numbers
    assert "fitted to" in model.card
    assert (fitted / WEIGHTS).read_bytes() == (tiny_model / WEIGHTS).read_bytes()
    photo = np.full((80, 60, 3), 200, np.uint8)
    assert Tagger(fitted).tag(photo).model == "ours"


def test_what_fails_leaves_nothing_behind(
    tiny_model: Path, careless_shop: Path, tmp_path: Path
) -> None:
    with pytest.raises(HangtagError, match="exists already"):
        recalibrate(tiny_model, careless_shop, tmp_path)
    few = tmp_path / "few.csv"
    photo = next((careless_shop / "images").iterdir())
    few.write_text(f"photo,season\n{photo},Summer\n")
    with pytest.raises(HangtagError, match=r"few\.csv: too few labels.*season: 1 labels"):
        recalibrate(tiny_model, few, tmp_path / "new")
    assert list(tmp_path.iterdir()) == [few]
