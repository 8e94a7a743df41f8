"""Every recipe that ships trains, on small drawn photos and from random weights."""

from pathlib import Path

import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer

from hangtag.attributes import COLOUR_GROUPS
from hangtag.cache import cache_folder
from hangtag.catalogue import read_catalogue
from hangtag.feature_cache import cached_features, is_cacheable
from hangtag.lightning_module import Lesson
from hangtag.recipe import Recipe
from hangtag.recipe_file import read_recipe, recipe_names
from hangtag.training_data import TrainingData, prepare

STEPS = 2


def _reduced(recipe: Recipe) -> Recipe:
    """The same recipe on few, small photos; drawn catalogues lack the details that teach."""
    size = (64, 64) if recipe.network.pooling == "flatten" else (48, 32)
    stages = [stage.model_copy(update={"size": None}) for stage in recipe.schedule.stages]
    schedule = recipe.schedule.model_copy(update={"stages": stages, "batch_size": 4})
    rare = [rule.model_copy(update={"fewer_than": 2}) for rule in recipe.rare]
    return recipe.model_copy(
        update={"input_size": size, "schedule": schedule, "auxiliary": [], "rare": rare}
    )


def _lesson(name: str, catalogue: Path, seed: int = 1) -> tuple[Recipe, TrainingData, Lesson]:
    recipe = _reduced(read_recipe(name))
    torch.manual_seed(seed)
    data = prepare(read_catalogue(catalogue), recipe)
    return recipe, data, Lesson(recipe, data, weights=None, scratch=True)


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from drawing import draw_catalogue

    return draw_catalogue(tmp_path_factory.mktemp("few"), 60)


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_trains_two_steps(name: str, few: Path) -> None:
    recipe, data, lesson = _lesson(name, few)
    if is_cacheable(recipe):
        lesson.features = cached_features(lesson.network, recipe, data.pool)
    before = {key: value.clone() for key, value in lesson.network.state_dict().items()}
    trainer = Trainer(
        accelerator="cpu",
        max_steps=STEPS,
        limit_val_batches=1,
        num_sanity_val_steps=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(lesson)
    assert trainer.global_step == STEPS
    after = lesson.network.state_dict()
    assert all(bool(torch.isfinite(value).all()) for value in after.values())
    changed = {key.split(".")[0] for key in after if not torch.equal(before[key], after[key])}
    assert "heads" in changed
    assert ("backbone" in changed) is not recipe.network.frozen


def test_frozen_features_are_computed_once_and_give_the_same_answers(few: Path) -> None:
    recipe, data, lesson = _lesson("vgg16-seven", few, seed=2)
    seen: list[int] = []
    features = cached_features(
        lesson.network, recipe, data.pool, lambda _, done, total: seen.append(done)
    )
    assert seen[-1] == len(data.pool)
    again = cached_features(lesson.network, recipe, data.pool, lambda *_: pytest.fail("computed"))
    positions = np.arange(5)
    assert np.array_equal(features.take(positions), again.take(positions))

    photos = torch.from_numpy(data.pool.take(positions)[..., :3]).permute(0, 3, 1, 2).float()
    lesson.network.eval()
    with torch.no_grad():
        whole = lesson.network(photos)
        short = lesson.network.logits(torch.from_numpy(features.take(positions)).float())
    for name, logits in whole.items():
        assert torch.allclose(logits, short[name], atol=1e-2), name

    files = len(list(cache_folder().glob("features-*.npy")))
    with torch.no_grad():
        next(lesson.network.backbone.parameters()).add_(1.0)
    cached_features(lesson.network, recipe, data.pool)
    assert len(list(cache_folder().glob("features-*.npy"))) == files + 1


def test_features_are_cached_only_where_they_never_change() -> None:
    frozen = [name for name in recipe_names() if is_cacheable(read_recipe(name))]
    assert frozen == ["convnext-tiny-grouped", "vgg16-seven"]
    recipe = read_recipe("vgg16-seven")
    for changed in (
        {"network": recipe.network.model_copy(update={"attention": "se"})},
        {"augmentation": recipe.augmentation.model_copy(update={"flip": True})},
    ):
        assert not is_cacheable(recipe.model_copy(update=changed))


def test_the_grouped_recipe_has_the_colour_groups_of_the_reports() -> None:
    (grouping,) = read_recipe("convnext-tiny-grouped").groups
    assert {group: tuple(colours) for group, colours in grouping.groups.items()} == COLOUR_GROUPS
