"""What a person takes away from a review."""

import io
import json
import zipfile
from pathlib import Path

import polars
import pytest

import drawing
import reviewing
from hangtag import read_catalogue
from hangtag.app import exports
from hangtag.app.review import Review, ReviewedPhoto

NAMES = [attribute.name for attribute in reviewing.ATTRIBUTES]


@pytest.fixture
def review() -> Review:
    review = reviewing.review(reviewing.sure(), reviewing.doubtful(), reviewing.broken())
    review.correct("sure", "baseColour", "Red")
    return review


def test_csv_says_who_decided_what(review: Review):
    written = exports.to_csv(review.photos.values(), NAMES)
    table = polars.read_csv(io.BytesIO(written))
    assert table["photo"].to_list() == ["sure.jpg", "doubtful.jpg", "broken.jpg"]
    assert table["baseColour"].to_list() == ["Red", "Navy Blue", None]
    assert table["baseColour_suggested"].to_list() == ["Blue", "Navy Blue", None]
    assert table["baseColour_decided_by"].to_list() == ["person", "model", None]
    assert table["baseColour_decision"].to_list() == ["accept", "review", None]
    assert table["baseColour_confidence"].to_list() == [None, 0.55, None]
    assert table["error"].to_list() == [None, None, "broken.jpg: no photo; leave it out"]


def test_csv_shows_its_encoding_to_excel(review: Review):
    assert exports.to_csv(review.photos.values(), NAMES).startswith("\ufeffphoto,".encode())


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_csv_holds_no_formulas_from_file_names(start: str):
    bad = ReviewedPhoto("bad", f"{start}1.jpg", error=f"{start}1.jpg: no photo; leave it out")
    written = exports.to_csv([reviewing.sure(name="a=1.jpg"), bad], NAMES)
    table = polars.read_csv(io.BytesIO(written))
    assert table["photo"].to_list() == ["a=1.jpg", f"'{start}1.jpg"]
    assert table["error"].to_list() == [None, f"'{start}1.jpg: no photo; leave it out"]


def test_json_has_the_form_of_photo_tags(review: Review):
    first, second, third = json.loads(exports.to_json(review.photos.values()))
    assert first["tags"]["baseColour"]["value"] == "Red"
    assert first["tags"]["baseColour"]["decided_by"] == "person"
    assert second["tags"]["baseColour"] == {
        "value": "Navy Blue",
        "confidence": 0.55,
        "decision": "review",
        "decided_by": "model",
        "suggested": "Navy Blue",
        "alternatives": [
            {"value": "Blue", "confidence": 0.4},
            {"value": "Red", "confidence": 0.05},
        ],
    }
    assert third == {
        "photo": "broken.jpg",
        "tags": {},
        "model": None,
        "error": "broken.jpg: no photo; leave it out",
        "known_product": None,
        "turned": 0,
    }


def test_a_workbook_holds_the_table_and_no_formulas():
    photo = reviewing.sure(name="=1+1.jpg")
    workbook = exports.to_excel([photo], NAMES)
    with zipfile.ZipFile(io.BytesIO(workbook)) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml").decode()
        texts = archive.read("xl/sharedStrings.xml").decode()
    assert "<f>" not in sheet
    assert "=1+1.jpg" in texts
    assert "baseColour_decided_by" in texts


def photo_file(folder: Path, name: str, kind: str) -> Path:
    file = folder / name
    drawing.draw_garment("Tshirts", "Blue").save(file, kind)
    return file


def test_a_catalogue_reads_back_with_the_settled_tags(tmp_path: Path):
    jpeg = photo_file(tmp_path, "one", "JPEG")
    png = photo_file(tmp_path, "two", "PNG")
    review = reviewing.review(
        reviewing.sure("1", "shop/1163.jpg", jpeg),
        reviewing.doubtful("2", png),
        reviewing.sure("3", "1163.png", png),
        reviewing.broken(),
    )
    review.correct("1", "baseColour", "Red")
    file = tmp_path / "catalogue.zip"
    with file.open("wb") as out:
        assert exports.write_catalogue(review.photos.values(), NAMES, out) == 3
    catalogue = read_catalogue(file, check_photos=True)
    assert catalogue.problems == []
    assert catalogue.table["id"].to_list() == ["1163", "2", "1163-2"]
    assert catalogue.labels("baseColour") == ["Red", None, "Blue"]
    assert catalogue.labels("articleType") == ["Tshirts"] * 3
    assert catalogue.table["name"].to_list() == ["shop/1163.jpg", "2.jpg", "1163.png"]


def test_a_catalogue_may_hold_a_persons_tags_only(tmp_path: Path):
    jpeg = photo_file(tmp_path, "one", "JPEG")
    review = reviewing.review(
        reviewing.sure("1", "1.jpg", jpeg), reviewing.sure("2", "2.jpg", jpeg)
    )
    review.correct("1", "baseColour", "Red")
    file = tmp_path / "catalogue.zip"
    with file.open("wb") as out:
        assert exports.write_catalogue(review.photos.values(), NAMES, out, labels="person") == 1
    catalogue = read_catalogue(file)
    assert catalogue.labels("baseColour") == ["Red"]
    assert catalogue.labels("articleType") == [None]


def test_a_catalogue_leaves_out_photos_whose_files_are_gone(tmp_path: Path):
    jpeg = photo_file(tmp_path, "one", "JPEG")
    photos = [
        reviewing.sure("1", "1.jpg", tmp_path / "gone"),
        reviewing.sure("2", "2.jpg", jpeg),
        reviewing.broken(),
    ]
    assert [photo.key for photo in exports.missing(photos)] == ["1"]
    file = tmp_path / "catalogue.zip"
    with file.open("wb") as out:
        assert exports.write_catalogue(photos, NAMES, out) == 1
    assert read_catalogue(file, check_photos=True).table["id"].to_list() == ["2"]
