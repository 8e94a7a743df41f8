from dataclasses import replace

import pytest

from hangtag import protocols
from hangtag.errors import HangtagError
from hangtag.judge import evaluate
from hangtag.reports.evaluate_run import run
from judging import BLUE, GREEN, RED, SHIRT, SHOE, ReadingTagger, write_catalogue


@pytest.fixture
def catalogue(tmp_path):
    kinds = [
        ("Shirts", "Red", RED, SHIRT, 2011),
        ("Shirts", "Red", GREEN, SHIRT, 2012),
        ("Shoes", "Green", GREEN, SHOE, 2013),
        ("Shoes", "Blue", BLUE, SHIRT, 2013),
    ]
    rows = [
        {"articleType": kind, "baseColour": colour, "year": year, "says": (says, shape)}
        for kind, colour, says, shape, year in kinds
    ]
    return write_catalogue(tmp_path / "shop", rows)


def lines_of(outcome):
    return {(line.setting, line.metric): line for line in outcome.lines}


def test_temporal_tests_on_odd_years(catalogue, monkeypatch):
    monkeypatch.setattr(protocols, "FREQUENT_TYPES", 2)
    found = evaluate(ReadingTagger(split="temporal"), catalogue)
    assert found.kind == "temporal"
    outcome = protocols.temporal(found)
    lines = lines_of(outcome)
    assert lines["frequent types", "top1"].count == 3
    assert lines["frequent types", "top1"].ours == pytest.approx(2 / 3)
    assert lines["frequent types", "top5"].ours == 1
    assert lines["frequent types", "top1"].published["small"] == 0.8701
    assert lines["remaining types", "top1"].count == 0
    assert not any("NOT COMPARABLE" in note for note in outcome.notes)


def test_each_group_of_types_is_a_task_of_its_own(catalogue, monkeypatch):
    monkeypatch.setattr(protocols, "FREQUENT_TYPES", 1)
    outcome = protocols.temporal(evaluate(ReadingTagger(split="temporal"), catalogue))
    # With the other type out of the question, nothing can be wrong.
    assert [line.ours for line in outcome.lines] == [1, 1, 1, 1]


def test_types_of_odd_years_alone_are_told_apart(tmp_path, monkeypatch):
    monkeypatch.setattr(protocols, "FREQUENT_TYPES", 2)
    kinds = [("Hats", 2013), ("Hats", 2015), ("Shirts", 2012), ("Shirts", 2013), ("Shoes", 2013)]
    rows = [
        {"articleType": kind, "baseColour": "Red", "year": year, "says": (RED, SHIRT)}
        for kind, year in kinds
    ]
    shop = write_catalogue(tmp_path / "shop", rows)
    outcome = protocols.temporal(evaluate(ReadingTagger(split="temporal"), shop))
    found = {
        line.setting: (line.count, line.ours) for line in outcome.lines if line.metric == "top1"
    }
    assert found["frequent types"] == (3, pytest.approx(1 / 3))
    assert found["frequent types seen in training"] == (1, 1)
    assert "remaining types seen in training" not in found
    assert any("1 types" in note and "Hats" in note for note in outcome.notes)


def test_temporal_says_when_the_model_has_seen_the_years(catalogue):
    outcome = protocols.temporal(evaluate(ReadingTagger(), catalogue, kind="temporal"))
    assert any("NOT COMPARABLE" in note for note in outcome.notes)


def test_temporal_on_a_random_split_has_nothing_published_beside_it(catalogue):
    evaluation = replace(evaluate(ReadingTagger(), catalogue, split="all"), split="test")
    outcome = protocols.temporal(evaluation)
    assert lines_of(outcome)["frequent types", "top1"].count == len(evaluation.rows) > 0
    assert not any(line.published for line in outcome.lines)
    assert not outcome.source
    assert any("NOT COMPARABLE" in note for note in outcome.notes)


def test_a_model_of_a_random_split_is_judged_on_photos_that_it_has_not_seen(
    tiny_model, drawn_catalogue
):
    report = run([tiny_model], drawn_catalogue, protocol="temporal")
    assert report.evaluations[0].kind == "random"
    assert "Published:" not in report.to_html()


def test_temporal_needs_a_test_part(catalogue):
    with pytest.raises(HangtagError, match="test part"):
        protocols.temporal(evaluate(ReadingTagger(), catalogue, split="all"))


def test_retrieval_ranks_the_photos_for_each_value(catalogue):
    outcome = protocols.retrieve(evaluate(ReadingTagger(), catalogue, split="all"))
    lines = lines_of(outcome)
    colour = lines["baseColour", "p_at_1"]
    assert colour.count == 3
    # Of the two equally green photos the first is red; red and blue come out right.
    assert colour.ours == pytest.approx(2 / 3)
    assert lines["baseColour", "mrr"].ours == pytest.approx((1 + 1 / 2 + 1) / 3)
    assert lines["baseColour", "p_at_10"].published == {"best": 0.502}
    assert ("season", "mrr") not in lines
    assert any("NOT COMPARABLE" in note for note in outcome.notes)
