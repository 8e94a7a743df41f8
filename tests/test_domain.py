"""Photos of products are told from pictures of anything else."""

from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from drawing import draw_garment
from drawn_photos import COLOURS, KINDS, as_training_data
from hangtag.domain import _fit
from hangtag.feature_cache import STILL
from hangtag.marks import marked
from hangtag.no_product import NoProduct
from hangtag.tagger import Tagger


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    """Twenty-six pictures, two of each kind, made of a photo: black above and white below."""
    photo = np.zeros((32, 24, 3), np.uint8)
    photo[16:] = 255
    return NoProduct(lambda _: photo, lambda _: photo, seed=1).make(26)


def test_pictures_of_no_product_have_the_photos_size_and_differ(pictures: np.ndarray) -> None:
    assert pictures.shape == (26, 32, 24, 3)
    assert pictures.dtype == np.uint8
    assert len({picture.tobytes() for picture in pictures}) >= 20


def test_the_same_seed_makes_the_same_pictures(pictures: np.ndarray) -> None:
    photo = np.zeros((32, 24, 3), np.uint8)
    photo[16:] = 255
    again = NoProduct(lambda _: photo, lambda _: photo, seed=1).make(26)
    assert (again == pictures).all()
    other = NoProduct(lambda _: photo, lambda _: photo, seed=2).make(26)
    assert (other != pictures).any()


def test_shuffled_tiles_keep_a_photos_pixels(pictures: np.ndarray) -> None:
    assert (pictures[0] == 255).mean() == 0.5


def test_without_photos_from_home_there_are_no_floors() -> None:
    flat = np.full((32, 24, 3), 7, np.uint8)
    floor = np.full((32, 24, 3), 99, np.uint8)
    with_floor = NoProduct(lambda _: flat, lambda _: floor).make(130)
    without = NoProduct(lambda _: flat, None).make(130)

    def floors(made: np.ndarray) -> int:
        return sum((picture == 99).all() for picture in made)

    assert floors(with_floor) == 10
    assert floors(without) == 0


def test_noise_ramps_and_shapes_score_below_products(tiny_model: Path) -> None:
    tagger = Tagger(tiny_model)
    assert tagger.info.domain is not None
    kinds = ("Tshirts", "Jeans", "Heels", "Caps")
    photos = [draw_garment(kind, colour) for kind in kinds for colour in ("Red", "Blue", "Black")]
    products = np.stack([tagger.prepare(photo) for photo in photos])
    rng = np.random.default_rng(5)
    # Of twenty plain colours two alone, near to some product's, would be a tenth.
    noise = rng.integers(0, 256, (300, *tagger.input_size, 3), dtype=np.uint8)
    plain = np.broadcast_to(rng.integers(0, 256, (300, 1, 1, 3), np.uint8), noise.shape).copy()
    threshold = tagger.info.domain.threshold
    assert (tagger.probabilities(products).in_domain >= threshold).mean() > 0.9
    for pictures in (noise, plain):
        assert (tagger.probabilities(pictures).in_domain < threshold).mean() > 0.9


class Squares:
    """Stands for a network: it sees how light each square of a photo is, and how even."""

    input_size = (64, 48)

    def run_all(self, batches: Iterable[np.ndarray]) -> SimpleNamespace:
        squares = np.concatenate([*batches]).reshape(-1, 8, 8, 6, 8, 3) / 255
        seen = np.stack([squares.mean((2, 4)), squares.std((2, 4))], axis=1)
        return SimpleNamespace(embedding=seen.reshape(len(seen), -1).astype(np.float32))


@pytest.mark.filterwarnings("ignore:lbfgs failed to converge")
def test_words_printed_over_products_seldom_turn_them_away() -> None:
    tagger, (height, width) = Squares(), Squares.input_size
    everything = np.full((height, width), 255, np.uint8)
    drawn = (draw_garment(KINDS[n % 5], COLOURS[n % 6], seed=n) for n in range(360))
    photos = [np.dstack([one.convert("RGB").resize((width, height)), everything]) for one in drawn]
    data = as_training_data(photos, 300)
    judged = data.pool.rgb(data.rows("validation"))
    torch.manual_seed(3)
    pixels = marked(torch.from_numpy(judged).permute(0, 3, 1, 2) / 255, 1)
    printed = (pixels * 255).byte().permute(0, 2, 3, 1).numpy()

    weights, _ = _fit(tagger, data, STILL.model_copy(update={"marked": 1.0}))
    plain, with_words = (tagger.run_all([one]).embedding @ weights for one in (judged, printed))
    turned_away = (with_words < np.quantile(plain, 0.05)).mean()
    # If the classifier hadn't seen any, it would be seven in ten.
    assert turned_away < 0.5
