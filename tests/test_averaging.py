"""Trained models become one by averaging their weights."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from drawing import relabelled
from hangtag import orientation
from hangtag.averaging import average
from hangtag.errors import HangtagError
from hangtag.model import WEIGHTS, Vocabulary, read_model, write_info
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
    with pytest.raises(HangtagError, match="fast: has other values of 'gender' than the first"):
        average([tiny_model, "fast"], drawn_catalogue, tmp_path / "new")
    wider = _changed(tiny_model, tmp_path / "wider", BIAS, lambda bias: np.append(bias, bias[:1]))
    with pytest.raises(WeightsError, match=r"another network .* one recipe"):
        average([tiny_model, wider], drawn_catalogue, tmp_path / "new")
    temporal = _saying(tiny_model, tmp_path / "temporal", split="temporal")
    with pytest.raises(HangtagError, match="trained on the temporal split"):
        average([tiny_model, temporal], drawn_catalogue, tmp_path / "new")
    necks = [*read_model(tiny_model).info.attributes, Vocabulary(name="Neck", values=["V-Neck"])]
    detailed = _saying(
        tiny_model, tmp_path / "detailed", attributes=necks, details={"Neck": ["Tshirts"]}
    )
    with pytest.raises(HangtagError, match=r"lacks Neck, .* --details"):
        average([detailed, detailed], drawn_catalogue, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_values_are_averaged_by_their_names(
    tiny_model: Path, drawn_catalogue: Path, tmp_path: Path
) -> None:
    first = read_model(tiny_model).info
    turned = [
        one.model_copy(update={"values": one.values[::-1]}) if one.name == "gender" else one
        for one in first.attributes
    ]
    other = _saying(tiny_model, tmp_path / "other", attributes=turned)
    for name in (BIAS, BIAS.replace("bias", "weight")):
        _change(other, name, lambda rows: rows[::-1].copy())
    # Labels were corrected since, and the rarest value is the most frequent one now.
    rarest = first.attributes[0].values[-1]
    mended = relabelled(drawn_catalogue, tmp_path / "mended", "gender", rarest)
    mean = average([tiny_model, other], mended, tmp_path / "mean")
    assert read_model(mean).info.attributes == first.attributes
    before, after = (load_file(model / WEIGHTS) for model in (tiny_model, mean))
    for name in before:
        assert np.allclose(before[name], after[name], atol=1e-3), name


def test_a_checkpoint_that_says_its_values_is_averaged_by_them(
    tiny_model: Path, drawn_catalogue: Path, tmp_path: Path
) -> None:
    weights = {name: torch.from_numpy(one) for name, one in load_file(tiny_model / WEIGHTS).items()}
    values = {one.name: one.values for one in read_model(tiny_model).info.attributes}
    for name in (BIAS, BIAS.replace("bias", "weight")):
        weights[name] = weights[name].flip(0)
    state = {f"network.{name}": one.float() for name, one in weights.items()}
    values["gender"] = values["gender"][::-1]
    file = tmp_path / "best.ckpt"
    torch.save({"state_dict": state, "run": {"vocabularies": values}}, file)
    mean = average([tiny_model, file], drawn_catalogue, tmp_path / "mean")
    before, after = (load_file(model / WEIGHTS) for model in (tiny_model, mean))
    assert np.allclose(before[BIAS], after[BIAS], atol=1e-3)
    values["gender"][0] = "Aliens"
    torch.save({"state_dict": state, "run": {"vocabularies": values}}, file)
    with pytest.raises(HangtagError, match=r"best.ckpt: has other values of 'gender'"):
        average([tiny_model, file], drawn_catalogue, tmp_path / "other")


def _saying(model: Path, folder: Path, **changes: object) -> Path:
    """A copy of a model that says something else of itself."""
    shutil.copytree(model, folder)
    write_info(folder, read_model(model).info.model_copy(update=changes), "")
    return folder


def _changed(
    model: Path, folder: Path, name: str, change: Callable[[np.ndarray], np.ndarray]
) -> Path:
    """A copy of a model, one of whose tensors is another."""
    _change(_saying(model, folder), name, change)
    return folder


def _change(model: Path, name: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    info = read_model(model).info
    weights = load_file(model / WEIGHTS)
    weights[name] = change(weights[name])
    save_file(weights, model / WEIGHTS)
    write_info(model, info, "")
