"""What a person decides about the model's tags."""

import pytest

import reviewing
from hangtag.app.review import Review, ReviewedPhoto


def keys(photos: list[ReviewedPhoto]) -> list[str]:
    return [photo.key for photo in photos]


def test_a_correction_is_a_persons_and_settles_the_tag():
    review = reviewing.review(reviewing.doubtful())
    review.correct("doubtful", "baseColour", "Blue")
    tag = review.photos["doubtful"].tags["baseColour"]
    assert (tag.value, tag.decided_by, tag.corrected, tag.open) == ("Blue", "person", True, False)
    assert tag.suggestion.value == "Navy Blue"


def test_choosing_the_models_own_value_confirms_it():
    review = reviewing.review(reviewing.doubtful())
    review.correct("doubtful", "baseColour", "Navy Blue")
    tag = review.photos["doubtful"].tags["baseColour"]
    assert (tag.decided_by, tag.corrected, tag.open) == ("person", False, False)


def test_confirming_a_photo_leaves_accepted_tags_to_the_model():
    review = reviewing.review(reviewing.doubtful())
    review.confirm("doubtful")
    tags = review.photos["doubtful"].tags
    assert {name: tag.decided_by for name, tag in tags.items()} == {
        "articleType": "model",
        "subCategory": "model",
        "baseColour": "person",
    }


def test_taking_back_a_decision_brings_the_suggestion_back():
    review = reviewing.review(reviewing.doubtful())
    review.correct("doubtful", "baseColour", "Red")
    review.reopen("doubtful", "baseColour")
    tag = review.photos["doubtful"].tags["baseColour"]
    assert (tag.value, tag.decided_by, tag.open) == ("Navy Blue", "model", True)


def test_a_corrected_article_type_brings_its_category_along():
    review = reviewing.review(reviewing.sure())
    review.correct("sure", "articleType", "Heels")
    category = review.photos["sure"].tags["subCategory"]
    assert (category.value, category.decided_by) == ("Shoes", "person")


def test_an_article_type_of_the_same_category_leaves_that_to_the_model():
    review = reviewing.review(reviewing.sure())
    review.correct("sure", "articleType", "Shirts")
    assert review.photos["sure"].tags["subCategory"].decided_by == "model"


def test_a_category_that_contradicts_the_article_type_opens_it_for_review():
    review = reviewing.review(reviewing.sure())
    review.correct("sure", "subCategory", "Shoes")
    assert review.photos["sure"].open_attributes == ["articleType"]


def decided(review: Review, *names: str) -> list[tuple[str | None, str]]:
    tags = review.photos["sure"].tags
    return [(tags[name].value, tags[name].decided_by) for name in names]


def test_an_article_type_taken_back_takes_its_category_along():
    review = reviewing.review(reviewing.sure())
    review.correct("sure", "articleType", "Heels")
    review.reopen("sure", "articleType")
    assert decided(review, "articleType", "subCategory") == [
        ("Tshirts", "model"),
        ("Topwear", "model"),
    ]
    assert review.photos["sure"].open_attributes == []


def test_a_second_article_type_leaves_nothing_of_the_first():
    review = reviewing.review(reviewing.sure())
    review.correct("sure", "articleType", "Heels")
    review.correct("sure", "articleType", "Shirts")
    assert decided(review, "subCategory") == [("Topwear", "model")]


def test_an_article_type_leaves_a_category_that_a_person_decided():
    review = reviewing.review(reviewing.sure())
    review.correct("sure", "subCategory", "Topwear")
    review.correct("sure", "articleType", "Heels")
    assert decided(review, "subCategory") == [("Topwear", "person")]
    review.reopen("sure", "articleType")
    assert decided(review, "subCategory") == [("Topwear", "person")]


def test_a_category_taken_back_settles_the_article_type_that_it_opened():
    review = reviewing.review(reviewing.sure())
    review.correct("sure", "subCategory", "Shoes")
    review.reopen("sure", "subCategory")
    assert review.photos["sure"].open_attributes == []


def test_a_category_taken_back_is_open_beside_an_article_type_that_it_contradicts():
    review = reviewing.review(reviewing.sure())
    review.correct("sure", "articleType", "Heels")
    review.reopen("sure", "subCategory")
    assert decided(review, "subCategory") == [("Topwear", "model")]
    assert review.photos["sure"].open_attributes == ["subCategory"]


def test_a_tag_can_be_taken_away():
    review = reviewing.review(reviewing.sure())
    review.correct("sure", "articleType", None)
    assert review.photos["sure"].tags["articleType"].value is None
    assert review.photos["sure"].tags["subCategory"].value == "Topwear"


def test_words_outside_of_the_vocabulary_are_refused():
    review = reviewing.review(reviewing.sure())
    with pytest.raises(ValueError, match="Blau"):
        review.correct("sure", "baseColour", "Blau")


def test_problems_come_first_then_the_most_doubtful():
    review = reviewing.review(reviewing.sure(), reviewing.doubtful(), reviewing.broken())
    assert keys(review.find()) == ["broken", "doubtful", "sure"]
    assert keys(review.find(doubtful_first=False)) == ["sure", "doubtful", "broken"]


def test_filters_narrow_the_list():
    review = reviewing.review(reviewing.sure(), reviewing.doubtful(), reviewing.broken())
    assert keys(review.find("to review")) == ["doubtful"]
    assert keys(review.find("problems")) == ["broken"]
    assert keys(review.find("decided by a person")) == []
    assert keys(review.find(values={"baseColour": ["Blue"]})) == ["sure"]
    assert keys(review.find(values={"baseColour": ["Blue", "Navy Blue"]})) == ["doubtful", "sure"]
    assert keys(review.find(values={"baseColour": []}, name="BROK")) == ["broken"]


def test_filters_go_by_the_value_that_holds():
    review = reviewing.review(reviewing.sure(), reviewing.doubtful())
    review.correct("doubtful", "baseColour", "Blue")
    assert len(review.find(values={"baseColour": ["Blue"]})) == 2
    assert review.used("baseColour") == [("Blue", 2)]
    assert keys(review.find("decided by a person")) == ["doubtful"]


def test_counts_say_how_far_the_review_is():
    review = reviewing.review(reviewing.sure(), reviewing.doubtful(), reviewing.broken())
    review.correct("sure", "baseColour", "Red")
    counts = review.counts()
    assert (counts.photos, counts.problems, counts.tags) == (3, 1, 6)
    assert (counts.open, counts.by_person, counts.corrected) == (1, 1, 1)
    assert review.open_counts() == {"articleType": 0, "subCategory": 0, "baseColour": 1}
