"""Products' ids tell the order in which they came into the catalogue."""

import pytest

from hangtag.sequence import sequence


@pytest.mark.parametrize(
    ("ids", "places"),
    [
        (["1164", "990", "1163"], [2, 0, 1]),
        (["SKU-10", "SKU-9", "SKU-9b", "DRESS-11"], [3, 1, 2, 0]),
        (["7", "a", "", "7"], [1, 3, 0, 2]),
        ([], []),
    ],
)
def test_numbers_in_ids_are_in_order(ids: list[str], places: list[int]) -> None:
    assert sequence(ids).tolist() == places
