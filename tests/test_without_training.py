"""Ways to get more from a trained model without training it."""

import sys
from pathlib import Path

import numpy as np
import pytest
from benchmarks import without_training
from benchmarks.without_training import (
    Looks,
    calibrated,
    decoded_together,
    look,
    mean_of,
    own_colours,
    regressed,
    voted,
    with_prior,
)

from hangtag.attributes import Attribute
from hangtag.catalogue import read_catalogue
from hangtag.split import assign
from hangtag.tagger import Tagger


def test_a_prior_taken_away_favours_the_rare() -> None:
    said, counts = np.array([[0.6, 0.4]]), np.array([99.0, 9.0])
    assert with_prior(said, counts, 0) == pytest.approx(said)
    assert with_prior(said, counts, 0.5).argmax() == 1
    assert with_prior(said, counts, 1)[0] == pytest.approx([6 / 46, 40 / 46])


def test_what_never_came_together_is_not_said_together() -> None:
    said = {
        "articleType": np.array([[0.51, 0.49]]),
        "gender": np.array([[0.1, 0.9]]),
        "usage": np.array([[1.0]]),
    }
    # The first type is only ever the first gender's.
    labels = np.array([(0, 0, 0), (1, 1, 0)] * 50)
    assert decoded_together(said, labels, 0)["articleType"][0] == pytest.approx([0.51, 0.49])
    joint = decoded_together(said, labels, 1)
    assert joint["articleType"].argmax() == 1
    assert joint["gender"].argmax() == 1
    assert [values.sum() for values in joint.values()] == pytest.approx([1, 1, 1])


def looks(truths: np.ndarray) -> Looks:
    """Photos with these labels of one attribute, each a product of its own."""
    rows = np.arange(len(truths))
    attribute = Attribute("usage", tuple("abcdefgh"[: truths.shape[1]]))
    return Looks([attribute], {}, {"usage": truths}, np.eye(len(truths)), rows, rows)


def test_a_regression_judges_photos_that_it_was_not_fitted_to() -> None:
    dice = np.random.default_rng(0)
    truth = dice.integers(0, 3, 200)
    photos = looks(np.eye(3, dtype=bool)[truth])
    told = regressed(photos, np.eye(3)[truth] + dice.normal(0, 0.1, (200, 3)), "usage", 0.1)
    assert (told.argmax(1) == truth).mean() > 0.98
    assert told.sum(1) == pytest.approx(np.ones(200))
    untold = regressed(photos, dice.normal(size=(200, 40)), "usage", 100)
    assert (untold.argmax(1) == truth).mean() < 0.5


def test_copies_of_a_photo_are_never_fitted_to_and_judged_at_once() -> None:
    groups = np.repeat(np.arange(20), 3)
    photos = Looks([], {}, {}, np.eye(60), np.arange(60), groups)
    folds = [*photos.folds()]
    assert sorted(np.concatenate([judged for _, judged in folds])) == [*range(60)]
    for fitted, judged in folds:
        assert not {*groups[fitted]} & {*groups[judged]}


def test_the_nearest_products_vote_and_those_without_label_abstain() -> None:
    bank = looks(np.array([[1, 0], [1, 0], [0, 0], [1, 1], *[[0, 1]] * 26], bool))
    bank.embeddings = np.tile([0.0, 1.0], (30, 1))
    bank.embeddings[:4] = [1.0, 0.0]
    asked = looks(np.zeros((1, 2), bool))
    asked.embeddings = np.array([[1.0, 0.0]])
    assert voted(bank, asked)["usage"][0] == pytest.approx([5 / 6, 1 / 6], abs=0.01)


def test_colours_are_the_products_and_not_the_grounds() -> None:
    red, red_elsewhere, blue = (np.full((40, 30, 3), 255, np.uint8) for _ in range(3))
    red[10:20, 5:15] = red_elsewhere[25:30, 10:25] = [200, 20, 20]
    blue[10:20, 5:15] = [20, 20, 200]
    assert own_colours(red) == pytest.approx(own_colours(red_elsewhere))
    assert np.abs(own_colours(red) - own_colours(blue)).max() > 50


def test_several_models_say_their_mean() -> None:
    said = mean_of([{"usage": np.array([[1.0, 0.0]])}, {"usage": np.array([[0.5, 0.5]])}])
    assert said["usage"].tolist() == [[0.75, 0.25]]


def test_each_way_is_reported_for_a_catalogue(
    drawn_catalogue: Path,
    tiny_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    typed = ["without_training", str(drawn_catalogue), "--model", str(tiny_model)]
    monkeypatch.setattr(sys, "argv", [*typed, "--beside", str(tiny_model)])
    without_training.main()
    alone, *blocks = capsys.readouterr().out.split("\n\n")
    *ways, beside = (block.splitlines() for block in blocks)
    lines = {way: [line.split(": ")[0] for line in reported] for way, *reported in ways}
    assert lines == {
        "curves": ["without"],
        "prior": [line for line in lines["prior"] if line.startswith("τ = ")],
        "joint": ["λ = 0.1", "λ = 0.2"],
        "stacked": ["C = 0.01", "C = 0.1"],
        "colours": ["on the head", "on Lab", "on both"],
        "neighbours": ["their share 0.1", "their share 0.2", "their share 0.4"],
    }
    assert len(lines["prior"]) == 5
    # Two of one kind say the same together as each.
    assert beside[1].removeprefix("together") == alone.removeprefix("by itself")


def test_confidences_are_fitted_to_other_products(drawn_catalogue: Path, tiny_model: Path) -> None:
    tagger, catalogue = Tagger(tiny_model), read_catalogue(drawn_catalogue)
    photos = look(tagger, catalogue, "validation")
    assert (assign(catalogue)[photos.rows] == "validation").all()
    said = calibrated(tagger, photos)
    _, judged = next(photos.folds())
    photos.truths = {name: truths.copy() for name, truths in photos.truths.items()}
    for truths in photos.truths.values():
        truths[judged] = np.roll(truths[judged], 1, axis=1)
    changed = calibrated(tagger, photos)
    assert np.array_equal(said["usage"][judged], changed["usage"][judged])
    assert not np.array_equal(said["usage"], changed["usage"])
