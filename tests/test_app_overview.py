"""The numbers behind the charts."""

from pathlib import Path

from hangtag import read_catalogue
from hangtag.app.overview import MISSING, cross_table, data_sets, score_table, value_counts
from hangtag.app.views import charts
from hangtag.evaluation import METRICS


def catalogue(tmp_path: Path):
    table = "id,photo,gender,season\n1,,Men,Summer\n2,,Men,\n3,,Women,Summer\n4,,Men,Summer\n"
    file = tmp_path / "shop.csv"
    file.write_text(table)
    return read_catalogue(file)


def test_values_are_counted_with_the_missing_ones(tmp_path: Path):
    counts = value_counts(catalogue(tmp_path), "season")
    assert counts.rows() == [("Summer", 3), (MISSING, 1)]


def test_pairs_are_counted(tmp_path: Path):
    pairs = cross_table(catalogue(tmp_path), "gender", "season")
    assert set(pairs.rows()) == {
        ("Men", "Summer", 2),
        ("Men", MISSING, 1),
        ("Women", "Summer", 1),
    }


def test_pairs_of_rare_values_are_left_out(tmp_path: Path):
    pairs = cross_table(catalogue(tmp_path), "gender", "season", limit=1)
    assert pairs.rows() == [("Men", "Summer", 2)]


def test_scores_are_rows():
    detailed = {"gender": {"photos": 9, "scores": {"accuracy": {"value": 0.9, "low": 0.8}}}}
    assert score_table(detailed) == [{"attribute": "gender", "accuracy": 0.9}]
    assert score_table({"gender": {"accuracy": 0.9, "ece": None}}) == [
        {"attribute": "gender", "accuracy": 0.9}
    ]


def test_numbers_without_results_by_attribute_are_left_out():
    numbers = {"test": {"gender": {"accuracy": 0.9}}, "note": "measured once", "empty": {}}
    assert list(data_sets(numbers)) == ["test"]


def test_every_share_is_shown_as_one():
    assert set(charts.SHARES) == set(METRICS) - {"log_loss"}
