"""How far a model would get without its own faults, by what was said of its errors."""

from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from benchmarks.ceilings import VERDICTS, mended, own_shares

from hangtag.attributes import Attribute
from hangtag.verdict import Judged

SAID = pl.read_csv(VERDICTS, schema_overrides={"id": pl.String})


def one_said(first: str, second: str) -> dict[str, str]:
    """An error in gender of which this was said."""
    passes = (pl.col("first") == first) & (pl.col("second") == second)
    return SAID.filter(passes, attribute="gender", sample="all").to_dicts()[0]


def judged(said: list[str], truth: str, confidence: float = 0.6) -> Judged:
    """Photos whose gender a model says wrongly."""
    attribute = Attribute("gender", ("Boys", "Girls", "Men", "Unisex", "Women"))
    probabilities = np.full((len(said), 5), (1 - confidence) / 4)
    probabilities[np.arange(len(said)), [attribute.index[value] for value in said]] = confidence
    truths = np.zeros((len(said), 5), bool)
    truths[:, attribute.index[truth]] = True
    return Judged(attribute, (), probabilities, truths)


def test_what_was_said_is_one_of_three_and_said_once_of_each_error() -> None:
    for column in ("first", "second"):
        assert set(SAID[column]) == {"label", "arguable", "model"}
    assert not SAID.select("sample", "id", "attribute").is_duplicated().any()
    counts = dict(SAID.group_by("sample", "attribute").len().select("attribute", "len").iter_rows())
    assert counts["season"] == counts["baseColour"] == 100


def test_errors_that_nobody_looked_at_are_the_models_as_often_as_the_others() -> None:
    own, not_own = one_said("model", "model"), one_said("label", "label")
    wrong = judged([own["says"], not_own["says"], "Boys", "Girls"], truth="Girls")
    found = SimpleNamespace(
        judged={"gender": wrong},
        rows=np.arange(4),
        catalogue=SimpleNamespace(
            table=pl.DataFrame({"id": [own["id"], not_own["id"], "unseen", "right"]})
        ),
    )
    assert own_shares(found, "gender", ["all"]).tolist() == [1, 0, 0.5, 0]


def test_a_verdict_holds_only_for_what_was_said() -> None:
    own, not_own = one_said("model", "model"), one_said("arguable", "arguable")
    other = next(value for value in ("Men", "Women") if value != own["says"])
    wrong = judged([other, not_own["says"]], truth="Girls")
    found = SimpleNamespace(
        judged={"gender": wrong},
        rows=np.arange(2),
        catalogue=SimpleNamespace(table=pl.DataFrame({"id": [own["id"], not_own["id"]]})),
    )
    assert own_shares(found, "gender", ["all"]).tolist() == [0, 0]


@pytest.mark.parametrize(("own", "right"), [(0.0, 0.0), (1.0, 1.0)])
def test_mended_errors_are_right_and_as_sure_as_they_were(own: float, right: float) -> None:
    wrong = judged(["Men", "Boys"], truth="Women")
    probabilities = mended(wrong, np.full(2, own), np.random.default_rng(0))
    assert wrong.truths[np.arange(2), probabilities.argmax(1)].mean() == right
    assert probabilities.max(1).tolist() == [0.6, 0.6]
