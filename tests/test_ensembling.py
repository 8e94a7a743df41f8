"""Trained models become one that says the mean of what they say."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from typer.testing import CliRunner

from hangtag import onnx_graph, orientation
from hangtag.activation import head_weights
from hangtag.averaging import average
from hangtag.cli import app
from hangtag.comparison import count_parameters
from hangtag.eight_bits import in_eight_bits
from hangtag.ensembling import ensemble
from hangtag.errors import HangtagError
from hangtag.model import WEIGHTS, Vocabulary, read_model, write_info
from hangtag.recipe import Recipe
from hangtag.tagger import Tagger
from hangtag.training import train

OTHER = {"palette": 0}


@pytest.fixture(scope="module")
def other_model(
    drawn_catalogue: Path, tiny_recipe: Recipe, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A model of another network, whose values stand in another order."""
    network = tiny_recipe.network.model_copy(update=OTHER)
    recipe = tiny_recipe.model_copy(update={"name": "other", "network": network})
    folder = train(drawn_catalogue, recipe, tmp_path_factory.mktemp("other") / "other")
    info = read_model(folder).info
    turned = [
        Vocabulary(name=one.name, values=one.values[::-1]) if one.name == "gender" else one
        for one in info.attributes
    ]
    weights = load_file(folder / WEIGHTS)
    for name in ("heads.gender.weight", "heads.gender.bias"):
        weights[name] = weights[name][::-1].copy()
    save_file(weights, folder / WEIGHTS)
    calibration = info.calibration.model_copy(update={"biases": {}})
    write_info(
        folder, info.model_copy(update={"attributes": turned, "calibration": calibration}), ""
    )
    return folder


