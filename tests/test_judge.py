import json
from collections import Counter
from dataclasses import replace

import pytest

from hangtag.attributes import Attribute
from hangtag.calibration import Calibration
from hangtag.catalogue import read_catalogue
from hangtag.errors import HangtagError
from hangtag.judge import evaluate
from hangtag.recipe import Grouping, RareValues, Recipe, Translation
from hangtag.split import assign
from hangtag.verdict import compare, incomparable, overlap, told_apart
from judging import (
    BLUE,
    GREEN,
    RED,
    SHIRT,
    SHOE,
    ReadingTagger,
    photo_saying,
    write_catalogue,
)


def product(colour, kind, says, **cells):
    return {"baseColour": colour, "articleType": kind, "says": says, **cells}


@pytest.fixture
def catalogue(tmp_path):
    """Four products; the third is tagged a shoe and is none, the fourth has no colour."""
    return write_catalogue(
        tmp_path / "shop",
        [
            product("Red", "Shirts", (RED, SHIRT), gender="Men", year=2011),
            product("Green", "Shoes", (GREEN, SHOE), gender="Women", year=2012),
            product("Blue", "Shirts", (BLUE, SHOE), gender="Women", year=2012),
            product("", "Shoes", (RED, SHOE), gender="Women", year=""),
        ],
    )


def test_predictions_are_held_against_the_labels(catalogue):
    found = evaluate(ReadingTagger(), catalogue, split="all")
    attributes = found.numbers["attributes"]
    assert attributes["articleType"]["scores"]["accuracy"]["value"] == 0.75
    assert attributes["articleType"]["confused"] == [
        {"actual": "Shirts", "predicted": "Shoes", "photos": 1}
    ]
    assert found.summary()["articleType"]["count"] == 4


def test_a_missing_label_does_not_count(catalogue):
    numbers = evaluate(ReadingTagger(), catalogue, split="all").numbers
    assert numbers["attributes"]["baseColour"]["photos"] == 3
    assert numbers["attributes"]["baseColour"]["scores"]["accuracy"]["value"] == 1
    assert numbers["all_right"]["photos"] == 3
    assert numbers["all_right"]["value"] == pytest.approx(2 / 3)


def test_colours_are_judged_by_their_groups_as_well(tmp_path):
    rows = [
        product("Maroon", "Shirts", (RED, SHIRT)),
        product("Red", "Shirts", (RED, SHIRT)),
        product("Blue", "Shirts", (RED, SHIRT)),
    ]
    found = evaluate(ReadingTagger(), write_catalogue(tmp_path / "shop", rows), split="all")
    assert found.judged["baseColour"].right.tolist() == [False, True, False]
    assert found.judged["colourGroup"].right.tolist() == [True, True, False]


def test_labels_that_the_model_does_not_know_count_as_wrong(tmp_path):
    rows = [product("Red", "Shirts", (RED, SHIRT)), product("Red", "Kurtas", (RED, SHIRT))]
    found = evaluate(ReadingTagger(), write_catalogue(tmp_path / "shop", rows), split="all")
    assert found.judged["articleType"].unknown == ("Kurtas",)
    assert found.numbers["attributes"]["articleType"]["scores"]["accuracy"]["value"] == 0.5
    assert found.numbers["attributes"]["articleType"]["values"] == 2


def test_any_value_of_a_partial_label_is_right(tmp_path):
    rows = [product("Red|Blue", "Shirts", (BLUE, SHIRT)), product("Red", "Shirts", (RED, SHIRT))]
    found = evaluate(ReadingTagger(), write_catalogue(tmp_path / "shop", rows), split="all")
    assert found.judged["baseColour"].right.all()


def test_attributes_that_cannot_be_judged_are_named_with_the_reason(tmp_path):
    rows = [product("", "Shirts", (RED, SHIRT)), product("", "Shoes", (RED, SHOE))]
    found = evaluate(ReadingTagger(), write_catalogue(tmp_path / "empty", rows), split="all")
    assert found.left_out == {"baseColour": "these products have no labels"}
    rows = [product("rouge", "Shirts", (RED, SHIRT))]
    found = evaluate(ReadingTagger(), write_catalogue(tmp_path / "french", rows), split="all")
    assert "knows none of its labels, e.g. 'rouge'" in found.left_out["baseColour"]


