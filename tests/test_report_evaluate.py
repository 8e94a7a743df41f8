import io
import json
import re
import sys
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from hangtag import cli, protocols
from hangtag.errors import HangtagError
from hangtag.judge import evaluate
from hangtag.reports.evaluate import report_html, report_json
from hangtag.reports.evaluate_run import run
from hangtag.reports.evaluate_text import print_report
from judging import BLUE, GREEN, RED, SHIRT, SHOE, ReadingTagger, write_catalogue


@pytest.fixture
def catalogue(tmp_path):
    rows = [
        {"productDisplayName": "Plain shirt", "baseColour": "Red", "articleType": "Shirts",
         "gender": "Men", "says": (RED, SHIRT)},
        {"productDisplayName": "<script>alert(1)</script>", "baseColour": "Green",
         "articleType": "Shirts", "gender": "Women", "says": (BLUE, SHOE)},
        {"productDisplayName": "Sandal", "baseColour": "Blue", "articleType": "Shoes",
         "gender": "Women", "says": (GREEN, SHOE)},
    ]  # fmt: skip
    return write_catalogue(tmp_path / "shop", rows)


@pytest.fixture
def judged(catalogue):
    return evaluate(ReadingTagger(), catalogue, split="all")


def text_of(html):
    return re.sub(r"\s+", " ", re.sub(r"<(script|style).*?</\1>|<[^>]+>", " ", html, flags=re.S))


def test_every_section_is_filled(judged):
    html = report_html([judged])
    for anchor in (
        "scores",
        "automatic",
        "calibration",
        "slices",
        "examples",
        "errors-0",
        "method",
    ):
        assert f'<section id="{anchor}">' in html
        assert f'href="#{anchor}"' in html
    text = text_of(html)
    assert "articleType is right on 66.7 % of 3 labelled photos" in text
    assert "Shirts taken for Shoes" in text
    assert "Furthest off" in text
    assert "tagged Shoes (80 %)" in text
    assert html.count("where the network looked") > 2
    assert html.count("<svg") >= 2 * len(judged.judged)


def test_the_page_needs_nothing_from_outside(judged):
    html = report_html([judged])
    assert not re.findall(r'(?:src|href)="(?!data:|#)', html)
    assert "@import" not in html
    assert "default-src 'none'" in html


def test_names_cannot_run_as_code(judged):
    html = report_html([judged])
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html


def test_odd_values_do_not_break_the_drawings(tmp_path):
    odd = "$x_{1}$ <b>&amp;</b> 日本"
    rows = [
        {"articleType": odd, "baseColour": "Red", "says": (RED, SHIRT)},
        {"articleType": "Shirts", "baseColour": "Red", "says": (RED, SHIRT)},
    ]
    html = report_html(
        [evaluate(ReadingTagger(), write_catalogue(tmp_path / "s", rows), split="all")]
    )
    assert "<b>&amp;</b>" not in html
    assert "日本" in html


def test_one_photo_of_one_class(tmp_path):
    rows = [{"articleType": "Shirts", "says": (RED, SHIRT)}]
    found = evaluate(ReadingTagger(), write_catalogue(tmp_path / "one", rows), split="all")
    text = text_of(report_html([found]))
    assert "No photo is wrong." in text
    assert "baseColour is not judged: these products have no labels." in text


def test_two_models_side_by_side(judged, catalogue):
    other = evaluate(ReadingTagger("second <b>"), catalogue, split="all")
    html = report_html([judged, other])
    text = text_of(html)
    assert "How right is reader against second &lt;b&gt;?" in text
    assert "could be chance" in text
    assert '<section id="comparison">' in html
    assert '<section id="errors-1">' in html


def test_models_of_one_name_and_of_different_photos_are_told_apart(judged, catalogue):
    other = evaluate(ReadingTagger(), catalogue, split="all")
    text = text_of(report_html([judged, other]))
    assert "reader (1): articleType is right" in text
    assert "all part (random split): 3 photos" in text
    one = [field[:1] for field in (judged.rows, judged.groups, judged.sizes)]
    few = replace(
        judged,
        rows=one[0],
        groups=one[1],
        sizes=one[2],
        known_product=judged.known_product[:1],
        turned=judged.turned[:1],
        judged={
            name: replace(it, probabilities=it.probabilities[:1], truths=it.truths[:1])
            for name, it in judged.judged.items()
        },
    )
    text = text_of(report_html([judged, few]))
    assert "reader (2): all part (random split): 1 photos, 1 of them judged by reader (1)" in text
    console = Console(width=120, file=io.StringIO())
    print_report([judged, few], [], console)
    assert "judged on different photos" in console.file.getvalue()


def test_calibration_stands_beside_what_exactly_true_confidences_would_show(judged):
    exact = judged.numbers["attributes"]["articleType"]["ece_if_exact"]
    assert exact["low"] <= exact["value"] <= exact["high"]
    text = text_of(report_html([judged]))
    assert "if confidences were exactly true" in text


def test_how_many_photos_were_turned_is_told(judged):
    assert "seemed to lie" not in text_of(report_html([judged]))
    lying = replace(judged, turned=np.array([0, 90, 0]))
    assert "1 of 3 photos seemed to lie on a side" in text_of(report_html([lying]))


def test_the_same_evaluation_gives_the_same_page(judged):
    assert report_html([judged]) == report_html([judged])


def test_json_is_the_reports_twin(judged):
    outcome = protocols.retrieve(judged)
    found = json.loads(report_json([judged, judged], [outcome]), parse_constant=pytest.fail)
    assert [one["model"] for one in found["models"]] == ["reader (1)", "reader (2)"]
    assert found["comparisons"][0]["attributes"]["articleType"]["p_value"] == 1
    assert found["protocols"][0]["lines"][0]["setting"] == "articleType"
    text = text_of(report_html([judged], [outcome]))
    assert "Marqo KAGL leaderboard" in text


def test_tables_on_the_terminal(judged):
    console = Console(width=100, file=io.StringIO())
    print_report([judged, judged], [protocols.retrieve(judged)], console)
    printed = console.file.getvalue()
    assert "reader (1): 3 photos" in printed
    assert re.search(r"articleType +3 +66.7", printed)
    assert "could be chance" in printed
    assert "Marqo KAGL" in printed


def test_reports_are_written_in_the_form_of_their_ending(tiny_model, drawn_catalogue, tmp_path):
    html, data = tmp_path / "report.html", tmp_path / "report.json"
    report = run([tiny_model], drawn_catalogue, output=html)
    run([tiny_model], drawn_catalogue, output=data)
    assert html.read_text("utf-8").lstrip().startswith("<!doctype html>")
    assert json.loads(data.read_text("utf-8")) == json.loads(report.to_json())


def test_the_command(tiny_model, drawn_catalogue, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["hangtag", "evaluate", str(tiny_model), str(drawn_catalogue),
                                      "--json", "--protocol", "retrieval"])  # fmt: skip
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    found = json.loads(capsys.readouterr().out)
    assert found["models"][0]["split"] == "test"
    assert found["protocols"][0]["protocol"] == "retrieval"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"protocol": "spatial"}, "no protocol 'spatial'; choose one of temporal, retrieval"),
        ({"output": "report.pdf"}, "unknown ending"),
        ({"output": "nowhere/report.html"}, "there is no folder"),
    ],
)
def test_wrong_options_are_told_before_any_work(options, message, tmp_path):
    if "output" in options:
        options = {"output": tmp_path / options["output"]}
    with pytest.raises(HangtagError, match=message):
        run(["no such model"], "no such catalogue", **options)
