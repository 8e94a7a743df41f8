"""The editable table of a review."""

import reviewing
from hangtag.app.grid import RIGHT, doubtful_first, row, take_over

NAMES = ["articleType", "subCategory", "baseColour"]


def test_a_row_says_what_to_review():
    assert row(reviewing.doubtful(), NAMES)["open"] == ["baseColour"]
    assert row(reviewing.doubtful(), NAMES)[RIGHT] is False
    assert row(reviewing.sure(), NAMES)[RIGHT] is True


def test_a_row_of_one_attribute_shows_the_models_guesses():
    cells = row(reviewing.doubtful(), ["baseColour"])
    assert (cells["baseColour"], cells["confidence"], cells["decided by"]) == (
        "Navy Blue",
        0.55,
        "open",
    )
    assert cells["others"] == [("Blue", 0.4), ("Red", 0.05)]


def test_the_most_doubtful_come_first_and_broken_photos_not_at_all():
    photos = [reviewing.sure(), reviewing.broken(), reviewing.doubtful()]
    assert [photo.key for photo in doubtful_first(photos, NAMES)] == ["doubtful", "sure"]
    assert [photo.key for photo in doubtful_first(photos, ["articleType"])] == ["sure", "doubtful"]


def test_an_edited_cell_corrects_and_a_tick_confirms():
    photos = [reviewing.sure(), reviewing.doubtful()]
    review = reviewing.review(*photos)
    edits = {0: {"baseColour": "Red"}, 1: {RIGHT: True}}
    assert take_over(review, photos, NAMES, edits, {}) is False
    assert photos[0].tags["baseColour"].value == "Red"
    assert photos[1].tags["baseColour"].decided_by == "person"
    assert photos[1].tags["articleType"].decided_by == "model"


def test_removing_the_tick_takes_decisions_back():
    photo = reviewing.doubtful()
    review = reviewing.review(photo)
    taken: dict[tuple[int, str], object] = {}
    take_over(review, [photo], NAMES, {0: {RIGHT: True}}, taken)
    take_over(review, [photo], NAMES, {0: {RIGHT: False}}, taken)
    assert photo.tags["baseColour"].open


def test_earlier_edits_are_not_applied_again():
    photo = reviewing.doubtful()
    review = reviewing.review(photo)
    taken: dict[tuple[int, str], object] = {}
    take_over(review, [photo], NAMES, {0: {"baseColour": "Red"}}, taken)
    review.reopen("doubtful", "baseColour")
    take_over(review, [photo], NAMES, {0: {"baseColour": "Red", "articleType": "Shirts"}}, taken)
    assert photo.tags["baseColour"].value == "Navy Blue"


def test_a_cell_overtaken_by_taking_its_row_back_asks_for_a_new_table():
    photo = reviewing.sure()
    review = reviewing.review(photo)
    taken: dict[tuple[int, str], object] = {}
    assert not take_over(review, [photo], NAMES, {0: {"articleType": "Heels"}}, taken)
    assert take_over(review, [photo], NAMES, {0: {"articleType": "Heels", RIGHT: False}}, taken)
    assert photo.tags["articleType"].value == "Tshirts"
