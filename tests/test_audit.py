"""Wrong labels are found, and corrected in a copy with a log."""

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars
import pytest
from benchmarks.planted_errors import plant
from typer.testing import CliRunner

from drawing import draw_garment
from hangtag.audit import Finding, audit, components, suspicious
from hangtag.catalogue import Catalogue, read_catalogue
from hangtag.cli import app
from hangtag.consistency import against_taxonomy
from hangtag.corrections import (
    corrected,
    read_findings,
    write_corrected,
    write_findings,
)
from hangtag.errors import HangtagError
from hangtag.product_names import Names
from hangtag.reports.audit import contact_sheet
from hangtag.reports.audit_run import run as run_audit

TABLE = """id,photo,productDisplayName,gender,masterCategory,subCategory,articleType,baseColour,year
1,images/a.png,Blue shirt,Men,Apparel,Topwear,Shirts,Blue,2011
2,images/a.png,"Kids shirt, blue",Men,Apparel,Topwear,Shirts,Navy Blue,2011
3,images/b.png,Heels,Women,Footwear,Shoes,Heels,Red,2012
4,images/b.png,Heels,Women,Apparel,Shoes,Heels,Red,
5,images/b.png,Heels,Women,Footwear,Shoes,Shirts,,2012
6,gone.png,Heels,Women,Footwear,Shoes,Heels,Red,2012
"""


@pytest.fixture
def faulty(tmp_path: Path) -> Catalogue:
    folder = tmp_path / "original"
    (folder / "images").mkdir(parents=True)
    draw_garment("Shirts", "Blue").save(folder / "images" / "a.png")
    draw_garment("Heels", "Red").save(folder / "images" / "b.png")
    (folder / "styles.csv").write_text(TABLE, encoding="utf-8")
    return read_catalogue(folder)


def finding(catalogue: Catalogue, row: int, attribute: str, suggested: str, score: float = 1.0):
    given = catalogue.table[attribute][row] or ""
    product = catalogue.table["id"][row]
    return Finding(row, product, "", attribute, given, suggested, score, "model", "looks like it")


def clusters(labels: Sequence[str | None], seed: int = 0) -> np.ndarray:
    """Features of rows that lie around the middle of their class."""
    dice = np.random.default_rng(seed)
    middles = {label: dice.normal(size=16) * 3 for label in sorted({one or "" for one in labels})}
    return np.stack([middles[label or ""] + dice.normal(size=16) for label in labels])


def test_planted_errors_are_found_and_put_right() -> None:
    truth = ["Shirts", "Jeans", "Heels"] * 100
    others = {"Shirts": "Jeans", "Jeans": "Heels", "Heels": "Shirts"}
    wrong = {row: others[truth[row]] for row in range(0, 300, 17)}
    labels = [wrong.get(row, label) for row, label in enumerate(truth)]
    features = components(clusters(truth))
    found = suspicious(features, labels, np.arange(300)).labels
    assert {one.row for one in found} <= wrong.keys()
    assert len(found) > 0.7 * len(wrong)
    assert all(one.suggested == truth[one.row] and one.score > 0.8 for one in found)


def test_a_wrong_label_does_not_vouch_for_its_copy() -> None:
    truth = ["Shirts", "Jeans", "Heels"] * 60
    labels = list(truth)
    copies = [3, 6, 9, 12, 15, 18]
    for row in copies:
        labels[row] = "Heels"
    features = clusters(truth)
    features[copies] = features[3] + 20
    groups = np.arange(180)
    groups[copies] = 3
    found = {one.row for one in suspicious(features, labels, groups).labels}
    alone = {one.row for one in suspicious(features, labels, np.arange(180)).labels}
    assert alone.isdisjoint(copies)
    assert len(found & set(copies)) >= len(alone & set(copies))


