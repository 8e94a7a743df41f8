"""Mixtures of two training photos, and the labels that they teach."""

from pathlib import Path

import pytest
import torch

from hangtag.lightning_module import Lesson
from hangtag.mixing import mix
from hangtag.recipe import Augmentation, Recipe
from hangtag.training_data import TrainingBatches, prepare, read_catalogues

GREYS = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 3, 32, 24)
"""Four photos whose pixels are all their number."""

BEFORE = GREYS.roll(1, 0)


@pytest.mark.parametrize("seed", range(5))
def test_a_piece_of_the_photo_before_is_set_in(seed: int) -> None:
    torch.manual_seed(seed)
    mixed, own = mix(GREYS, Augmentation(cutmix=1.0))
    kept = mixed == GREYS
    assert torch.equal(mixed[~kept], BEFORE[~kept])
    for photo in kept.float():
        assert float(photo.mean()) == pytest.approx(own)


def test_without_mixtures_nothing_is_drawn() -> None:
    before = torch.get_rng_state()
    mixed, own = mix(GREYS, Augmentation())
    assert (mixed is GREYS, own) == (True, 1.0)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("seed", range(5))
def test_photos_are_averaged_with_the_one_before(seed: int) -> None:
    torch.manual_seed(seed)
    mixed, own = mix(GREYS, Augmentation(mixup=1.0))
    assert torch.allclose(mixed, own * GREYS + (1 - own) * BEFORE, atol=1e-5)


def test_as_many_batches_are_mixed_as_the_recipe_says() -> None:
    torch.manual_seed(1)
    recipe = Augmentation(cutmix=0.2, mixup=0.3)
    whole = sum(mix(GREYS, recipe)[1] == 1.0 for _ in range(400))
    assert whole == pytest.approx(200, abs=40)


def test_a_mixture_learns_the_labels_of_both_by_their_share(
    drawn_catalogue: Path, tiny_recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    (catalogue,) = read_catalogues(drawn_catalogue)
    data = prepare(catalogue, tiny_recipe)
    lesson = Lesson(tiny_recipe, data, weights=None, scratch=True).eval()
    with torch.no_grad():  # so that it says something else of each photo
        for weights in lesson.network.heads.parameters():
            weights.mul_(100)
    monkeypatch.setattr(lesson, "_stage", lambda: tiny_recipe.schedule.stages[0])
    monkeypatch.setattr(lesson, "log", lambda *_, **__: None)
    arrays = next(iter(TrainingBatches(data, tiny_recipe)))
    batch = {name: torch.from_numpy(array) for name, array in arrays.items()}
    turned = {name: batch[name].roll(int(name != "photos"), 0) for name in batch}

    def loss(batch: dict[str, torch.Tensor], own: float) -> float:
        monkeypatch.setattr("hangtag.lightning_module.mix", lambda photos, _: (photos, own))
        torch.manual_seed(1)
        return lesson.training_step(batch, 0).item()

    ours, theirs = loss(batch, 1.0), loss(turned, 1.0)
    assert abs(ours - theirs) > 0.01
    assert loss(batch, 0.25) == pytest.approx(0.25 * ours + 0.75 * theirs)
