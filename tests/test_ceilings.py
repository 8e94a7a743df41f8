"""How far a model would get without its own faults, by what was said of its errors."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from benchmarks import ceilings
from benchmarks.ceilings import VERDICTS, all_right, mended, own_shares, verdicts

from hangtag.attributes import Attribute
from hangtag.verdict import Judged

SAID = pl.read_csv(VERDICTS, schema_overrides={"id": pl.String})
GENDERS = Attribute("gender", ("Boys", "Girls", "Men", "Unisex", "Women"))


def one_said(first: str, second: str) -> dict[str, str]:
    """An error in gender of which this was said."""
    passes = (pl.col("first") == first) & (pl.col("second") == second)
    return SAID.filter(passes, attribute="gender", sample="all").to_dicts()[0]


def judged(said: list[str], truth: str, confidences: list[float] | None = None) -> Judged:
    """Photos of which a model says a gender."""
    rows = np.arange(len(said))
    confidence = np.array(confidences or [0.6] * len(said))
    probabilities = np.repeat((1 - confidence)[:, np.newaxis] / 4, 5, axis=1)
    probabilities[rows, [GENDERS.index[value] for value in said]] = confidence
    truths = np.zeros((len(said), 5), bool)
    truths[:, GENDERS.index[truth]] = True
    return Judged(GENDERS, (), probabilities, truths)


def found(one: Judged, ids: list[str]) -> SimpleNamespace:
    """An evaluation of products with these ids."""
    catalogue = SimpleNamespace(table=pl.DataFrame({"id": ids}))
    return SimpleNamespace(judged={"gender": one}, rows=np.arange(len(ids)), catalogue=catalogue)


def test_what_was_said_is_one_of_three_and_said_once_of_each_drawn_error() -> None:
    for column in ("first", "second"):
        assert set(SAID[column]) == {"label", "arguable", "model"}
    assert not SAID.select("sample", "id", "attribute").is_duplicated().any()
    counts = dict(SAID.group_by("attribute").len().iter_rows())
    assert counts["season"] == counts["baseColour"] == 100


def test_a_verdict_holds_only_for_what_was_said() -> None:
    own, not_own = one_said("model", "model"), one_said("arguable", "arguable")
    other = next(value for value in ("Men", "Women") if value != own["says"])
    wrong = judged([own["says"], other, not_own["says"]], truth="Girls")
    said = verdicts(found(wrong, [own["id"], own["id"], not_own["id"]]), "gender")
    assert said == {0: ["model", "model"], 2: ["arguable", "arguable"]}


def test_an_error_in_two_samples_counts_with_all_that_was_said_of_it() -> None:
    twice = SAID.filter(attribute="articleType", id="20039")
    assert len(twice) == 2
    types = Attribute("articleType", (twice["says"][0], "right"))
    wrong = Judged(types, (), np.array([[0.9, 0.1]]), np.array([[False, True]]))
    evaluation = found(wrong, ["20039"])
    evaluation.judged = {"articleType": wrong}
    assert len(verdicts(evaluation, "articleType")[0]) == 4


def test_errors_that_nobody_looked_at_are_like_those_that_the_model_was_as_sure_of() -> None:
    one = judged(["Men"] * 8, truth="Girls", confidences=[0.9] * 6 + [0.3] * 2)
    said = {0: ["model", "label"], 1: ["label", "label"], 6: ["model", "model"]}
    assert own_shares(one, said).tolist() == [0.5, 0, 0.25, 0.25, 0.25, 0.25, 1, 1]
    right = judged(["Girls", "Men"], truth="Girls")
    assert own_shares(right, {1: ["model", "model"]}).tolist() == [0, 1]


def test_errors_within_a_group_are_of_another_kind() -> None:
    one = judged(["Men"] * 4, truth="Boys")
    groups = Judged(
        Attribute("group", ("male", "female")),
        (),
        np.tile([0.9, 0.1], (4, 1)),
        np.array([[True, False], [True, False], [False, True], [False, True]]),
    )
    said = {0: ["label", "label"], 2: ["model", "model"]}
    assert own_shares(one, said, groups).tolist() == [0, 0, 1, 1]


def test_a_type_and_its_category_are_wrong_once_and_missing_labels_dont_count() -> None:
    wrong, right = judged(["Men", "Men"], truth="Women"), judged(["Men", "Men"], truth="Men")
    unlabelled = Judged(GENDERS, (), right.probabilities, right.truths & [[True], [False]])
    taxonomy = SimpleNamespace(levels=("subCategory",))
    evaluation = SimpleNamespace(
        judged={"articleType": wrong, "subCategory": wrong, "usage": unlabelled},
        tagger=SimpleNamespace(model=SimpleNamespace(taxonomy=taxonomy)),
    )
    own = {
        "articleType": np.array([0.5, 1]),
        "subCategory": np.array([0.4, 1]),
        "usage": np.zeros(2),
    }
    assert all_right(evaluation, own) == pytest.approx(0.4)


@pytest.mark.parametrize(("own", "low", "high"), [(0.0, 0, 0), (0.5, 0.35, 0.65), (1.0, 1, 1)])
def test_mended_errors_are_right_and_as_sure_as_they_were(
    own: float, low: float, high: float
) -> None:
    wrong = judged(["Men", "Boys"] * 100, truth="Women")
    probabilities = mended(wrong, np.full(200, own), np.random.default_rng(0))
    assert low <= wrong.truths[np.arange(200), probabilities.argmax(1)].mean() <= high
    assert (probabilities.max(1) == 0.6).all()


def test_a_catalogue_of_which_no_error_was_looked_at_is_refused(
    drawn_catalogue: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = ["ceilings", str(drawn_catalogue), "--model", str(tiny_model)]
    monkeypatch.setattr(sys, "argv", typed)
    with pytest.raises(SystemExit, match=r"tiny: none of its errors in gender .* was looked at"):
        ceilings.main()
