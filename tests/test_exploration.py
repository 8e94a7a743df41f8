"""What an exploration says about catalogues whose faults are known."""

import json
from pathlib import Path

import pytest

from drawing import draw_garment
from hangtag.catalogue import Catalogue, read_catalogue
from hangtag.consistency import among_copies, children_as_adults, outvoted
from hangtag.errors import HangtagError
from hangtag.exploration import Exploration, explore

HEADER = "id,photo,productDisplayName,gender,masterCategory,subCategory,articleType,baseColour,year"


def catalogue_of(folder: Path, *rows: str, header: str = HEADER) -> Catalogue:
    draw_garment("Shirts", "Blue").save(folder / "shirt.png")
    draw_garment("Heels", "Red").save(folder / "heel.png")
    table = folder / "table.csv"
    table.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return read_catalogue(table)


@pytest.fixture
def faulty(tmp_path: Path) -> Catalogue:
    return catalogue_of(
        tmp_path,
        "1,shirt.png,Blue shirt,Men,Apparel,Topwear,Shirts,Blue,2011",
        "2,shirt.png,Kids blue shirt,Men,Apparel,Topwear,Shirts,Navy Blue,2011",
        "3,heel.png,Heels,Women,Footwear,Shoes,Heels,,2012",
        "4,heel.png,Heels,Women,Apparel,Shoes,Heels,Red,",
        "5,heel.png,Heels,Women,Footwear,Shoes,Heels,NA,2012",
        "6,gone.png,Shirt,Boys,Apparel,Topwear,Shirts,Blue,2012",
    )


def by_name(found: Exploration, name: str):
    return next(one for one in found.attributes if one.name == name)


def test_classes_and_gaps_are_counted(faulty: Catalogue) -> None:
    found = explore(faulty)
    colour = by_name(found, "baseColour")
    assert [(one.value, one.count) for one in colour.classes] == [
        ("Blue", 2),
        ("Navy Blue", 1),
        ("Red", 1),
    ]
    assert colour.missing == 2
    assert colour.missing_share == pytest.approx(2 / 6)
    assert [(one.value, one.count, one.share) for one in colour.missing_in] == [
        ("Footwear", 2, 1.0)
    ]
    assert colour.imbalance == 2
    assert by_name(found, "gender").imbalance == 3
    assert colour.examples["Blue"] == [0]
    assert "6 products, 5 of them with a readable photo." in found.summary


def test_the_taxonomy_is_a_tree_and_what_contradicts_it_is_listed(faulty: Catalogue) -> None:
    found = explore(faulty)
    assert found.taxonomy_levels == ["masterCategory", "subCategory", "articleType"]
    apparel = next(one for one in found.taxonomy if one.value == "Apparel")
    assert apparel.count == 4
    assert [(one.value, one.count) for one in apparel.below] == [("Topwear", 3), ("Shoes", 1)]
    [conflict] = found.taxonomy_conflicts
    assert (conflict.id, conflict.given, conflict.suggested) == ("4", "Apparel", "Footwear")


def test_children_labelled_as_adults_are_found_by_their_names(tmp_path: Path) -> None:
    rows = [
        ("Kids Blue Shirt", "Men", "Boys"),
        ("Palm Tree Girl's Skirt", "Women", "Girls"),
        ("Infant Cap", "Men", "Boys"),
        ("Baby Blue Shirt", "Women", None),
        ("Boy Shorts Brief", "Women", None),
        ("Playboy Scent", "Men", None),
        ("Kids Blue Shirt", "Boys", None),
        ("Kidswear", "Unisex", None),
    ]
    products = catalogue_of(
        tmp_path,
        *(f"{number},shirt.png,{name},{gender}" for number, (name, gender, _) in enumerate(rows)),
        header="id,photo,name,gender",
    )
    found = {one.row: one.suggested for one in children_as_adults(products)}
    assert found == {row: said for row, (_, _, said) in enumerate(rows) if said}


def test_copies_and_their_disagreements_are_counted(faulty: Catalogue) -> None:
    copies = explore(faulty).copies
    assert copies.exact == [[0, 1], [2, 3, 4]]
    assert copies.surplus == 3
    assert copies.exact_disagreements["baseColour"] == 1
    assert copies.exact_disagreements["masterCategory"] == 1
    assert copies.exact_disagreements["gender"] == 0


def test_the_majority_of_copies_outvotes_a_label(faulty: Catalogue) -> None:
    odds = among_copies(faulty, [[0, 1], [2, 3, 4]])
    [master] = outvoted(odds["masterCategory"])
    assert (master.row, master.given, master.suggested) == (3, "Apparel", "Footwear")
    # One against one: both are suspicious, neither is believed.
    assert [(one.row, one.suggested) for one in outvoted(odds["baseColour"])] == [(0, ""), (1, "")]


def test_pairs_are_crossed_as_asked(faulty: Catalogue) -> None:
    table = explore(faulty, crossed=[("year", "gender")]).cross_tables[0]
    assert table.row_values == ["2011", "2012"]
    assert table.column_values == ["Women", "Men", "Boys"]
    assert table.counts == [[0, 2, 0], [2, 0, 1]]
    with pytest.raises(HangtagError, match="fabric"):
        explore(faulty, crossed=[("gender", "fabric")])


def test_photos_that_are_odd_or_cannot_be_read_are_listed(tmp_path: Path) -> None:
    draw_garment("Shirts", "Blue", size=(60, 60)).save(tmp_path / "square.png")
    draw_garment("Shirts", "Blue").convert("L").save(tmp_path / "grey.png")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xffno photo")
    names = ["shirt.png", "heel.png", "square.png", "grey.png", "broken.jpg", "gone.jpg"]
    photos = explore(
        catalogue_of(
            tmp_path,
            *(f"{number},{name}" for number, name in enumerate(names)),
            header="id,photo",
        )
    ).photos
    assert photos.readable == 4
    assert [one.photo for one in photos.odd] == ["square.png", "grey.png"]
    assert [one.photo for one in photos.unreadable] == ["broken.jpg"]
    assert photos.without == [5]
    assert {one.value: one.count for one in photos.sizes} == {"60 × 80": 3, "60 × 60": 1}
    assert sum(photos.byte_counts) == 4


def test_free_text_is_not_taken_for_classes(tmp_path: Path) -> None:
    rows = [f"{number},shirt.png,about {number},A" for number in range(40)]
    found = explore(catalogue_of(tmp_path, *rows, header="id,photo,description,kind"))
    assert by_name(found, "description").free_text
    assert not by_name(found, "kind").free_text


def test_json_holds_it_all(faulty: Catalogue) -> None:
    found = explore(faulty)
    assert Exploration.model_validate(json.loads(found.to_json())) == found
