"""Tables in reports, model cards and benchmarks are Markdown that every reader shows alike."""

from hangtag.markdown import table


def test_words_stand_on_the_left_and_numbers_on_the_right() -> None:
    assert table(
        ["model", "photos", "right"], [["default", "own", 91.2]], words=(0, 1)
    ).splitlines() == [
        "| model | photos | right |",
        "| --- | --- | --: |",
        "| default | own | 91.2 |",
    ]


def test_a_bar_in_a_cell_doesnt_begin_another() -> None:
    assert table(["label"], [["Heels|Flats"]]).splitlines()[-1] == r"| Heels\|Flats |"
