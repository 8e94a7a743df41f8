"""Training products whose photos are most like one vote beside the network."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from drawing import draw_garment
from drawn_photos import COLOURS, KINDS
from hangtag.attributes import Attribute
from hangtag.calibration import softmax
from hangtag.catalogue import read_catalogue
from hangtag.cli import app
from hangtag.errors import HangtagError
from hangtag.model import Neighbours, read_model, write_info
from hangtag.neighbours import fit_neighbours
from hangtag.recipe import Recipe
from hangtag.tagger import Tagger
from hangtag.teachers import soft_labels
from hangtag.training_data import NO_PHOTO, PhotoPool, TrainingData, prepare
from hangtag.voting import counted_in

SITTINGS = 12
LEARNT, JUDGED = 240, 150


def sitting_photos(count: int) -> Iterator[np.ndarray]:
    """Garments of any colour, on the faint pattern of the sitting that each was photographed in."""
    patterns = np.random.default_rng(1).integers(0, 60, (SITTINGS, 8, 6, 3))
    dice = np.random.default_rng(2)
    for number in range(count):
        colour = COLOURS[dice.integers(len(COLOURS))]
        garment = draw_garment(KINDS[number % len(KINDS)], colour).convert("RGB")
        pattern = Image.fromarray(patterns[number % SITTINGS].astype(np.uint8))
        faint = np.asarray(pattern.resize(garment.size, Image.Resampling.BILINEAR)).astype(int)
        noise = dice.integers(-5, 5, faint.shape)
        yield np.clip(np.asarray(garment) - faint + noise, 0, 255).astype(np.uint8)


def whose(gender: Attribute) -> np.ndarray:
    """Whom each sitting's products are for: the number of one of the first two values."""
    return np.random.default_rng(3).permutation(SITTINGS) % min(2, len(gender.values))


def strangers(tagger: Tagger, seed: int) -> np.ndarray:
    """Photos that are like none of a sitting: uint8 (60, h, w, 3)."""
    dice = np.random.default_rng(seed)
    return dice.integers(0, 256, (60, *tagger.input_size, 3)).astype(np.uint8)


def sittings(tagger: Tagger, judged: int = JUDGED) -> TrainingData:
    """Products whose gender hangs on nothing but their sitting, and strangers' whose hangs on what
    the network sees."""
    gender = next(one for one in tagger.attributes if one.name == "gender")
    photos = np.stack([tagger.prepare(photo) for photo in sitting_photos(LEARNT + judged)])
    labels = whose(gender)[np.arange(len(photos)) % SITTINGS]
    others = strangers(tagger, 4)
    seen = tagger.probabilities(others).values["gender"].argmax(1)
    every = np.concatenate([photos, others])
    mask = np.full((*every.shape[:3], 1), 255, np.uint8)
    return TrainingData(
        attributes=[gender],
        details={},
        auxiliary=[],
        taxonomy=tagger.model.taxonomy,
        pool=PhotoPool([np.concatenate([every, mask], axis=3)]),
        own=np.arange(len(every)),
        alternate=np.full(len(every), NO_PHOTO),
        targets={
            "gender": np.concatenate([labels, seen])[:, np.newaxis] == np.arange(len(gender.values))
        },
        # One sitting after the other.
        sequence=(np.arange(len(every)) % SITTINGS).argsort(kind="stable").argsort(),
        parts=np.repeat(["train", "validation"], [LEARNT, judged + len(others)]),
        extra=np.arange(len(every)) >= len(photos),
        split="random",
    )


