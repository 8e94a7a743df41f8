"""Going on from a trained model: what is copied, what is refused, and what it is good for."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hangtag.attributes import Attribute
from hangtag.errors import HangtagError
from hangtag.judge import evaluate
from hangtag.model import Model, read_model
from hangtag.network import HangtagNetwork
from hangtag.recipe import Network, Recipe
from hangtag.recipe_file import read_recipe
from hangtag.training import train
from hangtag.warm_start import adopt_network, start_from
from hangtag.weights import WeightsError, read_state


def _weights(model: Path) -> dict[str, torch.Tensor]:
    state = read_state(read_model(model).weights_path)
    return {name: tensor.float() for name, tensor in state.items()}


def _network(recipe: Recipe, attributes: list[Attribute], **changes: object) -> HangtagNetwork:
    network: Network = recipe.network.model_copy(update=changes)
    return HangtagNetwork(network, attributes, recipe.input_size, from_scratch=True)


def _saying(model: Model, recipe: dict[str, object]) -> Model:
    """The same model, if it said that it was trained by another recipe."""
    return replace(model, info=model.info.model_copy(update={"recipe": recipe}))


def test_heads_are_copied_value_by_value(tiny_model: Path, tiny_recipe: Recipe) -> None:
    known = {one.name: one for one in read_model(tiny_model).info.vocabularies()}["gender"]
    # In another order, one value missing, one that the model has never seen.
    mixed = Attribute("gender", (*reversed(known.values[1:]), "Aliens"))
    network = _network(tiny_recipe, [mixed, Attribute("neckline", ("V", "round"))])
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    assert start_from(read_model(tiny_model), network, [mixed]) == ["gender"]

    theirs, mine = _weights(tiny_model), network.state_dict()
    for value in known.values[1:]:
        here, there = mixed.index[value], known.index[value]
        for part in ("weight", "bias"):
            name = f"heads.gender.{part}"
            assert torch.equal(mine[name][here], theirs[name][there]), (value, part)
    new = mixed.index["Aliens"]
    assert torch.equal(mine["heads.gender.weight"][new], before["heads.gender.weight"][new])
    assert torch.equal(mine["heads.neckline.weight"], before["heads.neckline.weight"])
    for name in mine:
        if not name.startswith("heads."):
            assert torch.equal(mine[name].float(), theirs[name].reshape(mine[name].shape)), name


def test_a_head_of_another_shape_starts_anew(tiny_model: Path, tiny_recipe: Recipe) -> None:
    attributes = read_model(tiny_model).info.vocabularies()
    network = _network(tiny_recipe, attributes, head_hidden={"season": 16})
    taken = start_from(read_model(tiny_model), network, attributes)
    assert set(taken) == {one.name for one in attributes} - {"season"}


@pytest.mark.parametrize("change", [{}, {"head_hidden": {"gender": 8}}, {"neck": [8]}])
def test_a_colour_branch_that_the_model_lacks_counts_for_nothing_at_first(
    change: dict[str, object],
    tiny_model: Path,
    tiny_recipe: Recipe,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    attributes = read_model(tiny_model).info.vocabularies()
    plain = _network(tiny_recipe, attributes, palette=0, **change).eval()
    monkeypatch.setattr("hangtag.warm_start.read_state", lambda _: plain.state_dict())
    network = _network(tiny_recipe, attributes, **change).eval()
    branch = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    taken = start_from(read_model(tiny_model), network, attributes)
    assert set(taken) == {one.name for one in attributes}
    photos = 255 * torch.rand(2, 3, *tiny_recipe.input_size)
    with torch.no_grad():
        before, after = plain(photos), network(photos)
    for name in before:
        assert torch.allclose(after[name], before[name], atol=1e-5), name
    for name, tensor in network.state_dict().items():
        if name.startswith("palette."):
            assert torch.equal(tensor, branch[name]), name


@pytest.mark.parametrize(
    "change", [{"backbone": "resnet18"}, {"palette": 4}, {"palette": 0}, {"neck": [8]}]
)
def test_another_network_is_refused_in_one_line(
    change: dict[str, object], tiny_model: Path, tiny_recipe: Recipe
) -> None:
    attributes = read_model(tiny_model).info.vocabularies()
    network = _network(tiny_recipe, attributes, **change)
    with pytest.raises(WeightsError, match="another network than the recipe's") as caught:
        start_from(read_model(tiny_model), network, attributes)
    assert "\n" not in str(caught.value)


def test_a_training_goes_on_where_the_model_is(
    tiny_model: Path, drawn_catalogue: Path, tiny_recipe: Recipe, tmp_path: Path
) -> None:
    # One epoch at a rate that moves nothing: what it knows afterwards it knew before.
    still = {"learning_rate": 1e-9, "averaging": 0.0, "stages": [{"epochs": 1}]}
    changed = tiny_recipe.model_dump() | {"name": "still"}
    changed["schedule"] |= still
    recipe = Recipe.model_validate(changed)
    model = train(drawn_catalogue, recipe, tmp_path / "more", start=tiny_model)
    right = evaluate(model, drawn_catalogue).judged["articleType"]
    assert right.right[right.known].mean() > 0.5  # one in ten, from random weights
    assert json.loads((model / "model.json").read_text("utf-8"))["training"]["start"] == "tiny"


@pytest.mark.parametrize("name", ["fine-tune", "heads"])
def test_the_recipes_for_it_take_over_any_models_network(
    name: str, tiny_model: Path, tiny_recipe: Recipe
) -> None:
    recipe, model = read_recipe(name), read_model(tiny_model)
    adopted = adopt_network(recipe, model)
    assert adopted.input_size == tiny_recipe.input_size == (32, 24)
    assert (adopted.network.backbone, adopted.network.palette) == ("cnn", 8)
    assert adopted.network.frozen == recipe.network.frozen
    assert adopted.network.dropout == recipe.network.dropout
    assert adopted.schedule.epochs == recipe.schedule.epochs
    sizes = [stage.size for stage in adopted.schedule.stages]
    assert sizes == ([(26, 20), None, None] if name == "fine-tune" else [None])
    attributes = model.info.vocabularies()
    start_from(model, _network(adopted, attributes), attributes)


def test_hidden_heads_and_flattened_features_are_taken_over(tiny_model: Path) -> None:
    model = read_model(tiny_model)
    network = model.info.recipe["network"] | {"head_hidden": 16, "pooling": "flatten"}
    other = _saying(model, model.info.recipe | {"network": network})
    fine, heads = (adopt_network(read_recipe(name), other) for name in ("fine-tune", "heads"))
    assert fine.network.head_hidden == 16
    assert heads.network.head_hidden == read_recipe("heads").network.head_hidden
    # Flattened features have a weight for each place.
    assert [stage.size for stage in fine.schedule.stages] == [None, None, None]


def test_training_goes_on_with_the_models_network(
    tiny_model: Path, drawn_catalogue: Path, tmp_path: Path
) -> None:
    changed = read_recipe("heads").model_dump()
    changed["schedule"]["stages"] = [{"epochs": 1}]
    recipe = Recipe.model_validate(changed)
    info = read_model(train(drawn_catalogue, recipe, tmp_path / "new", start=tiny_model)).info
    assert info.input_size == (32, 24)
    assert info.recipe["network"]["backbone"] == "cnn"


def test_a_model_that_hides_its_network_is_refused(tiny_model: Path) -> None:
    model = read_model(tiny_model)
    with pytest.raises(HangtagError, match="tiny: says nothing of its recipe"):
        adopt_network(read_recipe("fine-tune"), _saying(model, {}))


def test_other_recipes_keep_their_own_network(tiny_model: Path) -> None:
    recipe = read_recipe("variety")
    assert adopt_network(recipe, read_model(tiny_model)) == recipe


def test_going_on_is_gentler_than_beginning() -> None:
    rates = [read_recipe(name).schedule.learning_rate for name in ("fine-tune", "default")]
    assert rates[0] < rates[1]
