import numpy as np
import polars
import pytest

from hangtag.attributes import Attribute
from hangtag.catalogue import Catalogue
from hangtag.labels import encode, read_labels, relabel
from hangtag.recipe import Translation
from hangtag.recipe_file import parse_recipe


def test_words_of_another_catalogue_become_partial_labels(tmp_path) -> None:
    table = polars.DataFrame({"id": ["1", "2", "3"], "label": ["Longsleeve", "Sofa", None]})
    catalogue = Catalogue(table, tmp_path, [], ["label"])
    translation = Translation(
        column="label", attribute="articleType", values={"Longsleeve": ["Tshirts", "Tops"]}
    )
    labels = read_labels(catalogue, ["articleType", "gender"], [translation])
    assert labels == {"articleType": ["Tshirts|Tops", None, None], "gender": [None] * 3}


def test_own_labels_come_before_translated_ones(tmp_path) -> None:
    table = polars.DataFrame(
        {"id": ["1", "2", "3"], "label": ["Shoes"] * 3, "articleType": ["Heels", None, "Flats"]}
    )
    catalogue = Catalogue(table, tmp_path, [], ["label", "articleType"])
    translation = Translation(
        column="label", attribute="articleType", values={"Shoes": ["Heels", "Flats"]}
    )
    labels = read_labels(catalogue, ["articleType"], [translation])
    assert labels["articleType"] == ["Heels", "Heels|Flats", "Flats"]


def test_encoding_marks_what_a_label_allows() -> None:
    attribute = Attribute("type", ("Tops", "Tshirts", "Caps"))
    allowed = encode(["Caps", "Tshirts|Tops", None, "Sofa"], attribute)
    assert allowed.tolist() == [
        [False, False, True],
        [True, True, False],
        [False, False, False],
        [False, False, False],
    ]


COLOURS = ["Navy Blue", "Black", "Blue|Black", None, "Lime Green"]
TYPES = ["Shirts", "Shirts", "Caps", "Shirts", "Ties"]
GENDERS = ["Men", "Men", "Women", "Women", None]


@pytest.mark.parametrize(
    ("rules", "attribute", "expected"),
    [
        (
            '[[groups]]\nattribute = "baseColour"\n[groups.groups]\nblue = ["Blue", "Navy Blue"]\n'
            'black = ["Black"]',
            "baseColour",
            ["blue", "black", "blue|black", None, None],
        ),
        (
            '[[rare]]\nattribute = "articleType"\nfewer_than = 2\ninto = "other"',
            "articleType",
            ["Shirts", "Shirts", "other", "Shirts", "other"],
        ),
        (
            '[[rare]]\nattribute = "articleType"\nfewer_than = 2',
            "articleType",
            ["Shirts", "Shirts", None, "Shirts", None],
        ),
        (
            '[[combine]]\nname = "both"\nattributes = ["articleType", "gender"]\nmost_frequent = 1',
            "both",
            ["Shirts-Men", "Shirts-Men", None, None, None],
        ),
    ],
)
def test_a_recipes_rules_change_labels(rules, attribute, expected) -> None:
    labels = {"baseColour": COLOURS, "articleType": TYPES, "gender": GENDERS}
    changed = relabel(labels, parse_recipe(rules, "test"), np.ones(5, bool))
    assert changed[attribute] == expected


def test_each_value_of_a_partial_label_is_rare_or_not() -> None:
    labels: list[str | None] = [*["Shirts"] * 3, *["Caps"] * 2, "Ties", "Bow Ties"]
    labels += ["Shirts|Caps", "Shirts|Ties", "Ties|Bow Ties", "Caps|Caps"]
    counted = np.ones(len(labels), bool)

    def rare(into: str) -> list[str | None]:
        rule = f'[[rare]]\nattribute = "articleType"\nfewer_than = 2\n{into}'
        return relabel({"articleType": labels}, parse_recipe(rule, "test"), counted)["articleType"]

    assert rare('into = "other"')[5:] == [
        *("other", "other", "Shirts|Caps", "Shirts|other", "other", "Caps")
    ]
    assert rare("")[5:] == [None, None, "Shirts|Caps", "Shirts", None, "Caps"]


def test_only_training_rows_decide_what_is_rare() -> None:
    rules = parse_recipe('[[rare]]\nattribute = "articleType"\nfewer_than = 2', "test")
    counted = np.array([True, False, True, False, True])
    assert relabel({"articleType": TYPES}, rules, counted)["articleType"] == [None] * 5
