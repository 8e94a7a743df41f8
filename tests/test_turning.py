"""Photos that lie on a side or upside down are turned before they are tagged."""

import shutil
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from drawing import draw_garment
from drawn_photos import KINDS, drawn_photos
from hangtag import orientation
from hangtag.model import ModelError, Orientation, read_model, write_info
from hangtag.orientation import fit_orientation
from hangtag.photo import to_input
from hangtag.tagger import Output, Tagger
from hangtag.turning import odds, seen_from_all_sides, turned, turned_input, upright

UPRIGHT, ON_A_SIDE, UPSIDE_DOWN = np.log(np.eye(3) * 0.94 + 0.02)
"""What a network that is sure says of a photo."""


def _arrow() -> np.ndarray:
    """A rough pale ground with a black bar at the top: uint8 (32, 24, 3)."""
    photo = np.random.default_rng(1).integers(150, 256, (32, 24, 3), dtype=np.uint8)
    photo[:6] = 0
    return photo


def _says(inputs: np.ndarray) -> Output:
    """A network that looks where the bar is; its only logit tells whether it's at the top."""
    dark = inputs.mean(axis=3) < 100
    rows, columns = dark.mean(axis=2), dark.mean(axis=1)
    across = rows.max(axis=1) > columns.max(axis=1)
    top = across & (rows.argmax(axis=1) < 16)
    bottom = across & ~top
    orientation = np.where(
        top[:, np.newaxis], UPRIGHT, np.where(bottom[:, np.newaxis], UPSIDE_DOWN, ON_A_SIDE)
    )
    return Output(
        {"articleType": top[:, np.newaxis].astype(np.float32)},
        np.zeros((len(inputs), 2), np.float32),
        top.astype(np.float32),
        orientation,
    )


def test_a_turn_is_clockwise() -> None:
    photo = _arrow()
    assert (turned(photo, 90)[:, -6:] == 0).all()
    assert (turned(photo, 270)[:, :6] == 0).all()
    assert turned(photo, 90).shape == (24, 32, 3)
    assert (turned(turned(photo, 90), 270) == photo).all()
    assert turned_input(photo, 90).shape == photo.shape


def test_a_photo_that_lies_on_a_side_is_as_large_as_it_can_be_when_its_turned() -> None:
    cloth = np.random.default_rng(0).integers(0, 256, (400, 300, 3), dtype=np.uint8)
    # Three high and four wide, as phones take photos when they're held so, in an upright input.
    lying = to_input(turned(cloth, 270), (160, 120))
    seen = turned_input(lying, 90)
    assert seen.shape == (160, 120, 3)
    rows, columns = np.ptp(seen.astype(int), axis=(1, 2)), np.ptp(seen.astype(int), axis=(0, 2))
    assert (rows > 0).sum() >= 158
    assert (columns > 0).sum() >= 118


def test_nothing_is_fitted_anew_where_nothing_has_to_be() -> None:
    photo = _arrow()
    assert (turned_input(photo, 0) == photo).all()
    assert (turned_input(photo, 180) == photo[::-1, ::-1]).all()
    plain = np.full((8, 6, 3), 7, np.uint8)
    assert (turned_input(plain, 90) == plain).all()


def test_views_come_by_their_turns() -> None:
    photos = np.stack([_arrow(), turned(_arrow(), 180)])
    shown: list[np.ndarray] = []

    def run(inputs: np.ndarray) -> Output:
        shown.append(inputs)
        return _says(inputs)

    seen, others = seen_from_all_sides(photos, _says(photos).orientation, run)
    assert seen.shape == (2, 4, 3)
    assert (seen[0] == [UPRIGHT, ON_A_SIDE, UPSIDE_DOWN, ON_A_SIDE]).all()
    assert (seen[1] == [UPSIDE_DOWN, ON_A_SIDE, UPRIGHT, ON_A_SIDE]).all()
    assert others[1].in_domain.tolist() == [0, 1]
    for views, degrees in zip(shown, (90, 180, 270), strict=True):
        assert (views[0] == turned_input(photos[0], degrees)).all()


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_left_is_told_from_right_by_all_four_views(degrees: int) -> None:
    quarters = degrees // 90
    views = [UPRIGHT, ON_A_SIDE, UPSIDE_DOWN, ON_A_SIDE]
    # Turned by what it needs, the photo is upright; each turn less, it lacks a quarter.
    seen = np.stack([views[(side - quarters) % 4] for side in range(4)])
    found, log_odds = odds(seen[np.newaxis])
    assert found[0] == degrees
    assert log_odds[0] > 6


def test_views_that_say_nothing_leave_no_odds() -> None:
    _, log_odds = odds(np.full((1, 4, 3), np.log(1 / 3)))
    assert log_odds[0] == pytest.approx(np.log(1 / 3))


@pytest.mark.parametrize("lies", [0, 90, 180, 270])
def test_what_is_said_of_a_turned_photo_is_said_of_it_upright(lies: int) -> None:
    photos = np.stack([_arrow(), turned_input(_arrow(), (360 - lies) % 360), _arrow()])
    output, degrees = upright(photos, _says, Orientation(doubted=np.log(0.5), threshold=3.0))
    assert degrees.tolist() == [0, lies, 0]
    assert output.logits["articleType"].tolist() == [[1], [1], [1]]
    assert output.in_domain.tolist() == [1, 1, 1]