def test_names_decide_which_suspicions_come_first() -> None:
    truth = ["Shirts", "Jeans", "Heels"] * 100
    words = {"Shirts": "Chemise", "Jeans": "Pantalon", "Heels": "Escarpin"}
    said = ["Chemise rouge 12", "Pantalon rouge 12", "Rouge 12", None]
    names: list[str | None] = [f"{words[label]} rouge 12" for label in truth]
    labels: list[str | None] = list(truth)
    wrong = range(0, 300, 15)
    for number, row in enumerate(wrong):
        labels[row] = "Jeans"
        names[row] = said[number % len(said)]
    found = suspicious(components(clusters(truth)), labels, np.arange(300), names).labels
    assert {one.row for one in found} <= set(wrong)
    assert {names[one.row] for one in found} == set(said)
    for one in found:
        match names[one.row]:
            case "Chemise rouge 12":
                assert one.testimony.word == "chemise"
                assert one.score > one.probability
            case "Pantalon rouge 12":
                assert one.testimony.word == "pantalon"
                assert one.score < 0.2
            case "Rouge 12":
                assert one.score == pytest.approx(one.probability, abs=0.1)
            case None:
                assert one.testimony.word == ""
                assert one.score == one.probability
    alone = suspicious(components(clusters(truth)), labels, np.arange(300)).labels
    assert [one.row for one in alone] == [one.row for one in found]


def test_a_name_is_not_believed_because_of_its_own_label() -> None:
    names = ["Once seen"] + ["Shirt"] * 20 + ["Jeans"] * 20
    labels = ["Shirts"] * 21 + ["Jeans"] * 20
    assert Names(names, labels).testimony(0, "Jeans").belief == 0.5
    both = Names(["Shirt jeans", *names[1:]], labels).testimony(0, "Jeans")
    assert both.belief == pytest.approx(0.5, abs=0.05)
    unclear = [*labels[:3], None, "Shirts|Jeans", *labels[5:]]
    assert Names(names, unclear).testimony(1, "Jeans").belief < 0.1


def test_what_cannot_be_judged_is_told() -> None:
    known = ["Shirts", "Jeans"] * 20 + ["Capes"] * 3
    labels = [*known, None, "Shirts|Tops"]
    features = clusters(labels)
    features[0] = np.nan
    judged = suspicious(features, labels, np.arange(len(labels)))
    assert judged.left_out == ["1 class has fewer than 10 photos, too few to judge"]
    assert judged.labels == []
    alone = suspicious(features, ["Shirts"] * len(labels), np.arange(len(labels)))
    assert alone.left_out == ["fewer than two classes to tell apart"]


def test_copies_are_one_photo_when_classes_are_counted() -> None:
    labels = ["Shirts", "Jeans"] * 40
    features = clusters(labels)
    too_few = ["2 classes have fewer than 10 photos, too few to judge"]
    # Four photos in all; and one photo of one of the classes.
    for groups in (np.arange(80) % 4, np.arange(80) * (np.arange(80) % 2)):
        judged = suspicious(features, labels, groups)
        assert judged.labels == []
        assert judged.left_out[0] in (*too_few, too_few[0].replace("2 classes have", "1 class has"))
        assert judged.left_out[1] == "fewer than two classes to tell apart"


def test_the_surest_finding_about_a_label_is_applied(faulty: Catalogue) -> None:
    findings = [
        finding(faulty, 0, "baseColour", "Green", 0.91),
        finding(faulty, 0, "baseColour", "Black", 0.97),
        finding(faulty, 1, "baseColour", "Blue", 0.5),
        finding(faulty, 2, "baseColour", "", 1.0),
    ]
    better, changes = corrected(faulty, findings)
    assert better.labels("baseColour") == ["Black", "Navy Blue", "Red", "Red", None, "Red"]
    assert [(one.id, one.before, one.after) for one in changes] == [("1", "Blue", "Black")]
    assert faulty.labels("baseColour")[0] == "Blue"


def test_a_corrected_type_takes_its_parents_with_it(faulty: Catalogue) -> None:
    better, changes = corrected(faulty, [finding(faulty, 3, "articleType", "Shirts")])
    assert better.table.row(3, named=True) | {
        "articleType": "Shirts",
        "subCategory": "Topwear",
    } == (better.table.row(3, named=True))
    assert {one.attribute for one in changes} == {"articleType", "subCategory"}


