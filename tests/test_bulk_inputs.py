"""What the tag command accepts as photos, and what it says about what is none."""

import io
import json
import os
import struct
import sys
import tracemalloc
import zipfile
from pathlib import Path

import polars
import pytest

from hangtag.bulk import inputs, listing
from hangtag.bulk.inputs import Inputs, Item
from hangtag.errors import HangtagError
from hangtag.photo import Limits, PhotoError, read_photo
from tiny_photos import photo_bytes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.png", "a.JPG", "deep/er/c.webp", ".hidden/d.png", "notes.md", "deep/.e.png"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photo_bytes())
    return tmp_path / "photos"


def names(*sources: object, **options) -> list[str]:
    return [item.photo for item in Inputs([str(source) for source in sources], **options)]


def test_a_folder_is_searched_at_any_depth(folder: Path):
    expected = [str(folder / name) for name in ("a.JPG", "b.png", "deep/er/c.webp")]
    assert names(folder) == expected
    assert names(folder, folder / "b.png") == [*expected, str(folder / "b.png")]


def test_named_files_are_taken_whatever_their_names(folder: Path):
    assert names(folder / "notes.md") == [str(folder / "notes.md")]


def test_globs(folder: Path):
    assert names(folder / "*.png") == [str(folder / "b.png")]
    assert names(folder / "**" / "c.*") == [str(folder / "deep/er/c.webp")]
    with pytest.raises(HangtagError, match="matches no file"):
        names(folder / "*.gif")


def test_globs_of_any_depth_take_each_photo_once(folder: Path, monkeypatch: pytest.MonkeyPatch):
    (folder / "deep" / "loop").symlink_to(folder)
    (folder / "linked").symlink_to(folder / "deep")
    photos = [str(folder / name) for name in ("a.JPG", "b.png", "deep/er/c.webp")]
    assert names(folder / "**") == photos
    assert names(folder / "**" / "er") == photos[2:]
    assert names(folder / "**" / "*.*p*") == photos[1:]
    assert names(folder / "*" / "*") == photos[2:]
    assert names(folder / "d*") == photos[2:]
    with pytest.raises(HangtagError, match="matches no file"):
        names(folder / "l*")
    monkeypatch.chdir(folder)
    assert names("**/c.*") == names("*/*/*") == names("d*/**") == ["deep/er/c.webp"]


def test_folders_that_cannot_be_listed_are_rows(folder: Path, monkeypatch: pytest.MonkeyPatch):
    scan = os.scandir

    def locked(path: str) -> object:
        if path.endswith("er"):
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(listing.os, "scandir", locked)
    for source in (folder, folder / "**", folder / "**" / "*.[pJ]*"):
        *photos, lost = Inputs([str(source)])
        assert [Path(item.photo).name for item in photos] == ["a.JPG", "b.png"]
        assert lost.photo == str(folder / "deep" / "er")
        with pytest.raises(PhotoError, match="er: can't be listed; check the folder's rights"):
            lost.source()
    (alone,) = Inputs([str(folder / "deep" / "er")])
    assert alone.place is None
    with pytest.raises(HangtagError, match="can't be listed"):
        names(folder / "deep" / "er" / "*.webp")


def test_photos_that_are_left_out_are_counted(tmp_path: Path):
    for name in ("a.jfif", "b.JPE", "c.jif", "d.heic", "e.HEIF"):
        (tmp_path / name).write_bytes(photo_bytes())
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("./in/a.png", photo_bytes(7))
        archive.writestr("./b.heic", b"")
        archive.writestr("./.c.png", b"")
    assert names(tmp_path) == [str(tmp_path / name) for name in ("a.jfif", "b.JPE", "c.jif")]
    for source, count in ((tmp_path, 2), (tmp_path / "**", 2), (tmp_path / "photos.zip", 1)):
        (note,) = Inputs([str(source)]).survey().notes
        assert note.startswith(f"{count} photos left out that end in .heic or .heif")
    (member,) = Inputs([str(tmp_path / "photos.zip")])
    assert member.photo == f"{tmp_path}/photos.zip/in/a.png"
    assert (read_photo(member.source()) == 7).all()
    (tmp_path / "phone").mkdir()
    (tmp_path / "phone" / "a.heic").touch()
    with pytest.raises(HangtagError, match=r"no photos there; 1 photos left out"):
        Inputs([str(tmp_path / "phone")]).survey()


