"""A sitting: photos wait, are tagged in steps, and can be looked at closely."""

import errno
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import reviewing
from drawing import draw_broken_photos, draw_garment
from hangtag import Tagger
from hangtag.app import workspace as workspaces
from hangtag.app.pictures import heat_map
from hangtag.app.review import Review, ReviewedPhoto
from hangtag.app.uploads import Upload
from hangtag.app.workspace import Workspace, Workspaces
from hangtag.errors import HangtagError


@pytest.fixture(scope="module")
def tagger(tiny_model: Path) -> Tagger:
    return Tagger(tiny_model)


@pytest.fixture
def workspace(tagger: Tagger) -> Workspace:
    return Workspace(Review(tagger.attributes, tagger.model.taxonomy))


def jpeg(kind: str = "Tshirts", colour: str = "Blue") -> bytes:
    file = io.BytesIO()
    draw_garment(kind, colour, (320, 240)).save(file, "JPEG")
    return file.getvalue()


def test_photos_are_tagged_as_the_tagger_does(workspace: Workspace, tagger: Tagger):
    workspace.receive([Upload("a.jpg", jpeg()), Upload("b.jpg", jpeg("Heels", "Red"))])
    assert workspace.tag_some(tagger) == 2
    for photo, data in zip(
        workspace.review.photos.values(), (jpeg(), jpeg("Heels", "Red")), strict=True
    ):
        expected = tagger.tag(data).tags
        assert {name: tag.suggestion.value for name, tag in photo.tags.items()} == {
            name: tag.value for name, tag in expected.items()
        }
        assert {name: tag.suggestion.confidence for name, tag in photo.tags.items()} == (
            pytest.approx({name: tag.confidence for name, tag in expected.items()}, abs=1e-5)
        )


def test_broken_photos_have_their_error_and_cost_nothing_else(
    workspace: Workspace, tagger: Tagger, tmp_path: Path
):
    folder = draw_broken_photos(tmp_path)
    files = sorted(folder.iterdir())
    workspace.receive(Upload(file.name, file.read_bytes()) for file in files)
    workspace.tag_some(tagger, len(files))
    errors = {photo.name: photo.error for photo in workspace.review.photos.values() if photo.error}
    assert set(errors) == {"truncated.jpg", "text.jpg", "empty.jpg"}
    assert all(error.startswith(f"{name}: ") for name, error in errors.items())
    assert str(tmp_path) not in str(errors)


def test_a_photo_that_stands_on_its_head_is_shown_upright(
    workspace: Workspace, turning_model: Path
):
    tagger = Tagger(turning_model)
    upright = draw_garment("Heels", "Blue", (320, 240))
    for picture in (upright, upright.rotate(180)):
        file = io.BytesIO()
        picture.save(file, "PNG")
        workspace.receive([Upload("heel.png", file.getvalue())])
    workspace.tag_some(tagger)
    before, after = workspace.review.photos.values()
    assert (before.turned, after.turned) == (0, 180)

    def shown(photo: ReviewedPhoto) -> list[np.ndarray]:
        assert photo.thumbnail is not None
        heat = workspace.explained(photo, tagger, "articleType", None)
        small, explained = (Image.open(io.BytesIO(one)) for one in (photo.thumbnail, heat))
        return [
            np.asarray(one, float) for one in (small, workspace.large_picture(photo), explained)
        ]

    for one, other in zip(shown(before), shown(after), strict=True):
        assert np.abs(one - other).mean() < 2


def test_the_queue_is_worked_off_in_steps(workspace: Workspace, tagger: Tagger):
    workspace.receive(Upload(f"{number}.jpg", jpeg()) for number in range(5))
    taken = []
    while workspace.waiting:
        taken.append(workspace.tag_some(tagger, 2))
    assert taken == [2, 2, 1]
    assert [photo.name for photo in workspace.review.photos.values()] == [
        f"{number}.jpg" for number in range(5)
    ]


def test_uploads_that_failed_go_to_the_review_at_once(workspace: Workspace):
    workspace.receive([Upload("a.zip", error="a.zip: the zip is damaged; pack it again")])
    assert workspace.waiting == 0
    assert workspace.review.counts().problems == 1