def test_nothing_to_judge_by_is_an_error_that_says_why(tmp_path):
    rows = [product("", "", (RED, SHIRT))]
    with pytest.raises(HangtagError, match=r"nothing to judge by .*no labels"):
        evaluate(ReadingTagger(), write_catalogue(tmp_path / "shop", rows), split="all")


def test_a_broken_photo_is_listed_and_the_others_are_judged(catalogue):
    (catalogue.parent / "1.png").write_bytes(b"no photo")
    found = evaluate(ReadingTagger(), catalogue, split="all")
    assert len(found.rows) == 3
    [(photo, message)] = found.unreadable
    assert photo.endswith("1.png")
    assert "not a photo" in message


def test_only_broken_photos_are_an_error(catalogue):
    for photo in catalogue.parent.glob("*.png"):
        photo.write_bytes(b"")
    with pytest.raises(HangtagError, match=r"no photo can be read, e\.g\. .*empty"):
        evaluate(ReadingTagger(), catalogue, split="all")


def test_other_photos_of_the_same_products(catalogue, tmp_path):
    larger = tmp_path / "larger"
    larger.mkdir()
    photo_saying(BLUE, SHIRT, (300, 400)).save(larger / "2.webp", lossless=True)
    found = evaluate(ReadingTagger(), catalogue, split="all", photos=larger)
    assert found.judged["articleType"].right.all()
    assert found.sizes[2].tolist() == [300, 400]
    assert found.sizes[0].tolist() == [6, 8]
    strangers = tmp_path / "strangers"
    strangers.mkdir()
    photo_saying(BLUE, SHIRT).save(strangers / "other.png")
    with pytest.raises(HangtagError, match="no photo is named by an id"):
        evaluate(ReadingTagger(), catalogue, split="all", photos=strangers)


def test_another_shops_words_are_translated(tmp_path):
    rows = [
        {"kind": "top", "says": (RED, SHIRT)},
        {"kind": "anything", "says": (RED, SHIRT)},
        {"kind": "sock", "says": (RED, SHIRT)},
    ]
    table = write_catalogue(tmp_path / "shop", rows)
    words = Translation(
        column="kind",
        attribute="articleType",
        values={"top": ["Shirts"], "anything": ["Shirts", "Shoes"]},
    )
    found = evaluate(ReadingTagger(translations=[words]), table, split="all")
    assert found.judged["articleType"].known.tolist() == [True, True, False]
    assert found.judged["articleType"].actual(1) == "Shirts|Shoes"


def test_labels_are_grouped_and_dropped_as_in_the_models_recipe(tmp_path):
    rows = [
        product("Crimson", "Shirts", (RED, SHIRT)),
        product("Navy", "Kurtas", (BLUE, SHIRT)),
    ]
    recipe = Recipe(
        attributes=["baseColour", "articleType"],
        groups=[Grouping(attribute="baseColour", groups={"Red": ["Crimson"], "Blue": ["Navy"]})],
        rare=[RareValues(attribute="articleType", fewer_than=10)],
    )
    tagger = ReadingTagger(recipe=recipe.model_dump(mode="json"))
    found = evaluate(tagger, write_catalogue(tmp_path / "shop", rows), split="all")
    assert found.judged["baseColour"].right.tolist() == [True, True]
    assert found.judged["articleType"].known.tolist() == [True, False]


def test_slices_part_the_photos(catalogue):
    slices = evaluate(ReadingTagger(), catalogue, split="all").numbers["slices"]
    photos = {(one["by"], one["name"]): one["photos"] for one in slices}
    assert photos["year", "2011"] == 1
    assert photos["year", "2012"] == 2
    assert photos["photo size", "1–100 px"] == 4
    # Nothing is known of training here.
    assert not any(by == "article type" for by, _ in photos)
    later = next(one for one in slices if one["name"] == "2012")
    assert later["accuracies"]["articleType"]["value"] == 0.5


