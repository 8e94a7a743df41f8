"""A shop's own products vote beside a model that was trained on another's."""

import csv
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from hangtag.calibration import ENOUGH
from hangtag.cli import app
from hangtag.judge import evaluate
from hangtag.model import read_model
from hangtag.recalibration import recalibrate
from hangtag.tagger import Tagger
from sittings import SITTINGS, sitting_photos

SHOP = 7
OWN, NEW = 240, 60


def write_shop(folder: Path, genders: Sequence[str], start: int = 0) -> Path:
    """A catalogue of photos of another shop's sittings, from one number on."""
    folder.mkdir(parents=True)
    photos = list(sitting_photos(start + len(genders), SHOP))[start:]
    with (folder / "shop.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["photo", "gender"])
        for number, (photo, gender) in enumerate(zip(photos, genders, strict=True)):
            Image.fromarray(photo).save(folder / f"{number}.png")
            table.writerow([f"{number}.png", gender])
    return folder / "shop.csv"


def add_copies(shop: Path, numbers: range) -> None:
    """List copies of some photos as products of their own."""
    with shop.open("a") as table:
        for number in numbers:
            shutil.copy(shop.parent / f"{number}.png", shop.parent / f"copy-{number}.png")
            table.write(f"copy-{number}.png,Men\n")


def genders(count: int) -> list[str]:
    """Whom products are for: the same for all of a sitting."""
    each = np.random.default_rng(11).permutation(SITTINGS) % 2
    return [["Men", "Women"][each[number % SITTINGS]] for number in range(count)]


@pytest.fixture(scope="module")
def new_products(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Products of the shop that came later."""
    every = genders(OWN + NEW)
    return write_shop(tmp_path_factory.mktemp("later") / "later", every[OWN:], start=OWN)


@pytest.fixture(scope="module")
def fitted(neighbourly: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model with the shop's products as its neighbours, by the command."""
    folder = tmp_path_factory.mktemp("fitted")
    shop = write_shop(folder / "shop", genders(OWN))
    command = ["calibrate", str(neighbourly), str(shop), "-o", str(folder / "ours")]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "products vote" in done.output
    return folder / "ours"


def right(model: Path, catalogue: Path) -> float:
    """Share of a catalogue's products whose gender is right."""
    judged = evaluate(model, catalogue, split="all").judged["gender"]
    return float(judged.right.mean())


def test_its_sittings_tell_of_new_products(
    neighbourly: Path, fitted: Path, new_products: Path
) -> None:
    assert right(neighbourly, new_products) < 0.8
    assert right(fitted, new_products) > 0.9
    neighbours = read_model(fitted).info.neighbours
    assert neighbours is not None
    assert 0.8 * OWN < neighbours.products <= OWN
    assert f"{neighbours.products} products" in read_model(fitted).card


def test_confidences_are_those_of_products_that_are_new(fitted: Path, new_products: Path) -> None:
    judged = evaluate(fitted, new_products, split="all").judged["gender"]
    assert judged.confidence.mean() == pytest.approx(judged.right.mean(), abs=0.05)


def test_products_do_not_vouch_for_themselves(
    neighbourly: Path, new_products: Path, tmp_path: Path
) -> None:
    dice = np.random.default_rng(0)
    shop = write_shop(tmp_path / "shop", dice.choice(["Men", "Women"], OWN).tolist())
    assert recalibrate(neighbourly, shop, tmp_path / "ours").voters
    judged = evaluate(tmp_path / "ours", new_products, split="all").judged["gender"]
    assert judged.confidence.mean() < 0.65


def test_copies_have_one_vote(neighbourly: Path, fitted: Path, tmp_path: Path) -> None:
    shop = write_shop(tmp_path / "shop", genders(OWN))
    add_copies(shop, range(20))
    neighbours = read_model(fitted).info.neighbours
    assert neighbours is not None
    assert recalibrate(neighbourly, shop, tmp_path / "ours").voters == neighbours.products


def test_who_voted_before_votes_on_if_that_is_asked_for(
    neighbourly: Path, tmp_path: Path, new_products: Path
) -> None:
    shop = write_shop(tmp_path / "shop", genders(OWN))
    found = recalibrate(neighbourly, shop, tmp_path / "ours", neighbours=False)
    assert found.voters == 0
    assert "neighbours" not in found.kept
    before, after = (
        evaluate(model, new_products, split="all").judged["gender"].predicted
        for model in (neighbourly, tmp_path / "ours")
    )
    assert (before == after).all()


def test_too_few_products_leave_who_voted_before(neighbourly: Path, tmp_path: Path) -> None:
    shop = write_shop(tmp_path / "shop", genders(ENOUGH - 1))
    # There are labels enough, but copies have one vote.
    add_copies(shop, range(20))
    found = recalibrate(neighbourly, shop, tmp_path / "ours")
    assert found.voters == 0
    assert f"{ENOUGH} are needed" in found.kept["neighbours"]
    before, after = (read_model(one).info.neighbours for one in (neighbourly, tmp_path / "ours"))
    assert before == after


def test_models_that_compare_no_photos_say_so(tiny_model: Path, tmp_path: Path) -> None:
    shop = write_shop(tmp_path / "shop", genders(OWN))
    found = recalibrate(tiny_model, shop, tmp_path / "ours")
    assert found.voters == 0
    assert "compare" in found.kept["neighbours"]
    assert Tagger(tmp_path / "ours").info.neighbours is None