def test_a_corrected_catalogue_is_a_catalogue(faulty: Catalogue, tmp_path: Path) -> None:
    before = (faulty.source / "styles.csv").read_bytes()
    better, changes = corrected(faulty, [finding(faulty, 4, "baseColour", "Red")])
    write_corrected(better, changes, tmp_path / "corrected")
    again = read_catalogue(tmp_path / "corrected")
    assert again.labels("baseColour") == better.labels("baseColour")
    assert again.table["name"].to_list() == faulty.table["name"].to_list()
    assert again.table["year"].to_list() == faulty.table["year"].to_list()
    assert again.photo_bytes(again.table["photo"][0]) == faulty.photo_bytes("images/a.png")
    assert [one.kind for one in again.problems] == ["missing-photo"]
    [change] = csv.DictReader((tmp_path / "corrected" / "changes.csv").open(encoding="utf-8"))
    assert (change["id"], change["before"], change["after"]) == ("5", "", "Red")
    assert (faulty.source / "styles.csv").read_bytes() == before
    with pytest.raises(HangtagError, match="not empty"):
        write_corrected(better, changes, tmp_path / "corrected")


def test_findings_come_back_as_a_person_left_them(faulty: Catalogue, tmp_path: Path) -> None:
    table = tmp_path / "issues.csv"
    findings = [
        finding(faulty, 4, "articleType", "Heels", 0.4),
        finding(faulty, 0, "gender", "Boys"),
    ]
    write_findings(findings, table)
    text = table.read_text().replace("Boys", "Unisex")
    table.write_text(text)
    back = read_findings(table, faulty)
    assert [(one.row, one.suggested, one.score) for one in back] == [
        (4, "Heels", 1.0),
        (0, "Unisex", 1.0),
    ]
    table.write_text(text + "77,,gender,Men,Boys,1,model,\n")
    with pytest.raises(HangtagError, match="line 4"):
        read_findings(table, faulty)
    table.write_text("name\nx\n")
    with pytest.raises(HangtagError, match="no column 'attribute'"):
        read_findings(table, faulty)


@pytest.fixture(scope="module")
def spoilt(drawn_catalogue: Path) -> tuple[Catalogue, dict[int, str]]:
    """The drawn catalogue with every thirtieth article type wrong."""
    catalogue = read_catalogue(drawn_catalogue)
    labels = catalogue.labels("articleType")
    wrong = {row: "Jeans" for row in range(5, 600, 30) if labels[row] not in ("Jeans", "Shorts")}
    spoilt = [wrong.get(row, label) for row, label in enumerate(labels)]
    table = catalogue.table.with_columns(polars.Series("articleType", spoilt))
    return replace(catalogue, table=table), wrong


def test_an_audit_names_photo_label_suggestion_and_reason(
    spoilt: tuple[Catalogue, dict[int, str]], tiny_model: Path
) -> None:
    catalogue, wrong = spoilt
    told: list[str] = []
    found = audit(catalogue, model=str(tiny_model), progress=lambda what, *_: told.append(what))
    types = [one for one in found.findings if one.attribute == "articleType"]
    hits = {one.row for one in types if one.kind == "model"} & wrong.keys()
    assert len(hits) > 0.6 * len(wrong)
    assert types == sorted(types, key=lambda one: -one.score)
    assert all(one.reason and one.photo and one.given for one in types)
    # The other columns still say what the products were.
    levels = {one.row for one in found.findings if one.kind == "taxonomy"}
    assert levels == wrong.keys()
    assert list(dict.fromkeys(told)) == [
        "looking at photos",
        "looking for copies",
        "judging labels",
    ]
    page = contact_sheet(found, catalogue)
    assert "data:image/webp" in page
    assert "→ Jeans" not in page.split("attribute-0")[0]


