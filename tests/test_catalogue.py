"""Reading catalogues: every layout, every repair, and every error."""

import io
import json
import multiprocessing
import os
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars
import pytest

from drawing import HEADER, draw_broken_photos, draw_catalogue, draw_garment
from hangtag.catalogue import Catalogue, read_catalogue
from hangtag.errors import HangtagError

PUBLIC = ["gender", "masterCategory", "subCategory", "articleType", "baseColour", "season", "usage"]
ROW = "1,Men,Apparel,Topwear,Tshirts,Red,Summer,2012,Casual,Plain shirt"
DATA = Path(os.environ.get("HANGTAG_DATA", Path(__file__).parents[2] / "shared" / "data"))


def photo_file(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    draw_garment("Caps", "Red", seed=seed).save(path)
    return path


def public_folder(folder: Path, *rows: str, photos: tuple[str, ...] = ()) -> Path:
    """A catalogue in the public layout, from lines of its table."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "styles.csv").write_text("\n".join([",".join(HEADER), *rows]) + "\n")
    for photo in photos:
        photo_file(folder / "images" / photo)
    return folder


def zipped(folder: Path, target: Path, prefix: str = "") -> Path:
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, prefix + path.relative_to(folder).as_posix())
    return target


def found(catalogue: Catalogue) -> list[tuple[str, int | None]]:
    return [(problem.kind, problem.line) for problem in catalogue.problems]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_catalogue(tmp_path_factory.mktemp("drawn"), 24, seed=1)


class TestPublicDataset:
    def test_folder(self, drawn: Path):
        catalogue = read_catalogue(drawn)
        assert catalogue.table.columns == ["id", "photo", "name", "year", *PUBLIC]
        assert catalogue.attributes == PUBLIC
        assert catalogue.table.schema["year"] == polars.Int64
        assert catalogue.summary() == "24 products, 24 with photos"
        first = catalogue.table.row(0, named=True)
        assert (first["id"], first["photo"]) == ("1000", "images/1000.jpg")
        assert catalogue.photo_bytes(first["photo"]) == (drawn / first["photo"]).read_bytes()

    def test_zip_folder_and_table_agree(self, drawn: Path, tmp_path: Path):
        folder = read_catalogue(drawn)
        archive = read_catalogue(zipped(drawn, tmp_path / "a.zip"))
        table = read_catalogue(drawn / "styles.csv")
        assert archive.table.equals(folder.table)
        assert table.table.equals(folder.table)
        photo = folder.table["photo"][3]
        assert archive.photo_bytes(photo) == table.photo_bytes(photo) == folder.photo_bytes(photo)

    def test_the_copy_inside_the_zip_is_not_read_twice(self, drawn: Path, tmp_path: Path):
        path = zipped(drawn, tmp_path / "a.zip", prefix="fashion-product-images-small/")
        with zipfile.ZipFile(path, "a") as archive:
            for name in list(archive.namelist()):
                top, rest = name.split("/", 1)
                archive.writestr(f"{top}/myntradataset/{rest}", archive.read(name))
            archive.writestr("__MACOSX/styles.csv", b"junk")
        catalogue = read_catalogue(path)
        assert len(catalogue) == 24
        assert catalogue.table["photo"][0] == "fashion-product-images-small/images/1000.jpg"

    def test_photos_may_have_another_ending(self, tmp_path: Path):
        path = public_folder(tmp_path, ROW, photos=("1.PNG",))
        assert read_catalogue(path).table["photo"].to_list() == ["images/1.PNG"]

    def test_missing_labels_but_a_product_named_na(self, tmp_path: Path):
        rows = ("1,Men,NA,, nan ,N/A,null,,None,NA", "2,Men,a,b,c,d,e,2012.0,f,")
        catalogue = read_catalogue(public_folder(tmp_path, *rows, photos=("1.jpg", "2.jpg")))
        for attribute in PUBLIC[1:]:
            assert catalogue.labels(attribute)[0] is None
        assert catalogue.labels("gender") == ["Men", "Men"]
        assert catalogue.table["name"].to_list() == ["NA", None]
        assert catalogue.table["year"].to_list() == [None, 2012]

    def test_unknown_attribute(self, drawn: Path):
        with pytest.raises(HangtagError, match=r"no attribute 'colour'; there are gender, "):
            read_catalogue(drawn).labels("colour")


class TestRepair:
    def test_unquoted_commas_in_the_name(self, tmp_path: Path):
        rows = (ROW.replace("Plain shirt", "Tie, Cufflink, and Square"), ROW.replace("1,", "2,", 1))
        catalogue = read_catalogue(public_folder(tmp_path, *rows, photos=("1.jpg", "2.jpg")))
        assert catalogue.table["name"].to_list() == ["Tie, Cufflink, and Square", "Plain shirt"]
        assert found(catalogue) == [("repaired-row", 2)]
        assert catalogue.summary() == "2 products, 2 with photos; 1 row repaired"

    def test_empty_surplus_fields_are_nothing(self, tmp_path: Path):
        catalogue = read_catalogue(public_folder(tmp_path, ROW + ",,", photos=("1.jpg",)))
        assert catalogue.table["name"].to_list() == ["Plain shirt"]
        assert catalogue.problems == []

    def test_quotes_commas_and_line_ends_in_quotes(self, tmp_path: Path):
        rows = (
            ROW.replace("Plain shirt", '"A ""fine"", long\nshirt"'),
            ROW.replace("1,", "2,", 1).replace("Plain", 'Plain "blue"'),
        )
        catalogue = read_catalogue(public_folder(tmp_path, *rows, photos=("1.jpg",)))
        assert catalogue.table["name"].to_list() == ['A "fine", long\nshirt', 'Plain "blue" shirt']
        assert found(catalogue) == [("missing-photo", 4)]

    @pytest.mark.parametrize("column", ["Plain", "Tshirts"])
    def test_a_stray_quote_swallows_no_rows(self, column: str, tmp_path: Path):
        rows = [f"{number},{ROW[2:]}" for number in range(1, 6)]
        rows[1] = rows[1].replace(column, '"' + column)
        rows[3] = rows[3].replace(column, '"' + column)
        names = tuple(f"{number}.jpg" for number in range(1, 6))
        catalogue = read_catalogue(public_folder(tmp_path, *rows, photos=names))
        assert catalogue.table["id"].to_list() == ["1", "2", "3", "4", "5"]
        assert catalogue.problems == []

    def test_too_few_fields(self, tmp_path: Path):
        path = public_folder(tmp_path, "7,Men", "", ROW, photos=("1.jpg",))
        catalogue = read_catalogue(path)
        assert found(catalogue) == [("malformed-row", 2)]
        assert catalogue.problems[0].file == f"{path}/styles.csv"
        assert "2 fields instead of 10" in catalogue.problems[0].message
        assert catalogue.summary() == "1 product, 1 with photos; 1 malformed row left out"

    def test_duplicates_missing_ids_and_missing_photos(self, tmp_path: Path):
        rows = (ROW, ROW.replace("Red", "Blue"), ROW[1:], ROW.replace("1,", "2,", 1))
        catalogue = read_catalogue(public_folder(tmp_path, *rows, photos=("1.jpg",)))
        kinds = [("duplicate-id", 3), ("malformed-row", 4), ("missing-photo", 5)]
        assert found(catalogue) == kinds
        assert catalogue.labels("baseColour") == ["Red", "Red"]
        assert catalogue.table["photo"].to_list() == ["images/1.jpg", None]
        assert catalogue.summary() == (
            "2 products, 1 with photos; "
            "1 malformed row left out, 1 duplicate left out, 1 photo missing"
        )

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
    def test_encodings(self, encoding: str, tmp_path: Path):
        photo_file(tmp_path / "é.jpg")
        (tmp_path / "a.csv").write_bytes("photo,couleur\né.jpg,bleuté\n".encode(encoding))
        catalogue = read_catalogue(tmp_path / "a.csv")
        assert catalogue.labels("couleur") == ["bleuté"]
        assert catalogue.problems == []

    def test_nul_bytes(self, tmp_path: Path):
        photo_file(tmp_path / "a.jpg")
        (tmp_path / "a.csv").write_bytes(b"photo,label\na.jpg,C\0ap\n")
        assert read_catalogue(tmp_path / "a.csv").labels("label") == ["Cap"]


class TestTables:
    ROWS = ({"image": "p/a.jpg", "label": "Cap"}, {"image": "p/b.png", "label": None})

    def write(self, path: Path) -> Path:
        frame = polars.DataFrame(self.ROWS).with_columns(kids=True, sizes=[1, 2])
        if path.suffix == ".parquet":
            frame.write_parquet(path)
        elif path.suffix == ".jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in self.ROWS))
        else:
            separator = {".tsv": "\t", ".csv": ";"}[path.suffix]
            frame.drop("sizes").write_csv(path, separator=separator)
        return path

    @pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.parquet", "t.jsonl"])
    @pytest.mark.parametrize("packed", ["table", "folder", "zip"])
    def test_every_format(self, name: str, packed: str, tmp_path: Path):
        folder = tmp_path / "catalogue"
        photo_file(folder / "p" / "a.jpg")
        photo_file(folder / "p" / "b.png")
        path = self.write(folder / name)
        if packed == "folder":
            path = folder
        elif packed == "zip":
            path = zipped(folder, tmp_path / "t.zip", prefix="inside/")
        catalogue = read_catalogue(path)
        assert catalogue.table["id"].to_list() == ["a", "b"]
        assert catalogue.labels("label") == ["Cap", None]
        assert catalogue.problems == []
        for photo in catalogue.table["photo"]:
            assert len(catalogue.photo_bytes(photo)) > 100

    def test_columns_that_are_no_attributes(self, tmp_path: Path):
        photo_file(tmp_path / "a.jpg")
        (tmp_path / "t.csv").write_text(
            ",SKU,File Name,Title,Year,Sleeve Length\n0,x1,a.jpg,NaN,2020,Long\n"
        )
        catalogue = read_catalogue(tmp_path / "t.csv")
        assert catalogue.attributes == ["Sleeve Length"]
        assert catalogue.table.row(0) == ("x1", "a.jpg", "NaN", 2020, "Long")

    def test_photo_column_by_name(self, tmp_path: Path):
        photo_file(tmp_path / "a.jpg")
        (tmp_path / "t.csv").write_text("front,label\na.jpg,Cap\n")
        assert read_catalogue(tmp_path / "t.csv", photo_column="front").attributes == ["label"]
        with pytest.raises(HangtagError, match="no column 'back'; there are front, label"):
            read_catalogue(tmp_path / "t.csv", photo_column="back")

    def test_photos_by_name_alone_or_absolute(self, tmp_path: Path):
        photo_file(tmp_path / "images" / "a.jpg")
        elsewhere = photo_file(tmp_path / "elsewhere" / "b.jpg")
        (tmp_path / "t.csv").write_text(f"photo\na\nimages\\a.jpg\n{elsewhere}\nimages/none.jpg\n")
        catalogue = read_catalogue(tmp_path / "t.csv")
        assert [*catalogue.table["photo"]] == ["images/a.jpg", str(elsewhere), None]
        assert [*catalogue.table["id"]] == ["a", "b", "none"]
        assert found(catalogue) == [("duplicate-id", 3), ("missing-photo", 5)]

    def test_a_line_that_is_no_json(self, tmp_path: Path):
        photo_file(tmp_path / "a.jpg")
        (tmp_path / "t.jsonl").write_text('{"photo": "a.jpg", "label": 3}\n{"photo": \n[1]\n')
        catalogue = read_catalogue(tmp_path / "t.jsonl")
        assert catalogue.labels("label") == ["3"]
        assert found(catalogue) == [("malformed-row", 2), ("malformed-row", 3)]


class TestPhotosAlone:
    @pytest.mark.parametrize("packed", [False, True])
    def test_folder_and_zip(self, packed: bool, tmp_path: Path):
        folder = tmp_path / "photos"
        for name in ("1.jpg", "deep/er/2.webp", "deep/1.jpg", ".hidden/3.jpg", "4.JPEG"):
            photo_file(folder / name)
        (folder / "notes.txt").write_text("no photo")
        path = zipped(folder, tmp_path / "photos.zip") if packed else folder
        catalogue = read_catalogue(path)
        assert sorted(catalogue.table["id"]) == ["1", "2", "4", "deep/1"]
        assert catalogue.attributes == []
        assert catalogue.summary() == "4 products, 4 with photos"

    def test_same_name_with_two_endings(self, tmp_path: Path):
        photo_file(tmp_path / "1.jpg")
        photo_file(tmp_path / "1.png")
        assert [*read_catalogue(tmp_path).table["id"]] == ["1.jpg", "1.png"]


class TestCheckingPhotos:
    def test_unreadable_photos_are_named(self, tmp_path: Path):
        seen: list[tuple[int, int]] = []
        catalogue = read_catalogue(
            draw_broken_photos(tmp_path), check_photos=True, progress=lambda *at: seen.append(at)
        )
        problems = {problem.photo: problem.message for problem in catalogue.problems}
        assert set(problems) == {"truncated.jpg", "text.jpg", "empty.jpg"}
        assert all(message.startswith(photo) for photo, message in problems.items())
        assert catalogue.table["photo"].null_count() == 3
        assert catalogue.summary() == "8 products, 5 with photos; 3 photos unreadable"
        assert seen == [(done, 8) for done in range(1, 9)]

    def test_damaged_zip_member(self, tmp_path: Path):
        photo_file(tmp_path / "p" / "a.jpg")
        path = zipped(tmp_path / "p", tmp_path / "a.zip")
        data = path.read_bytes()
        path.write_bytes(data.replace(data[100:110], b"0123456789", 1))
        catalogue = read_catalogue(path, check_photos=True)
        assert found(catalogue) == [("unreadable-photo", None)]
        assert "a.zip/a.jpg: can't be unpacked" in catalogue.problems[0].message


def _sizes(catalogue: Catalogue, photos: list[str], result) -> None:
    result.put([len(catalogue.photo_bytes(photo)) for photo in photos])


class TestReadingInParallel:
    @pytest.fixture
    def archive(self, drawn: Path, tmp_path: Path) -> Catalogue:
        return read_catalogue(zipped(drawn, tmp_path / "a.zip"))

    def test_threads(self, archive: Catalogue, drawn: Path):
        photos = archive.table["photo"].to_list() * 8
        with ThreadPoolExecutor(8) as pool:
            read = list(pool.map(archive.photo_bytes, photos))
        assert read == [(drawn / photo).read_bytes() for photo in photos]

    @pytest.mark.parametrize(
        "method", sorted({"fork", "spawn"} & {*multiprocessing.get_all_start_methods()})
    )
    def test_processes(self, method: str, archive: Catalogue, drawn: Path):
        photos = archive.table["photo"].to_list()
        archive.photo_bytes(photos[0])
        context = multiprocessing.get_context(method)
        result = context.Queue()
        workers = [context.Process(target=_sizes, args=(archive, photos, result)) for _ in range(2)]
        for worker in workers:
            worker.start()
        for _ in workers:
            sizes = result.get(timeout=60)
            assert sizes == [(drawn / photo).stat().st_size for photo in photos]
        for worker in workers:
            worker.join()


class TestMoreColumns:
    def test_joined_by_id(self, drawn: Path, tmp_path: Path):
        (tmp_path / "more.csv").write_text("id,Neck,name\n1001,Round,x\n1001,V,x\n9,V,x\n1000,,x\n")
        catalogue = read_catalogue(drawn)
        joined = catalogue.with_columns_from(tmp_path / "more.csv")
        assert joined.attributes == [*PUBLIC, "Neck"]
        assert joined.labels("Neck")[:3] == [None, "Round", None]
        assert joined.table.drop("Neck").equals(catalogue.table)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("Neck\nV\n", "no id column to join by; there are Neck"),
            ("id,Neck\n5,V\n", "none of its ids"),
            ("id,gender\n1000,Men\n", "gender in .* already"),
            ("id,gender\n5,Men\n", "none of its ids"),
        ],
    )
    def test_errors(self, text: str, message: str, drawn: Path, tmp_path: Path):
        (tmp_path / "more.csv").write_text(text)
        with pytest.raises(HangtagError, match=message):
            read_catalogue(drawn).with_columns_from(tmp_path / "more.csv")


class TestErrors:
    def expect(self, path: Path, message: str) -> None:
        with pytest.raises(HangtagError, match=message) as error:
            read_catalogue(path)
        assert "\n" not in str(error.value)
        assert str(path) in str(error.value)

    def test_no_such_file(self, tmp_path: Path):
        self.expect(tmp_path / "none.zip", "no such file or folder")

    def test_no_photos_anywhere(self, tmp_path: Path):
        self.expect(tmp_path, "neither a table .* nor photos")

    @pytest.mark.parametrize(
        ("name", "data", "message"),
        [
            ("a.xlsx", b"x", "not a table that can be read; give a .csv"),
            ("a.csv", b"", "the file is empty"),
            ("a.csv", b"photo,label\n", "no products in it"),
            ("a.csv", b"colour,label\nred,Cap\n", "no column of photos; .*: colour, label"),
            ("a.csv", b"id,label\n7,Cap\n", "no column of photos among id, label"),
            ("a.csv", b"photo,x,x\na.jpg,1,2\n", "column 'x' occurs twice"),
            ("a.jsonl", b"[1]\n", "no line holds a JSON object"),
            ("a.parquet", b"no parquet", "not a Parquet file"),
            ("a.zip", b"PK no zip", "not a complete zip"),
        ],
    )
    def test_bad_files(self, name: str, data: bytes, message: str, tmp_path: Path):
        (tmp_path / name).write_bytes(data)
        self.expect(tmp_path / name, message)

    def test_truncated_zip(self, drawn: Path, tmp_path: Path):
        path = zipped(drawn, tmp_path / "a.zip")
        path.write_bytes(path.read_bytes()[:-500])
        self.expect(path, "not a complete zip")

    def test_several_tables(self, tmp_path: Path):
        for name in ("a.csv", "b.csv"):
            (tmp_path / name).write_text("photo\nx.jpg\n")
        self.expect(tmp_path, "several tables, a.csv, b.csv; give the path of one")

    def test_missing_member_and_file(self, drawn: Path, tmp_path: Path):
        for path in (drawn, zipped(drawn, tmp_path / "a.zip")):
            with pytest.raises(HangtagError, match=r"images/none.jpg: "):
                read_catalogue(path).photo_bytes("images/none.jpg")

    def test_encrypted_zip(self, tmp_path: Path):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("a.jpg", b"x")
        data = bytearray(file.getvalue())
        for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            data[data.index(signature) + flags] |= 1
        (tmp_path / "a.zip").write_bytes(data)
        with pytest.raises(HangtagError, match=r"a.zip/a.jpg: can't be unpacked .*encrypted"):
            read_catalogue(tmp_path / "a.zip").photo_bytes("a.jpg")


@pytest.mark.skipif(not DATA.is_dir(), reason="the real data isn't here; see HANGTAG_DATA")
class TestRealData:
    def test_public_dataset(self):
        catalogue = read_catalogue(DATA / "fashion-product-images-small.zip")
        summary = "40,019 products, 40,014 with photos; 22 rows repaired, 5 photos missing"
        assert catalogue.summary() == summary
        assert catalogue.attributes == PUBLIC
        assert "NA" in set(catalogue.table["name"])
        detailed = catalogue.with_columns_from(DATA / "details.csv")
        assert len(detailed) == len(catalogue)
        assert "Sleeve Length" in detailed.attributes

    @pytest.mark.parametrize(
        ("name", "count", "attributes"),
        [
            ("real-world.zip", 4251, ["label", "kids"]),
            ("larger.zip", 30653, []),
            ("full-size.zip", 40, []),
        ],
    )
    def test_other_zips(self, name: str, count: int, attributes: list[str]):
        catalogue = read_catalogue(DATA / name)
        assert len(catalogue) == count
        assert catalogue.attributes == attributes
        assert catalogue.problems == []
