"""Ways to get more from a trained model without training it."""

import sys
from pathlib import Path

import numpy as np
import pytest
from benchmarks import without_training
from benchmarks.without_training import (
    decoded_together,
    mean_of,
    own_colours,
    regressed,
    with_prior,
)


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


def test_a_regression_judges_photos_that_it_was_not_fitted_to() -> None:
    dice = np.random.default_rng(0)
    truth = dice.integers(0, 3, 200)
    truths = np.eye(3, dtype=bool)[truth]
    told = regressed(np.eye(3)[truth] + dice.normal(0, 0.1, (200, 3)), truths, 0.1)
    assert (told.argmax(1) == truth).mean() > 0.98
    untold = regressed(dice.normal(size=(200, 40)), truths, 100)
    assert (untold.argmax(1) == truth).mean() < 0.5


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
    lines = capsys.readouterr().out.splitlines()
    assert {*without_training.WAYS} <= {*lines}
    alone, together = (
        next(line for line in lines if line.startswith(way)) for way in ("as it is", "together")
    )
    assert together.removeprefix("together") == alone.removeprefix("as it is")