def test_the_command_writes_table_sheet_and_corrected_catalogue(
    drawn_catalogue: Path, tiny_model: Path, tmp_path: Path
) -> None:
    issues, page, folder = (tmp_path / name for name in ("issues.csv", "sheet.html", "corrected"))
    arguments = ["audit", str(drawn_catalogue), "--model", str(tiny_model), "-a", "gender"]
    outputs = ["-o", str(issues), "--contact-sheet", str(page), "--apply", str(folder)]
    result = CliRunner().invoke(app, [*arguments, *outputs], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert issues.read_text().startswith("id,photo,attribute,given,suggested,score,kind,reason")
    assert "</html>" in page.read_text()
    assert len(read_catalogue(folder)) == 600

    reviewed = ["--reviewed", str(issues), "--apply", str(tmp_path / "second")]
    issues.write_text("id,attribute,suggested\n1000,gender,Unisex\n")
    result = CliRunner().invoke(app, ["audit", str(drawn_catalogue), *reviewed])
    assert result.exit_code == 0, result.output
    assert read_catalogue(tmp_path / "second").labels("gender")[0] == "Unisex"
    with pytest.raises(HangtagError, match="no attribute 'genre'"):
        run_audit(read_catalogue(drawn_catalogue), reviewed=issues, attributes=["genre"])
    found, _ = run_audit(
        read_catalogue(drawn_catalogue), reviewed=issues, attributes=["baseColour"]
    )
    assert found.findings == []
    for option in ("--sure", "--least"):
        result = CliRunner().invoke(
            app, ["audit", str(drawn_catalogue), *reviewed[:3], str(tmp_path / "no"), option, "0.9"]
        )
        assert result.exit_code == 2
        assert "--reviewed applies all" in " ".join(result.output.replace("│", " ").split())


def test_a_category_that_is_one_of_several_agrees_if_one_of_them_does(faulty: Catalogue) -> None:
    given = ["Topwear|Dress", "Topwear", "Shoes", "Shoes", "Shoes", "Dress|Bags"]
    table = faulty.table.with_columns(polars.Series("subCategory", given))
    found = against_taxonomy(replace(faulty, table=table))
    assert 0 not in {one.row for one in found}
    assert (5, "Dress|Bags", "Shoes") in {(one.row, one.given, one.suggested) for one in found}


def test_seasons_are_counted_but_not_suggested(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    (folder / "images").mkdir(parents=True)
    lines = ["id,photo,articleType,season"]
    for number in range(120):
        garment, season = [("Tshirts", "Summer"), ("Watches", "Winter")][number % 2]
        draw_garment(garment, ["Red", "Blue"][number // 2 % 2], seed=number).save(
            folder / "images" / f"{number}.png"
        )
        wrong = number == 6
        lines.append(
            f"{number},images/{number}.png,{'Watches' if wrong else garment},"
            f"{'Winter' if wrong else season}"
        )
    (folder / "styles.csv").write_text("\n".join(lines), encoding="utf-8")
    catalogue = read_catalogue(folder)
    found = audit(catalogue)
    assert {(one.row, one.attribute) for one in found.findings} == {(6, "articleType")}
    assert any("season: 1 " in line and "not listed" in line for line in found.left_out)
    everything = {(one.row, one.attribute) for one in audit(catalogue, least=0).findings}
    assert (6, "season") in everything
    run = CliRunner().invoke(app, ["audit", str(folder), "--json"])
    assert [one["id"] for one in json.loads(run.stdout)["findings"]] == ["6"]
    better = tmp_path / "better"
    run = CliRunner().invoke(app, ["audit", str(folder), "--apply", str(better), "--sure", "0.05"])
    assert run.exit_code == 0, run.output
    with (better / "changes.csv").open(newline="", encoding="utf-8") as file:
        assert {one["attribute"] for one in csv.DictReader(file)} == {"articleType", "season"}


def test_errors_are_planted_only_where_there_is_another_value() -> None:
    assert plant(["Men"] * 40, {"Men": "Men"}, 0) == {}
    planted = plant(["Men", "Women"] * 40, {"Men": "Women", "Women": "Men"}, 0)
    assert len(planted) == 4