def test_a_photo_stays_as_it_is_where_the_odds_are_too_low() -> None:
    photos = turned_input(_arrow(), 180)[np.newaxis]
    output, degrees = upright(photos, _says, Orientation(doubted=np.log(0.5), threshold=50.0))
    assert degrees.tolist() == [0]
    assert output.logits["articleType"].tolist() == [[0]]


def test_a_model_learns_which_way_up_photos_lie(turning_model: Path) -> None:
    tagger = Tagger(turning_model)
    photos = [np.asarray(draw_garment(kind, "Red").convert("RGB")) for kind in KINDS]
    assert all(result.turned == 0 for result in tagger.tag([*photos]))
    lying = [(photo, degrees) for photo in photos for degrees in (90, 180, 270)]
    results = tagger.tag([turned(photo, -degrees) for photo, degrees in lying])
    right = [result.turned == degrees for result, (_, degrees) in zip(results, lying, strict=True)]
    wrong = [result.turned for result, one in zip(results, right, strict=True) if not one]
    assert sum(right) >= len(lying) / 3
    assert sum(map(bool, wrong)) <= 1


def test_turned_photos_get_the_tags_that_they_get_upright(turning_model: Path) -> None:
    photo = np.asarray(draw_garment("Heels", "Blue").convert("RGB"))
    before = Tagger(turning_model).tag(photo)
    after = Tagger(turning_model).tag(turned(photo, 180))
    assert after.turned == 180
    assert after.to_dict()["turned"] == 180
    assert {name: tag.value for name, tag in after.tags.items()} == {
        name: tag.value for name, tag in before.tags.items()
    }


def test_photos_are_left_as_they_are_if_that_is_asked_for(turning_model: Path) -> None:
    photo = turned(np.asarray(draw_garment("Heels", "Blue").convert("RGB")), 180)
    assert Tagger(turning_model).tag(photo).turned == 180
    assert Tagger(turning_model, turn=False).tag(photo).turned == 0


def test_mirror_images_are_turned_with_their_photos(turning_model: Path) -> None:
    photos = [np.asarray(draw_garment(kind, "Blue").convert("RGB")) for kind in KINDS]
    lying = [(turned(photo, -degrees), degrees) for photo in photos for degrees in (90, 180, 270)]
    results = Tagger(turning_model, flip=True).tag([photo for photo, _ in lying])
    found = [one.turned == degrees for one, (_, degrees) in zip(results, lying, strict=True)]
    assert sum(found) >= len(lying) / 3


class _CoarseTagger:
    """Sees a photo as so many pale and dark spots; its input may have any shape."""

    def __init__(self, input_size: tuple[int, int]) -> None:
        self.input_size = input_size
        self.model = SimpleNamespace(onnx_path=Path("none"))

    def prepare(self, photo: np.ndarray) -> np.ndarray:
        return to_input(photo, self.input_size)

    def run(self, inputs: np.ndarray) -> Output:
        height, width = self.input_size
        spots = inputs.reshape(len(inputs), 8, height // 8, 8, width // 8, 3).mean((2, 4, 5))
        nothing = np.zeros(len(inputs), np.float32)
        return Output({}, spots.reshape(len(inputs), 64) / 255, nothing, nothing)

    def run_all(self, batches: Iterable[np.ndarray]) -> Output:
        return self.run(np.concatenate([*batches]))


@pytest.mark.parametrize("input_size", [(24, 32), (32, 32), (32, 24)])
def test_it_is_learnt_whatever_the_inputs_shape(
    input_size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[np.ndarray] = []
    monkeypatch.setattr(orientation, "add_orientation", lambda _, *arrays: written.extend(arrays))
    tagger: Any = _CoarseTagger(input_size)
    data = drawn_photos(tagger, 100)
    fitted = fit_orientation(tagger, data)
    assert fitted is not None
    assert [array.shape for array in written] == [(64, 3), (3,)]
    # A photo that the classifier learnt from seems upright, and upside down once it's turned.
    (photos,) = data.pool.batches(np.arange(40))
    heads = np.stack([turned_input(photo, 180) for photo in photos])
    for inputs, column in ((photos, 0), (heads, 2)):
        said = tagger.run(inputs).embedding @ written[0] + written[1]
        assert (said[:, column] > said[:, 2 - column]).mean() > 0.7


def test_too_few_validation_photos_teach_nothing(tiny_model: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_model, tmp_path / "model")
    tagger = Tagger(tmp_path / "model")
    before = tagger.model.onnx_path.read_bytes()
    assert fit_orientation(tagger, drawn_photos(tagger, 99)) is None
    assert tagger.model.onnx_path.read_bytes() == before


def test_a_model_without_the_output_says_so(tiny_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)
    info = read_model(folder).info
    lost = Orientation(doubted=0.0, threshold=1.0)
    write_info(folder, info.model_copy(update={"orientation": lost}), "")
    with pytest.raises(ModelError, match="orientation"):
        Tagger(folder)