def test_rare_types_are_those_of_the_models_own_train_part(catalogue):
    found = evaluate(ReadingTagger(), catalogue, split="all")
    counted = replace(found, training_counts=Counter(Shirts=50, Shoes=49))
    names = {name: inside.sum() for by, name, inside in counted.slices() if by == "article type"}
    assert names == {"under 50 in this catalogue's train part": 2, "50 or more": 2}


def test_colours_of_no_group_are_not_judged_by_groups(tmp_path):
    rows = [
        product("Red|Maroon", "Shirts", (RED, SHIRT)),
        product("Plaid", "Shirts", (RED, SHIRT)),
        product("Red|Plaid", "Shirts", (RED, SHIRT)),
    ]
    found = evaluate(ReadingTagger(), write_catalogue(tmp_path / "shop", rows), split="all")
    assert found.judged["colourGroup"].known.tolist() == [True, False, False]
    assert found.judged["colourGroup"].actual(0) == "red"


def test_models_of_other_photos_and_other_values_are_not_mixed_up(catalogue):
    first = evaluate(ReadingTagger(), catalogue, split="all")
    fewer = replace(first, rows=first.rows[:0])
    assert overlap(first, fewer) == 0
    types = first.judged["articleType"]
    wider = replace(types, attribute=Attribute("articleType", ("Shirts", "Sandals")))
    second = replace(first, judged={**first.judged, "articleType": wider})
    assert "articleType" not in compare(first, second)
    assert (
        "different values (2 and 2, 1 of them the same)"
        in incomparable(first, second)["articleType"]
    )
    assert [one.name for one in told_apart([first, second])] == ["reader (1)", "reader (2)"]


def test_decisions_follow_the_models_thresholds(catalogue):
    thresholds = {"articleType": {0.95: 0.85, 0.99: 2.0}}
    tagger = ReadingTagger(calibration=Calibration(thresholds=thresholds))
    found = evaluate(tagger, catalogue, split="all").numbers
    strict, stricter = found["attributes"]["articleType"]["decisions"]
    assert (strict["coverage"], strict["precision"]) == (0.25, 1)
    assert stricter == {"target": 0.99, "threshold": None, "coverage": 0, "precision": None}


def test_two_models_are_compared_photo_by_photo(catalogue, tmp_path):
    other = tmp_path / "better"
    other.mkdir()
    photo_saying(BLUE, SHIRT).save(other / "2.png")
    first = evaluate(ReadingTagger(), catalogue, split="all")
    second = evaluate(ReadingTagger(), catalogue, split="all", photos=other)
    row = compare(first, second)["articleType"]
    assert (row["only_first"], row["only_second"], row["photos"]) == (0, 1, 4)
    assert (row["first"], row["second"]) == (0.75, 1)
    assert row["p_value"] == row["adjusted"] == 1


def test_json_has_every_number_and_no_nan(catalogue):
    text = evaluate(ReadingTagger(), catalogue, split="all").to_json()
    numbers = json.loads(text, parse_constant=pytest.fail)
    assert numbers["photos"] == 4
    assert {"scores", "classes", "reliability", "coverage_curve"} <= set(
        numbers["attributes"]["articleType"]
    )


@pytest.mark.parametrize(
    ("split", "message"), [("tests", "no split 'tests'"), ("validation", "no photos in the")]
)
def test_a_part_that_is_not_there(tmp_path, split, message):
    table = write_catalogue(tmp_path / "one", [product("Red", "Shirts", (RED, SHIRT))])
    if split == "validation" and assign(read_catalogue(table))[0] == "validation":
        split = "test"
    with pytest.raises(HangtagError, match=message):
        evaluate(ReadingTagger(), table, split=split)


def test_a_trained_model_on_the_test_part(tiny_model, drawn_catalogue):
    seen = []
    catalogue = read_catalogue(drawn_catalogue)
    found = evaluate(tiny_model, catalogue, progress=lambda *told: seen.append(told))
    parts = assign(catalogue)
    assert set(parts[found.rows]) == {"test"}
    assert len(found.rows) == (parts == "test").sum()
    assert seen[-1] == ("tagging photos", len(found.rows), len(found.rows))
    assert found.numbers["attributes"]["articleType"]["scores"]["accuracy"]["value"] > 0.5