def test_a_file_whose_name_looks_like_a_pattern(tmp_path: Path):
    path = tmp_path / "shirt [1].png"
    path.write_bytes(photo_bytes())
    assert names(path) == [str(path)]


def test_a_zip(tmp_path: Path):
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("in/a.png", photo_bytes(7))
        archive.writestr("in/readme.txt", "no photo")
        archive.writestr("__MACOSX/in/a.png", b"")
    (item,) = Inputs([str(path)])
    assert item.photo == f"{path}/in/a.png"
    assert (read_photo(item.source()) == 7).all()
    with pytest.raises(PhotoError, match="no such file in the zip"):
        Item("x", "gone.png", str(path)).source()


@pytest.mark.parametrize(
    "packed", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_a_zip_bomb_is_not_unpacked(packed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(inputs, "DEFAULT_LIMITS", Limits(max_bytes=100_000))
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w", packed) as archive:
        archive.writestr("bomb.png", bytes(200_000))
        archive.writestr("good.png", photo_bytes(7))
    bomb, good = Inputs([str(path)])
    with pytest.raises(PhotoError, match="200,000 bytes are more than the 100,000 allowed"):
        bomb.source()
    assert (read_photo(good.source()) == 7).all()


def test_a_zip_that_has_changed_is_read_anew(tmp_path: Path):
    path = tmp_path / "photos.zip"
    for shade, name in ((7, "first.png"), (9, "second.png")):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(name, photo_bytes(shade))
        (item,) = Inputs([str(path)])
        assert item.place == name
        assert (read_photo(item.source()) == shade).all()


def test_damaged_zips(tmp_path: Path):
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("ä.png", bytes(5000))
    data = path.read_bytes()
    start = data.index("ä.png".encode()) + len("ä.png".encode())
    path.write_bytes(data[: start + 9] + b"\xff" * 8 + data[start + 17 :])
    (item,) = Inputs([str(path)])
    with pytest.raises(PhotoError, match="can't be unpacked"):
        item.source()
    path.write_bytes(data.replace("ä.png".encode(), b"\xff\xff.png"))
    with pytest.raises(HangtagError, match="not a complete zip"):
        names(path)


def test_a_zip_that_lies_about_sizes_takes_little_memory(tmp_path: Path):
    size = 2**26
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.png", bytes(size))
    data = path.read_bytes()
    path.write_bytes(data.replace(struct.pack("<L", size), struct.pack("<L", 1000)))
    (bomb,) = Inputs([str(path)])
    tracemalloc.start()
    with pytest.raises(PhotoError, match="can't be unpacked"):
        bomb.source()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < size // 8


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".parquet", ".jsonl", ".txt"])
def test_tables_and_lists(ending: str, tmp_path: Path):
    rows = {"sku": ["1", "2", "3"], "image": ["a, 1.png", "/abs/b.png", "http://h/c.png"]}
    table = polars.DataFrame(rows)
    path = tmp_path / f"table{ending}"
    match ending:
        case ".csv":
            table.write_csv(path)
        case ".tsv":
            table.write_csv(path, separator="\t")
        case ".parquet":
            table.write_parquet(path)
        case ".jsonl":
            table.write_ndjson(path)
        case ".txt":
            path.write_text("\n".join(rows["image"]) + "\n\n")
    items = list(Inputs([str(path)]))
    assert [item.photo for item in items] == rows["image"]
    places = [item.place for item in items]
    assert places == [str(tmp_path / "a, 1.png"), "/abs/b.png", "http://h/c.png"]
    assert Inputs([str(path)]).survey().remote


def test_the_column_of_photos(tmp_path: Path):
    path = tmp_path / "table.csv"
    path.write_text("front,back\n1.png,2.png\n")
    assert names(path, photo_column="back") == ["2.png"]
    with pytest.raises(HangtagError, match="no column 'side'; there are front, back"):
        names(path, photo_column="side")
    with pytest.raises(HangtagError, match="no column of photos"):
        names(path)
    assert Inputs([str(path)], "back").survey().notes == ()
    (tmp_path / "list.txt").write_text("1.png\n")
    (note,) = Inputs([str(tmp_path / "list.txt")], "back").survey().notes
    assert note == "photo column 'back' not used: there is no table"