@pytest.fixture(scope="module")
def neighbourly(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model beside products whose gender hangs on their sitting."""
    folder = tmp_path_factory.mktemp("neighbourly") / "neighbourly"
    shutil.copytree(tiny_model, folder)
    tagger = Tagger(folder)
    fitted = fit_neighbours(tagger, sittings(tagger), 10)
    assert fitted is not None
    assert fitted.products == LEARNT
    assert [*fitted.log_odds] == ["gender"]
    write_info(folder, tagger.info.model_copy(update={"neighbours": fitted}), "")
    return folder


def right(tagger: Tagger) -> float:
    """Share of new photos whose gender is their sitting's."""
    data = sittings(tagger)
    new = data.rows("validation", extra=False)
    values = tagger.probabilities(data.pool.rgb(new)).values["gender"]
    return float(data.targets["gender"][new, values.argmax(1)].mean())


def test_products_of_one_sitting_tell_of_each_other(neighbourly: Path) -> None:
    assert right(Tagger(neighbourly)) > 0.95
    assert right(Tagger(neighbourly, neighbours=False)) < 0.8


def test_photos_of_no_sitting_hear_little(neighbourly: Path) -> None:
    with_votes, alone = (Tagger(neighbourly, neighbours=vote) for vote in (True, False))
    noise = strangers(alone, 5)
    said, by_itself = (one.probabilities(noise).values["gender"] for one in (with_votes, alone))
    near = with_votes.probabilities(sittings(alone).pool.rgb(np.arange(20))).values["gender"]
    far = alone.probabilities(sittings(alone).pool.rgb(np.arange(20))).values["gender"]
    assert np.abs(said - by_itself).mean() < np.abs(near - far).mean() / 3


def test_other_attributes_stay_as_they_are(neighbourly: Path, tiny_model: Path) -> None:
    photo = np.asarray(draw_garment("Heels", "Blue").convert("RGB"))
    here, there = (Tagger(model).tag(photo).tags for model in (neighbourly, tiny_model))
    others = [name for name in there if name != "gender"]
    assert others
    assert {name: here[name] for name in others} == {name: there[name] for name in others}


def test_the_command_line_can_leave_them_out(neighbourly: Path, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    Image.fromarray(next(sitting_photos(1))).save(photo)
    command = ["tag", str(photo), "--model", str(neighbourly), "--json"]
    runs = [CliRunner().invoke(app, [*command, *option]) for option in ([], ["--no-neighbours"])]
    assert [run.exit_code for run in runs] == [0, 0]
    sure, unsure = (json.loads(run.stdout)["tags"]["gender"]["confidence"] for run in runs)
    assert sure != unsure


def test_teachers_speak_for_themselves(
    neighbourly: Path, tiny_model: Path, drawn_catalogue: Path, tiny_recipe: Recipe
) -> None:
    catalogue = read_catalogue(drawn_catalogue)
    data = prepare(catalogue, tiny_recipe)
    said, alone = (soft_labels([model], catalogue, data) for model in (neighbourly, tiny_model))
    assert np.array_equal(said["gender"], alone["gender"])


@pytest.mark.parametrize(("count", "judged"), [(0, JUDGED), (10, 99)])
def test_nobody_votes_where_none_shall_or_too_few_can_say_how_much(
    tiny_model: Path, tmp_path: Path, count: int, judged: int
) -> None:
    shutil.copytree(tiny_model, tmp_path / "model")
    tagger = Tagger(tmp_path / "model")
    before = tagger.model.onnx_path.read_bytes()
    assert fit_neighbours(tagger, sittings(tagger, judged), count) is None
    assert tagger.model.onnx_path.read_bytes() == before


def test_votes_count_little_where_the_network_knows_better(
    tiny_model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)
    tagger = Tagger(folder)
    data = sittings(tagger)
    judged = data.rows("validation")
    alone = tagger.probabilities(data.pool.rgb(judged)).values["gender"].argmax(1)
    labels = np.random.default_rng(0).permutation(data.targets["gender"])
    labels[judged] = alone[:, np.newaxis] == np.arange(labels.shape[1])
    fitted = fit_neighbours(tagger, replace(data, targets={"gender": labels}), 10)
    write_info(folder, tagger.info.model_copy(update={"neighbours": fitted}), "")
    said = Tagger(folder).probabilities(data.pool.rgb(judged)).values["gender"].argmax(1)
    assert fitted is not None
    assert (said == alone).mean() > 0.95


def test_neighbours_without_a_label_leave_the_network_its_word() -> None:
    logits = {"gender": np.array([[1.0, 0.0], [1.0, 0.0]], np.float32)}
    votes = {"gender": np.array([[0.0, 1.0], [0.0, 0.0]], np.float32)}
    neighbours = Neighbours(products=1, log_odds={"gender": (0.0, 0.0), "season": (0.0, 0.0)})
    mixed = counted_in(logits, votes, np.array([0.5, 0.5]), neighbours)
    alone = softmax(logits["gender"])
    assert [*mixed] == ["gender"]
    assert np.allclose(softmax(mixed["gender"])[0], (alone[0] + [0, 1]) / 2)
    assert np.allclose(softmax(mixed["gender"])[1], alone[1])


def test_a_model_without_the_outputs_says_so(tiny_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)
    lost = Neighbours(products=1, log_odds={"gender": (0.0, 1.0)})
    write_info(folder, read_model(folder).info.model_copy(update={"neighbours": lost}), "")
    with pytest.raises(HangtagError, match="nearness"):
        Tagger(folder)
