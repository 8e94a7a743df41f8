from pathlib import Path

import pytest

from hangtag.recipe import RecipeError
from hangtag.recipe_file import parse_recipe, read_recipe, recipe_names


def test_every_recipe_that_ships_can_be_read() -> None:
    assert "default" in recipe_names()
    for name in recipe_names():
        assert read_recipe(name).name == name


def test_a_recipe_file_states_only_what_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('name = "mine"\n[schedule]\nlearning_rate = 0.5\n')
    recipe = read_recipe(file)
    assert recipe.schedule.learning_rate == 0.5
    assert recipe.schedule.batch_size == 64
    assert len(recipe.attributes) == 7


def test_a_recipe_with_a_base_states_only_what_it_changes_of_it() -> None:
    text = """base = "default"
name = "mine"
attributes = ["gender"]
[loss.attribute_weights]
gender = 3.0
[schedule]
stages = [{ epochs = 1 }]
"""
    mine, default = parse_recipe(text, "mine.toml"), read_recipe("default")
    # Tables are merged, however deep; a list is replaced as a whole.
    assert mine.loss.attribute_weights == default.loss.attribute_weights | {"gender": 3.0}
    assert mine.schedule.epochs == 1
    assert mine.schedule.learning_rate == default.schedule.learning_rate
    assert mine.attributes == ["gender"]
    assert (mine.network, mine.photos) == (default.network, default.photos)
    assert mine.name == "mine"


def test_a_base_may_have_a_base() -> None:
    recipe = parse_recipe('base = "fine-tune"\n[schedule]\nbatch_size = 8', "mine.toml")
    assert recipe.schedule.batch_size == 8
    assert recipe.schedule.epochs == read_recipe("fine-tune").schedule.epochs
    assert recipe.network.backbone == read_recipe("default").network.backbone


def test_a_base_may_lie_beside_the_recipe(tmp_path: Path) -> None:
    (tmp_path / "ours.toml").write_text('base = "default"\nname = "ours"\nseed = 7\n')
    (tmp_path / "mine.toml").write_text('base = "ours.toml"\nname = "mine"\n')
    mine = read_recipe(tmp_path / "mine.toml")
    assert mine == read_recipe("default").model_copy(update={"name": "mine", "seed": 7})


def test_recipes_that_are_based_on_each_other_are_refused(tmp_path: Path) -> None:
    (tmp_path / "one.toml").write_text('base = "two.toml"')
    (tmp_path / "two.toml").write_text('base = "one.toml"')
    with pytest.raises(RecipeError, match=r"two.toml: base: one.toml is based on it"):
        read_recipe(tmp_path / "one.toml")


def test_a_mistake_in_a_base_is_said_of_its_file(tmp_path: Path) -> None:
    (tmp_path / "ours.toml").write_text("[loss]\nkin = 'focal'")
    (tmp_path / "mine.toml").write_text('base = "ours.toml"')
    with pytest.raises(RecipeError, match=r"ours.toml: loss.kin: unknown key"):
        read_recipe(tmp_path / "mine.toml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("base = 'defualt'", "base: no recipe 'defualt' ships or lies beside it; there are: "),
        ("base = 'default'\n[loss]\nkin = 'focal'", "loss.kin: unknown key; did you mean kind?"),
        ("[network]\nbackbon = 'x'", "network.backbon: unknown key; did you mean backbone?"),
        ("[schedule]\nepochs = 3", "schedule.epochs: unknown key"),
        ("[schedule]\nlearning_rate = 'fast'", "schedule.learning_rate: Input should be a valid"),
        ("[schedule]\nstages = []", "schedule.stages: List should have at least 1 item"),
        ("[loss.attribute_weights]\ngendre = 2.0", "gendre: isn't learnt; did you mean gender?"),
        ("attributes = ['gender', 'gender']", "'gender' occurs twice"),
        ("[augmentation]\nzoom = [0.0, 1.0]", "augmentation.zoom.0: Input should be greater than"),
        ("seed = -1", "seed: Input should be greater than or equal to 0"),
        ("[schedule]\nstages = [{ epochs = 1, size = [0, 9] }]", "size.0: Input should be greater"),
        ("[loss]\nkind = 'hinge'", "loss.kind: Input should be 'cross-entropy' or 'focal'"),
        ("[[combine]]\nname = 'x'", "combine.0.attributes: Field required"),
        ("[augmentation]\ncutmix = 0.6\nmixup = 0.5", "cutmix and mixup are shares of the batches"),
        ("input_size = [4, 4]", "input_size: each side must be 16 to 1024 pixels"),
        ("name = ", "not a TOML file"),
        ("format_version = 99\nshape = 'new'", "format_version 99 is newer"),
    ],
)
def test_a_wrong_recipe_is_one_line_with_the_key(text: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        parse_recipe(text, "wrong.toml")
    assert str(caught.value).startswith("wrong.toml: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_recipe_is_answered_with_the_nearest() -> None:
    with pytest.raises(RecipeError, match="did you mean default"):
        read_recipe("defualt")


def test_a_recipe_in_another_encoding_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_bytes('name = "Größe"'.encode("latin-1"))
    with pytest.raises(RecipeError, match=r"mine\.toml: not a text file in UTF-8") as caught:
        read_recipe(file)
    assert "\n" not in str(caught.value)


def test_other_attributes_are_learnt_once_and_with_their_own_rules() -> None:
    text = """[[groups]]
attribute = "baseColour"
groups = { dark = ["Black"] }
[[rare]]
attribute = "articleType"
fewer_than = 2
"""
    recipe = parse_recipe(text, "mine.toml").learning(["baseColour", "baseColour"])
    assert recipe.attributes == ["baseColour"]
    assert (len(recipe.groups), len(recipe.rare)) == (1, 0)
