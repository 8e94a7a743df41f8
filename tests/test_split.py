import csv
from collections import Counter
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from PIL import Image

from hangtag.catalogue import read_catalogue
from hangtag.errors import HangtagError
from hangtag.split import Kind, assign, assign_all, part_of


def test_the_shares_are_80_10_10() -> None:
    counts = Counter(part_of(str(number)) for number in range(20_000))
    assert counts["train"] == pytest.approx(16_000, rel=0.02)
    assert counts["validation"] == pytest.approx(2_000, rel=0.1)
    assert counts["test"] == pytest.approx(2_000, rel=0.1)


def _with_copies(folder: Path, source: Path, copies: int) -> Path:
    """The first products of a catalogue, and re-compressed, brightened copies of their photos."""
    (folder / "images").mkdir(parents=True)
    rows = list(csv.reader((source / "styles.csv").open(encoding="utf-8")))
    header, products = rows[0], rows[1 : copies + 1]
    with (folder / "styles.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(products)
        for number, row in enumerate(products):
            writer.writerow([str(900_000 + number), *row[1:]])
    for number, row in enumerate(products):
        photo = Image.open(source / "images" / f"{row[0]}.jpg").convert("RGB")
        photo.save(folder / "images" / f"{row[0]}.jpg", quality=95)
        brighter = photo.point(lambda value: min(255, round(value * 1.03)))
        brighter.save(folder / "images" / f"{900_000 + number}.jpg", quality=85)
    return folder


def test_copies_stay_together(drawn_catalogue: Path, tmp_path: Path) -> None:
    catalogue = read_catalogue(_with_copies(tmp_path / "copies", drawn_catalogue, 60))
    parts = assign(catalogue)
    has_photo = catalogue.table["photo"].is_not_null().to_numpy()
    both = has_photo[:60] & has_photo[60:]
    assert both.sum() > 50
    assert (parts[:60] == parts[60:])[both].all()


def test_rows_that_come_later_move_none_of_the_earlier(
    drawn_catalogue: Path, tmp_path: Path
) -> None:
    before = assign(read_catalogue(_with_copies(tmp_path / "few", drawn_catalogue, 40)))
    after = assign(read_catalogue(_with_copies(tmp_path / "more", drawn_catalogue, 80)))
    assert (before[:40] == after[:40]).all()


@pytest.mark.parametrize("kind", ["random", "temporal"])
def test_copies_in_another_catalogue_have_the_part_of_the_first(
    kind: Kind, drawn_catalogue: Path, tmp_path: Path
) -> None:
    catalogue = read_catalogue(drawn_catalogue)
    before = assign(catalogue, kind)
    photos = {row: photo for row, photo in enumerate(catalogue.table["photo"].to_list()) if photo}
    rows = list(photos)[:150]
    for number, row in enumerate(rows):
        photo = Image.open(drawn_catalogue / photos[row]).convert("RGB")
        photo.save(tmp_path / f"other-{number:03}.jpg", quality=85)
    Image.effect_noise((60, 80), 90).convert("RGB").save(tmp_path / "stranger.png")
    extra = read_catalogue(tmp_path)
    parts = assign_all([catalogue, extra], kind)
    assert (parts[0] == before).all()
    known = {product: row for row, product in enumerate(extra.table["id"])}
    where = [known[f"other-{number:03}"] for number in range(len(rows))]
    assert (parts[1][where] == before[rows]).all()
    assert (assign(extra)[where] != before[rows]).any()
    assert parts[1][known["stranger"]] == part_of("stranger")


def test_a_temporal_split_tests_on_odd_years(drawn_catalogue: Path) -> None:
    catalogue = read_catalogue(drawn_catalogue)
    parts = assign(catalogue, "temporal")
    years = catalogue.table["year"].to_numpy()
    assert set(years[parts == "test"] % 2) == {1}
    assert not np.any(years[parts != "test"] % 2 == 1)
    assert {"train", "validation"} <= set(parts)


def test_a_temporal_split_needs_years(tmp_path: Path) -> None:
    Image.new("RGB", (20, 30), "red").save(tmp_path / "1.png")
    with pytest.raises(HangtagError, match="no years"):
        assign(read_catalogue(tmp_path), "temporal")


def test_a_misspelt_split_is_named(drawn_catalogue: Path) -> None:
    with pytest.raises(HangtagError, match="--split temproal: no such split; there are random, te"):
        assign(read_catalogue(drawn_catalogue), cast(Kind, "temproal"))
