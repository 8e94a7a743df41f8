"""Reports on catalogues, ordinary and odd, and the command that makes them."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from drawing import draw_garment
from hangtag.catalogue import Catalogue, read_catalogue
from hangtag.cli import app
from hangtag.reports.explore import run


def catalogue_of(folder: Path, text: str) -> Catalogue:
    draw_garment("Shirts", "Blue").save(folder / "shirt.png")
    table = folder / "table.csv"
    table.write_text(text, encoding="utf-8")
    return read_catalogue(table)


def test_every_section_is_filled(drawn_catalogue: Path) -> None:
    report = run(read_catalogue(drawn_catalogue))
    page, found = report.to_html(), report.found
    for anchor in ("attributes", "classes", "missing", "taxonomy", "crossed", "years", "photos"):
        section = page.split(f'<section id="{anchor}">')[1].split("</section>")[0]
        assert re.search(r"<table|<svg|<ul>", section), anchor
    assert "data:image/webp" in page.split('<section id="examples">')[1]
    assert found.rows == 600
    # Nothing is fetched from elsewhere.
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", page)


@pytest.mark.parametrize(
    "text",
    [
        "id,photo\n1,shirt.png\n",
        "id,photo,kind\n1,shirt.png,only\n2,shirt.png,only\n",
        "id,photo,gender,season\n1,shirt.png,,\n2,shirt.png,NA,\n",
        "id,photo,gender\n1,gone.png,Men\n",
        "id,photo,gender,season,year\n1,shirt.png,Men,,2011\n2,shirt.png,,Fall,2012\n",
    ],
    ids=["one photo", "one class", "no labels", "no photos", "nothing together"],
)
def test_little_catalogues_render(tmp_path: Path, text: str) -> None:
    page = run(catalogue_of(tmp_path, text)).to_html()
    assert page.count("<section") == page.count("</section>") == 10


def test_what_was_not_checked_is_not_called_right(tmp_path: Path) -> None:
    header = "id,photo,masterCategory,articleType"
    text = f"{header}\n1,shirt.png,Apparel,Shirts\n2,shirt.png,Footwear,Shirts\n"
    page = run(catalogue_of(tmp_path, text)).to_html()
    assert "contradict it was not checked" in page
    assert "No product contradicts it" not in page
    page = run(catalogue_of(tmp_path, "id,photo,kind\n1,shirt.png,a\n2,shirt.png,\n")).to_html()
    assert "Where was not checked" in page


def test_foreign_and_repeated_ids_of_further_columns_are_problems(tmp_path: Path) -> None:
    catalogue = catalogue_of(tmp_path, "id,photo\n1,shirt.png\n2,shirt.png\n")
    more = tmp_path / "more.csv"
    more.write_text("id,neck\n1,round\n1,v\n9,round\n,v\n", encoding="utf-8")
    joined = catalogue.with_columns_from(more)
    assert joined.labels("neck") == ["round", None]
    assert [(one.kind, one.line) for one in joined.problems] == [
        ("duplicate-id", 3),
        ("foreign-id", 4),
        ("malformed-row", 5),
    ]
    assert "1 row of another product left out" in joined.summary()
    assert "the catalogue has no product 9" in run(joined).to_html()


def test_texts_from_the_catalogue_stay_texts(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>$x^{$&"
    rows = "".join(f'{number},shirt.png,"{evil}",{evil}\n' for number in range(3))
    header = "id,photo,<b>kind</b>,productname"
    page = run(catalogue_of(tmp_path, f"{header}\n{rows}")).to_html()
    assert "<script>alert" not in page
    assert "<b>kind" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_five_hundred_attributes_render(tmp_path: Path) -> None:
    names = ",".join(f"attribute {number}" for number in range(500))
    rows = "".join(
        f"{row},shirt.png," + ",".join(f"v{(row + number) % 3}" for number in range(500)) + "\n"
        for row in range(6)
    )
    report = run(catalogue_of(tmp_path, f"id,photo,{names}\n{rows}"))
    page = report.to_html()
    assert len(report.found.attributes) == 500
    assert "attribute 499" in page
    assert "476 more attributes are not drawn" in page


def test_the_command_writes_the_page_and_prints_the_numbers(
    drawn_catalogue: Path, tmp_path: Path
) -> None:
    page = tmp_path / "report.html"
    arguments = ["explore", str(drawn_catalogue), "-o", str(page), "--json"]
    result = CliRunner().invoke(app, [*arguments, "--cross", "gender:usage"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["cross_tables"][0]["columns"] == "usage"
    assert "usage by gender" in page.read_text() or "gender by usage" in page.read_text()


def test_the_command_wants_somewhere_to_put_the_report(drawn_catalogue: Path) -> None:
    result = CliRunner().invoke(app, ["explore", str(drawn_catalogue)])
    assert result.exit_code == 2
    assert "--json" in result.output
