from hangtag.attributes import COLOUR_GROUPS, Taxonomy, colour_group, vocabulary


def test_the_vocabulary_lists_values_by_frequency_and_no_partial_labels() -> None:
    labels = ["Tops", None, "Shirts", "Tops", "Tops|Tunics", "Caps"]
    assert vocabulary("articleType", labels).values == ("Tops", "Caps", "Shirts")


def test_a_type_has_the_parents_that_most_of_its_rows_state() -> None:
    def row(article_type: str, sub: str | None) -> dict[str, str | None]:
        return {"articleType": article_type, "subCategory": sub, "masterCategory": "Apparel"}

    stated = [("Shirts", "Topwear"), ("Shirts", "Belts"), ("Shirts", "Topwear"), ("Jeans", None)]
    taxonomy = Taxonomy.learn([row(*pair) for pair in stated])
    assert taxonomy.levels == ("subCategory", "masterCategory")
    assert taxonomy.parent("Shirts", "subCategory") == "Topwear"
    assert taxonomy.parent("Jeans", "subCategory") is None


def test_every_colour_is_in_one_of_eleven_groups() -> None:
    colours = [colour for group in COLOUR_GROUPS.values() for colour in group]
    assert len(COLOUR_GROUPS) == 11
    assert len(colours) == len(set(colours)) == 46
    assert colour_group("Navy Blue") == "blue"
    assert colour_group("Multi") == "other"
    assert colour_group("Plaid") is None
    assert colour_group("Blue|Navy Blue") == "blue"
    assert colour_group("Navy Blue|Red|Teal") == "blue|red"
    assert colour_group("Blue|Plaid") is None