def test_a_table_with_ids_and_a_folder_of_images(tmp_path: Path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "7.jpg").write_bytes(photo_bytes())
    path = tmp_path / "styles.csv"
    path.write_text("id,gender\n7,Men\n8,Women\n")
    found, missing = Inputs([str(path)])
    assert found.source() == tmp_path / "images" / "7.jpg"
    with pytest.raises(PhotoError, match="no photo of product 8"):
        missing.source()


def test_rows_without_a_photo_stay_rows(tmp_path: Path):
    path = tmp_path / "table.csv"
    path.write_text("sku,photo\n1,a.png\n2,\n3\n4,b.png\n")
    items = list(Inputs([str(path)]))
    assert [item.photo for item in items] == ["a.png", "", "", "b.png"]
    for item, row in zip(items[1:3], (2, 3), strict=True):
        with pytest.raises(PhotoError, match=f"row {row} names no photo"):
            item.source()
    lines = tmp_path / "table.jsonl"
    lines.write_text(json.dumps({"photo": "a.png"}) + "\nnot json\n[1]\n")
    assert names(lines) == ["a.png", "", ""]


def test_odd_texts_of_tables(tmp_path: Path):
    (tmp_path / "wide.csv").write_text("photo\nä.png\n", encoding="utf-16")
    assert names(tmp_path / "wide.csv") == ["ä.png"]
    (tmp_path / "marked.csv").write_text("photo;sku\nä.png;1\n", encoding="utf-8-sig")
    assert names(tmp_path / "marked.csv") == ["ä.png"]
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(HangtagError, match="not a Parquet file"):
        names(tmp_path / "broken.parquet")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(HangtagError, match=r"empty\.csv"):
        names(tmp_path / "empty.csv")


def test_a_stray_quote_swallows_no_rows(tmp_path: Path):
    path = tmp_path / "table.csv"
    rows = [f"{number}.jpg,plain" for number in range(3000)]
    path.write_text("\n".join(["photo,name", 'dress.jpg,"5 inch heel', *rows]) + "\n")
    assert names(path) == ["dress.jpg", *(row.partition(",")[0] for row in rows)]
    path.write_text('photo,name\na.jpg,"two\nlines"\n,\nb.jpg,x\n')
    assert names(path) == ["a.jpg", "b.jpg"]
    path.write_text("name,photo\nx,a, b.jpg\n")
    assert names(path) == ["a, b.jpg"]


def test_a_huge_cell(tmp_path: Path):
    path = tmp_path / "table.csv"
    path.write_text(f"photo,text\na.jpg,{'x' * 140_000}\nb.jpg,y\n")
    assert names(path) == ["a.jpg", "b.jpg"]


def test_tables_find_photos_as_catalogues_do(tmp_path: Path):
    for name in ("images/shoe.jpg", "images/watch.PNG", "watch/strap.jpg", "Levi’s ä.jpg"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(photo_bytes(50))
    table = tmp_path / "table.csv"
    cells = ["images\\shoe.jpg", "shoe.jpg", "watch", "Levi’s ä.jpg"]
    table.write_text("\n".join(["photo", *cells]), encoding="cp1252")
    items = list(Inputs([str(table)]))
    assert [item.photo for item in items] == cells
    assert all((read_photo(item.source()) == 50).all() for item in items)


def test_standard_input_can_be_listed_twice(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a.png\n\nb \xff.png\n")))
    listed = Inputs(["-"])
    assert listed.survey().total == 2
    assert [item.photo for item in listed] == ["a.png", "b \udcff.png"]


def test_a_survey_recognises_the_same_inputs(folder: Path):
    first = Inputs([str(folder)]).survey()
    assert first.total == 3
    assert not first.remote
    assert Inputs([str(folder)]).survey() == first
    (folder / "another.png").write_bytes(photo_bytes())
    assert Inputs([str(folder)]).survey().digest != first.digest


def test_nothing_to_tag(tmp_path: Path):
    with pytest.raises(HangtagError, match="no photos there"):
        Inputs([str(tmp_path)]).survey()