def test_thumbnails_are_small_and_keep_the_proportions(workspace: Workspace, tagger: Tagger):
    file = io.BytesIO()
    draw_garment("Tshirts", "Blue", (900, 1200)).save(file, "JPEG")
    workspace.receive([Upload("wide.jpg", file.getvalue())])
    workspace.tag_some(tagger)
    [photo] = workspace.review.photos.values()
    assert Image.open(io.BytesIO(photo.thumbnail or b"")).size == (320, 240)
    assert workspace.large_picture(photo).size == (900, 675)


def test_a_heat_map_covers_the_photo(workspace: Workspace, tagger: Tagger):
    workspace.receive([Upload("a.jpg", jpeg())])
    workspace.tag_some(tagger)
    [photo] = workspace.review.photos.values()
    plain = workspace.large_picture(photo)
    heated = Image.open(io.BytesIO(workspace.explained(photo, tagger, "articleType", "Tshirts")))
    assert heated.size == plain.size
    assert heated.convert("RGB").tobytes() != plain.tobytes()


@pytest.mark.parametrize("left", [10, 220, 430])
def test_heat_lies_on_what_the_network_saw_of_a_wide_photo(left: int):
    photo = Image.new("RGB", (600, 400), "white")
    photo.paste((40, 40, 40), (left, 40, left + 160, 360))
    heated = np.asarray(Image.open(io.BytesIO(heat_map(photo, np.ones((128, 96), np.float32)))))
    hot = (heated[200] != np.asarray(photo)[200]).any(axis=1)
    assert hot[left : left + 160].all()
    assert hot.sum() < 320


def test_a_catalogue_that_cannot_be_read_leaves_none_open(workspace: Workspace):
    with pytest.raises(HangtagError, match="styles"):
        workspace.open_catalogue("../styles.csv", io.BytesIO(b"a,b\n1,2\n"))
    assert workspace.catalogue is None


def test_a_sitting_is_found_again_by_its_token():
    sittings = Workspaces()
    token, workspace = sittings.open(None, reviewing.review())
    assert sittings.open(token, reviewing.review()) == (token, workspace)
    assert sittings.open("unknown", reviewing.review())[1] is not workspace


def test_a_closed_sitting_leaves_no_photos(workspace: Workspace, tagger: Tagger):
    sittings = Workspaces()
    token, workspace = sittings.open(None, Review(tagger.attributes))
    workspace.receive([Upload("a.jpg", jpeg())])
    workspace.tag_some(tagger)
    [photo] = workspace.review.photos.values()
    assert photo.path is not None
    sittings.close(token)
    assert not photo.path.exists()
    assert sittings.open(token, Review(tagger.attributes))[0] != token


def test_of_empty_sittings_the_one_left_alone_longest_makes_room(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(workspaces, "MAX_EMPTY", 2)
    sittings = Workspaces()
    first, second = (sittings.open(None, reviewing.review())[0] for _ in range(2))
    sittings.open(first, reviewing.review())
    third = sittings.open(None, reviewing.review())[0]
    assert sittings.open(first, reviewing.review())[0] == first
    assert sittings.open(third, reviewing.review())[0] == third
    assert sittings.open(second, reviewing.review())[0] != second


def test_a_sitting_with_photos_stays_however_many_open_the_page(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(workspaces, "MAX_EMPTY", 2)
    sittings = Workspaces()
    token, workspace = sittings.open(None, reviewing.review())
    workspace.receive([Upload("a.jpg", jpeg())])
    for _ in range(5):
        sittings.open(None, reviewing.review())
    assert sittings.open(token, reviewing.review()) == (token, workspace)


def test_a_photo_that_cannot_be_kept_has_its_error_and_costs_nothing_else(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
):
    def write(path: Path, data: bytes) -> None:
        if data == b"large":
            path.touch()
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", write)
    workspace.receive([Upload("large.jpg", b"large"), Upload("small.jpg", b"small")])
    [photo] = workspace.review.photos.values()
    assert photo.error == (
        "large.jpg: can't be kept (No space left on device); "
        "make room in the folder for temporary files and add it again"
    )
    assert photo.path is None
    assert workspace.waiting == 1


def test_after_the_folder_is_gone_photos_and_catalogues_say_so(workspace: Workspace):
    workspace.close()
    workspace.receive([Upload("a.jpg", jpeg())])
    [photo] = workspace.review.photos.values()
    assert (photo.error or "").endswith("the folder for photos is gone: start over")
    with pytest.raises(HangtagError, match=r"styles.csv: can't be kept .*start over"):
        workspace.open_catalogue("styles.csv", io.BytesIO())