@pytest.fixture(scope="module")
def together(
    tiny_model: Path,
    other_model: Path,
    drawn_catalogue: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The two as one."""
    folder = tmp_path_factory.mktemp("together") / "together"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(orientation, "ENOUGH", 20)
        # So that small heads are stored in eight bits as large ones are.
        patch.setattr(onnx_graph, "_LARGE", 64)
        return ensemble([tiny_model, other_model], drawn_catalogue, folder, command="typed")


@pytest.fixture(scope="module")
def inputs(drawn_catalogue: Path, together: Path) -> np.ndarray:
    """Some photos."""
    photos = sorted((drawn_catalogue / "images").glob("*.jpg"))[:40]
    return np.stack([Tagger(together).prepare(photo) for photo in photos])


def test_it_says_the_mean_of_what_its_members_say(
    together: Path, tiny_model: Path, other_model: Path, inputs: np.ndarray
) -> None:
    both = Tagger(together).run(inputs)
    one, other = (Tagger(model).run(inputs) for model in (tiny_model, other_model))
    for name, logits in both.logits.items():
        theirs = other.logits[name][:, :: -1 if name == "gender" else 1]
        assert np.allclose(logits, (one.logits[name] + theirs) / 2, atol=0.15), name
    embeddings = np.concatenate([one.embedding, other.embedding], axis=1)
    assert np.abs(both.embedding - embeddings).max() < 0.05 * embeddings.max()


def test_it_is_a_whole_model_with_its_own_numbers(together: Path, tiny_model: Path) -> None:
    model = read_model(together)
    assert model.info.name == "together"
    assert model.info.numbers["test"]["articleType"]["accuracy"] > 0.8
    assert model.info.domain is not None
    assert model.info.orientation is not None
    assert "say: tiny, other." in model.card
    assert "backbones cnn and cnn" in model.card
    assert model.card.endswith("typed\n```\n")


def test_its_weights_take_less_room_than_its_members(
    together: Path, tiny_model: Path, other_model: Path
) -> None:
    models = [read_model(one) for one in (together, tiny_model, other_model)]
    sizes = [model.weights_path.stat().st_size for model in models]
    assert sizes[0] < 0.7 * (sizes[1] + sizes[2])
    counts = [count_parameters(model) for model in models]
    assert counts[0] == counts[1] + counts[2]


def test_weights_in_eight_bits_are_near() -> None:
    weights = np.random.default_rng(0).normal(size=(5, 7, 3, 3)).astype(np.float32)
    weights *= np.array([1e-3, 1, 100, 0, 1], np.float32)[:, None, None, None]
    rounded, scales = in_eight_bits(weights)
    assert rounded.dtype == np.int8
    assert scales.shape == (5, 1, 1, 1)
    assert (np.abs(rounded * scales - weights) <= scales / 2 + 1e-12).all()


def test_heat_maps_weigh_features_as_members_do(
    together: Path, tiny_model: Path, other_model: Path
) -> None:
    files = [read_model(model).weights_path for model in (together, tiny_model, other_model)]
    with safe_open(files[0], "numpy") as stored:
        assert stored.get_tensor("members.0.heads.articleType.weight").dtype == np.int8
    both, one, other = (head_weights(file)["articleType"] for file in files)
    members = np.concatenate([one, other], axis=1)
    assert np.allclose(both, members, atol=np.abs(members).max() / 200)


def test_heat_maps_know_of_values(together: Path, inputs: np.ndarray) -> None:
    tagger = Tagger(together)
    values = next(one.values for one in tagger.attributes if one.name == "articleType")
    maps = {tagger.activation_map(inputs[0], "articleType", value).tobytes() for value in values}
    assert len(maps) > 1


def test_training_goes_on_from_its_first_member(
    together: Path, drawn_catalogue: Path, tiny_recipe: Recipe, tmp_path: Path, tiny_model: Path
) -> None:
    still = tiny_recipe.schedule.model_copy(update={"learning_rate": 1e-12, "averaging": 0.0})
    recipe = tiny_recipe.model_copy(update={"schedule": still})
    folder = train(drawn_catalogue, recipe, tmp_path / "on", start=together)
    before, after = (load_file(model / WEIGHTS) for model in (tiny_model, folder))
    name = "backbone.blocks.3.0.weight"
    assert np.abs(after[name] - before[name]).max() < 0.02 * np.abs(before[name]).max()


def test_what_cannot_be_put_together_is_refused(
    tiny_model: Path, together: Path, drawn_catalogue: Path, tmp_path: Path
) -> None:
    with pytest.raises(HangtagError, match="two models"):
        ensemble([tiny_model], drawn_catalogue, tmp_path / "new")
    with pytest.raises(HangtagError, match="exists already"):
        ensemble([tiny_model, tiny_model], drawn_catalogue, tmp_path)
    with pytest.raises(HangtagError, match="put together models of one catalogue's vocabularies"):
        ensemble([tiny_model, "fast"], drawn_catalogue, tmp_path / "new")
    with pytest.raises(
        HangtagError, match=r"together: is an ensemble; put together .* tiny, other"
    ):
        ensemble([tiny_model, together], drawn_catalogue, tmp_path / "new")
    with pytest.raises(HangtagError, match=r"together: is an ensemble; average .* tiny, other"):
        average([tiny_model, together], drawn_catalogue, tmp_path / "new")
    wider = tmp_path / "wider"
    shutil.copytree(tiny_model, wider)
    info = read_model(tiny_model).info
    write_info(wider, info.model_copy(update={"input_size": (200, 96)}), "")
    with pytest.raises(HangtagError, match=r"its input is 200×96, that of .*tiny"):
        ensemble([tiny_model, wider], drawn_catalogue, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_it_is_made_from_the_command_line(
    tiny_model: Path, other_model: Path, drawn_catalogue: Path, tmp_path: Path
) -> None:
    typed = ["ensemble", str(tiny_model), str(other_model), str(drawn_catalogue)]
    done = CliRunner().invoke(app, [*typed, "-o", str(tmp_path / "both"), "--name", "the two"])
    assert done.exit_code == 0, done.output
    assert "both: put together" in done.output
    assert read_model(tmp_path / "both").info.name == "the two"
