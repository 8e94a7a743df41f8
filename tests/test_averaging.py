"""Trained models become one by averaging their weights."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from hangtag import orientation
from hangtag.averaging import average
from hangtag.errors import HangtagError
from hangtag.model import WEIGHTS, read_model, write_info
from hangtag.tagger import Tagger
from hangtag.weights import WeightsError

BIAS = "heads.gender.bias"


@pytest.fixture(scope="module")
def changed_model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model, but much surer that a product is for men."""
    folder = tmp_path_factory.mktemp("changed") / "changed"
    shutil.copytree(tiny_model, folder)
    weights = load_file(folder / WEIGHTS)
    weights[BIAS] = weights[BIAS] + np.array([8, *[0] * (len(weights[BIAS]) - 1)], np.float32)
    save_file(weights, folder / WEIGHTS)
    write_info(folder, read_model(tiny_model).info, "")
    return folder


@pytest.fixture(scope="module")
def averaged(
    tiny_model: Path,
    changed_model: Path,
    drawn_catalogue: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The mean of the two."""
    folder = tmp_path_factory.mktemp("averaged") / "mean"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(orientation, "ENOUGH", 20)
        models = [tiny_model, changed_model]
        return average(models, drawn_catalogue, folder, command="hangtag average")


def test_weights_are_the_mean_of_the_models(
    averaged: Path, tiny_model: Path, changed_model: Path
) -> None:
    one, other, mean = (
        load_file(read_model(m).weights_path) for m in (tiny_model, changed_model, averaged)
    )
    assert mean[BIAS][0] - one[BIAS][0] == pytest.approx(4, abs=1e-3)
    for name in mean:
        assert np.allclose(mean[name], (one[name] + other[name]) / 2, atol=1e-2), name


def test_a_model_named_twice_counts_twice(
    tiny_model: Path, changed_model: Path, drawn_catalogue: Path, tmp_path: Path
) -> None:
    models = [tiny_model, changed_model, changed_model]
    mean = average(models, drawn_catalogue, tmp_path / "mean")
    one, other = (load_file(read_model(model).weights_path) for model in (tiny_model, mean))
    assert other[BIAS][0] - one[BIAS][0] == pytest.approx(16 / 3, abs=1e-2)


def test_the_mean_is_a_whole_model_with_its_own_numbers(
    averaged: Path, drawn_catalogue: Path
) -> None:
    model = read_model(averaged)
    assert model.info.name == "mean"
    assert model.info.numbers["test"]["articleType"]["accuracy"] > 0.8
    assert model.info.orientation is not None
    assert "mean of: tiny, changed" in model.card
    assert "hangtag average" in model.card
    photo = next((drawn_catalogue / "images").glob("*.jpg"))
    assert set(Tagger(averaged).tag(photo).tags) == {one.name for one in model.info.attributes}


def test_what_cannot_be_averaged_is_refused(
    tiny_model: Path, drawn_catalogue: Path, tmp_path: Path
) -> None:
    with pytest.raises(HangtagError, match="two models"):
        average([tiny_model], drawn_catalogue, tmp_path / "new")
    with pytest.raises(HangtagError, match="exists already"):
        average([tiny_model, tiny_model], drawn_catalogue, tmp_path)
    with pytest.raises(WeightsError, match=r"another network .* one recipe"):
        average([tiny_model, "default"], drawn_catalogue, tmp_path / "new")
    assert not (tmp_path / "new").exists()
