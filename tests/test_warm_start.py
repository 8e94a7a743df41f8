"""Going on from a trained model: what is copied, what is refused, and what it is good for."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hangtag.attributes import Attribute
from hangtag.errors import HangtagError
from hangtag.judge import evaluate
from hangtag.model import read_model
from hangtag.network import HangtagNetwork
from hangtag.recipe import Network, Recipe, read_recipe
from hangtag.training import train
from hangtag.warm_start import adopt_network, start_from
from hangtag.weights import WeightsError, read_state


def _weights(model: Path) -> dict[str, torch.Tensor]:
    state = read_state(read_model(model).weights_path)
    return {name: tensor.float() for name, tensor in state.items()}


def _network(recipe: Recipe, attributes: list[Attribute], **changes: object) -> HangtagNetwork:
    network: Network = recipe.network.model_copy(update=changes)
    return HangtagNetwork(network, attributes, recipe.input_size, from_scratch=True)


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


def test_a_colour_branch_that_the_model_lacks_starts_anew(
    tiny_model: Path, tiny_recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    attributes = read_model(tiny_model).info.vocabularies()
    branch = 2 * tiny_recipe.network.palette
    without = {
        name: tensor[:, :-branch] if re.fullmatch(r"heads\..*\.weight", name) else tensor
        for name, tensor in _weights(tiny_model).items()
        if not name.startswith("palette.")
    }
    monkeypatch.setattr("hangtag.warm_start.read_state", lambda _: without)
    network = _network(tiny_recipe, attributes)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    taken = start_from(read_model(tiny_model), network, attributes)
    assert set(taken) == {one.name for one in attributes}
    mine = network.state_dict()
    head = "heads.gender.weight"
    assert torch.equal(mine[head][:, :-branch], without[head])
    assert torch.equal(mine[head][:, -branch:], before[head][:, -branch:])
    assert torch.equal(mine["palette.focus.weight"], before["palette.focus.weight"])


@pytest.mark.parametrize("change", [{"backbone": "resnet18"}, {"palette": 4}, {"neck": [8]}])
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
    recipe = read_recipe(name)
    adopted = adopt_network(recipe, read_model(tiny_model))
    assert adopted.input_size == tiny_recipe.input_size
    assert (adopted.network.backbone, adopted.network.palette) == ("cnn", 8)
    assert adopted.network.frozen == recipe.network.frozen
    assert adopted.network.head_hidden == recipe.network.head_hidden
    assert adopted.schedule == recipe.schedule
    attributes = read_model(tiny_model).info.vocabularies()
    start_from(read_model(tiny_model), _network(adopted, attributes), attributes)


def test_a_model_that_hides_its_network_is_refused(tiny_model: Path) -> None:
    model = read_model(tiny_model)
    silent = replace(model, info=model.info.model_copy(update={"recipe": {}}))
    with pytest.raises(HangtagError, match="tiny: says nothing of its recipe"):
        adopt_network(read_recipe("fine-tune"), silent)


def test_other_recipes_keep_their_own_network(tiny_model: Path) -> None:
    recipe = read_recipe("variety")
    assert adopt_network(recipe, read_model(tiny_model)) == recipe


def test_going_on_is_gentler_than_beginning() -> None:
    rates = [read_recipe(name).schedule.learning_rate for name in ("fine-tune", "default")]
    assert rates[0] < rates[1]
