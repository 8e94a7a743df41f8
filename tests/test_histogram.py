"""A reader that sees nothing but how much of a photo is of which colour names base colours."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from skimage.color import rgb2lab

from drawing import draw_garment
from drawn_photos import as_training_data, noisy_input
from hangtag.attributes import COLOUR
from hangtag.histogram import can_read_colours, read_colours
from hangtag.histogram_output import _A, _B, _LIGHTNESS, write_histogram_graph
from hangtag.model import HISTOGRAM, INPUT, read_model, write_info
from hangtag.recipe import Recipe
from hangtag.session import open_session
from hangtag.tagger import Tagger
from hangtag.training import train
from hangtag.training_data import TrainingData
from short_runs import shorter

LEARNT, JUDGED = 300, 150
BLUES = np.array([[40, 70, 150], [62, 70, 150]])
"""Two that a network trained on any light takes for one."""

PALE = np.array([[170, 170, 170], [175, 155, 110]])
"""Grey, and what grey looks like more in warm light."""
WARM = (1.06, 1.0, 0.88)


def histograms(photos: np.ndarray, folder: Path) -> np.ndarray:
    """The shares of each colour, float (N, lightness, a, b, 2), of photos."""
    file = folder / "histogram.onnx"
    write_histogram_graph(file, photos.shape[1:3])
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    (found,) = session.run([HISTOGRAM], {INPUT: photos})
    return (found**2).reshape(len(photos), len(_LIGHTNESS), len(_A), len(_B), 2)


def test_shares_of_colours_give_the_colour_of_a_plain_photo(tmp_path: Path) -> None:
    colours = np.random.default_rng(1).integers(40, 160, (20, 3)).astype(np.uint8)
    photos = np.broadcast_to(colours[:, None, None], (20, 32, 24, 3)).copy()
    found = histograms(photos, tmp_path)
    assert np.allclose(found.sum(axis=(1, 2, 3)), 1, atol=1e-4)
    wanted = np.clip(
        rgb2lab(colours),
        [min(one) for one in (_LIGHTNESS, _A, _B)],
        [max(one) for one in (_LIGHTNESS, _A, _B)],
    )
    for number, middles in enumerate((_LIGHTNESS, _A, _B)):
        others = tuple({1, 2, 3} - {number + 1})
        mean = np.einsum("nbw,b->nw", found.sum(axis=others), middles)
        assert np.abs(mean - wanted[:, [number]]).max() < 0.1


def test_white_surroundings_dont_count_as_the_product(tmp_path: Path) -> None:
    photo = np.full((1, 80, 60, 3), 255, np.uint8)
    photo[:, 10:30, 5:20] = 0
    black = histograms(photo, tmp_path)[0, 0].sum(axis=(0, 1))
    assert black[1] == pytest.approx(1, abs=0.02)
    assert black[0] < 0.2


def shades(tagger: Tagger, colours: np.ndarray) -> TrainingData:
    """Garments in two shades, which are two values of the base colour."""
    colour = next(one for one in tagger.attributes if one.name == COLOUR)
    dice = np.random.default_rng(0)
    which = dice.integers(0, 2, LEARNT + JUDGED)
    photos = []
    for number, shade in enumerate(which):
        garment = np.asarray(draw_garment("Tshirts", "Blue", seed=number).convert("RGB")).copy()
        garment[(garment < 200).any(axis=2)] = colours[shade]
        photos.append(noisy_input(tagger, garment, dice))
    targets = {COLOUR: np.eye(len(colour.values), dtype=bool)[which]}
    return as_training_data(photos, LEARNT, [colour], targets)


def taught(model: Path, folder: Path, colours: np.ndarray) -> tuple[Tagger, TrainingData]:
    """A model folder's copy that has learnt to read two shades: the tagger of before, and them."""
    shutil.copytree(model, folder)
    before = Tagger(folder)
    data = shades(before, colours)
    assert can_read_colours(data)
    read_colours(before, data)
    write_info(folder, before.info, "")
    return before, data


def right(tagger: Tagger, data: TrainingData, light: Sequence[float] = (1, 1, 1)) -> float:
    """How many of the validation photos' shades a tagger says, by light of a colour."""
    rows = data.rows("validation", extra=False)
    photos = (data.pool.rgb(rows) * light).clip(0, 255).astype(np.uint8)
    said = tagger.run(photos).logits[COLOUR].argmax(axis=1)
    return float(data.targets[COLOUR][rows, said].mean())


def test_shades_are_told_apart_that_the_network_takes_for_one(
    tiny_model: Path, tmp_path: Path
) -> None:
    before, data = taught(tiny_model, tmp_path / "reading", BLUES)
    assert right(before, data) < 0.8
    assert right(Tagger(tmp_path / "reading"), data) > 0.95


def test_grey_in_warm_light_isnt_read_as_a_yellowish_shade(
    tiny_model: Path, tmp_path: Path
) -> None:
    _, data = taught(tiny_model, tmp_path / "reading", PALE)
    assert right(Tagger(tmp_path / "reading"), data, WARM) > 0.9


@pytest.mark.parametrize("wanted", [True, False])
def test_trained_models_read_colours_unless_the_recipe_says_no(
    drawn_catalogue: Path,
    tiny_recipe: Recipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    wanted: bool,
) -> None:
    for module in ("histogram", "vote_share"):
        monkeypatch.setattr(f"hangtag.{module}.ENOUGH", 20)
    recipe = shorter(tiny_recipe, 1).model_copy(update={"histogram": wanted})
    model = read_model(train(drawn_catalogue, recipe, tmp_path / "model"))
    outputs = [one.name for one in open_session(model, 1).get_outputs()]
    assert (HISTOGRAM in outputs) == wanted
