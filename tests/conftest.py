"""What tests share: a drawn catalogue, a model trained on it in seconds, and the real data."""

import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from drawing import draw_catalogue
from hangtag.model import write_info
from hangtag.neighbours import TrainingNeighbours
from hangtag.recipe import Recipe
from hangtag.recipe_file import parse_recipe
from hangtag.tagger import Tagger
from sittings import LEARNT, sittings

TINY_RECIPE = """
name = "tiny"
input_size = [32, 24]
[network]
backbone = "cnn"
pretrained = false
palette = 8
dropout = 0.0
[schedule]
learning_rate = 4e-3
averaging = 0.9
batch_size = 32
stages = [{ epochs = 8 }]
[augmentation]
background = 0.2
soften = 0.2
"""


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keep the tests' caches out of the user's."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["HANGTAG_CACHE"] = str(folder)
    return folder


@pytest.fixture(autouse=True)
def main_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put ``__main__`` back: Streamlit's AppTest replaces it, and spawned processes import it."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])


@pytest.fixture
def heeded_interrupts() -> Iterator[None]:
    """Tests that run in a shell's background ignore Ctrl-C, and so would what they start."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def drawn_catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in the public dataset's layout: 600 drawn products."""
    return draw_catalogue(tmp_path_factory.mktemp("drawn"), 600)


@pytest.fixture(scope="session")
def tiny_recipe() -> Recipe:
    """A network that learns the drawn catalogue in seconds."""
    return parse_recipe(TINY_RECIPE, "tiny")


@pytest.fixture(scope="session")
def tiny_model(
    drawn_catalogue: Path, tiny_recipe: Recipe, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder of a model trained on the drawn catalogue."""
    from hangtag.training import train

    return train(drawn_catalogue, tiny_recipe, tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def turning_model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model, after it has learnt which way up photos lie, which takes more photos."""
    from drawn_photos import drawn_photos
    from hangtag.model import write_info
    from hangtag.orientation import fit_orientation
    from hangtag.tagger import Tagger

    folder = tmp_path_factory.mktemp("turning") / "turning"
    shutil.copytree(tiny_model, folder)
    tagger = Tagger(folder)
    fitted = fit_orientation(tagger, drawn_photos(tagger, validation=150))
    assert fitted is not None
    # So small a network is seldom sure; tests want it to turn what it thinks lies on its head.
    fitted = fitted.model_copy(update={"threshold": 1.0})
    write_info(folder, tagger.info.model_copy(update={"orientation": fitted}), "")
    return folder


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of the public dataset's archives: ``$HANGTAG_DATA`` or ``../shared/data``."""
    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("HANGTAG_DATA", default))
    if not (folder / "fashion-product-images-small.zip").is_file():
        pytest.skip("no public dataset here; set HANGTAG_DATA to the folder of its archives")
    return folder


@pytest.fixture(scope="session")
def neighbourly(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model beside products whose gender hangs on their sitting."""
    folder = tmp_path_factory.mktemp("neighbourly") / "neighbourly"
    shutil.copytree(tiny_model, folder)
    tagger = Tagger(folder)
    fitted = TrainingNeighbours(tagger, sittings(tagger), 10).fit()
    assert fitted.products == LEARNT
    assert [*fitted.log_odds] == ["gender"]
    write_info(folder, tagger.info.model_copy(update={"neighbours": fitted}), "")
    return folder
