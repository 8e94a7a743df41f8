from pathlib import Path

import optuna
import pytest

from hangtag.errors import HangtagError
from hangtag.recipe import Recipe
from hangtag.recipe_file import read_recipe, recipe_names
from hangtag.tuning import importance_plot, own_numbers, tune, varied, write_recipe


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch) -> list[Recipe]:
    """Instead of training: trials are better the nearer the learning rate is to 0.01."""
    seen: list[Recipe] = []

    def instead(trial: optuna.Trial, recipe: Recipe, *_: object, **__: object) -> float:
        seen.append(recipe)
        return 90 - 1000 * abs(recipe.schedule.learning_rate - 0.01)

    monkeypatch.setattr("hangtag.tuning.train_trial", instead)
    return seen


def test_a_recipe_gets_better_and_is_written_as_a_file(
    drawn_catalogue: Path, tiny_recipe: Recipe, tmp_path: Path, scored: list[Recipe]
) -> None:
    file = tmp_path / "better.toml"
    study = tune(drawn_catalogue, tiny_recipe, file, trials=12, epochs=1)
    assert scored[0].schedule.learning_rate == tiny_recipe.schedule.learning_rate
    assert study.best_value > study.trials[0].value
    better = read_recipe(file)
    assert better.name == "better"
    assert better.schedule.learning_rate == pytest.approx(study.best_params["learning_rate"])
    # The trials were shorter; the recipe is not.
    assert better.schedule.stages == tiny_recipe.schedule.stages
    assert scored[0].schedule.epochs == 1
    assert importance_plot(study, tmp_path / "importance.svg")
    assert "learning_rate" in (tmp_path / "importance.svg").read_text()


def test_a_search_goes_on_where_it_stopped(
    drawn_catalogue: Path, tiny_recipe: Recipe, tmp_path: Path, scored: list[Recipe]
) -> None:
    file = tmp_path / "better.toml"
    tune(drawn_catalogue, tiny_recipe, file, trials=2)
    tune(drawn_catalogue, tiny_recipe, file, trials=5)
    assert len(scored) == 5
    with pytest.raises(HangtagError, match="trials of another recipe"):
        tune(drawn_catalogue, tiny_recipe, file, trials=6, epochs=1)


def test_a_trial_trains(drawn_catalogue: Path, tiny_recipe: Recipe, tmp_path: Path) -> None:
    study = tune(drawn_catalogue, tiny_recipe, tmp_path / "a.toml", trials=1, epochs=1)
    (trial,) = study.trials
    assert 0 < trial.value < 100
    assert list(trial.intermediate_values) == [0]


@pytest.mark.parametrize("name", recipe_names())
def test_the_first_trial_is_the_recipe_itself(name: str, tmp_path: Path) -> None:
    recipe = read_recipe(name)
    same = varied(recipe, optuna.trial.FixedTrial(own_numbers(recipe)))
    assert same.augmentation == recipe.augmentation
    assert same.loss == recipe.loss
    assert same.schedule.learning_rate == recipe.schedule.learning_rate
    write_recipe(recipe, tmp_path / f"{name}.toml")
    written = read_recipe(tmp_path / f"{name}.toml")
    learnt = {*recipe.attributes, *recipe.details, *recipe.auxiliary}
    weights = recipe.loss.attribute_weights
    assert written.loss.attribute_weights == {one: weights[one] for one in weights if one in learnt}
    assert written.model_copy(update={"loss": recipe.loss}) == recipe
