"""How well a model tells photos that show no product: AUROC, misses and false alarms.

`python -m benchmarks.out_of_domain --model default --data FOLDER` holds the test products of the
public dataset, and the test phone photos beside them if they are there, against the photos that
scikit-image ships (a cat, a cup, bricks, cells, text, …: several crops of each) and against noise,
plain colours and gradients.
"""

import argparse
from pathlib import Path

import numpy as np
import skimage
from sklearn.metrics import roc_auc_score

from hangtag.catalogue import read_catalogue
from hangtag.errors import HangtagError
from hangtag.markdown import table
from hangtag.photo import read_photo
from hangtag.split import assign
from hangtag.tagger import Tagger

CROPS = 8
PRODUCTS = 1500


def main() -> None:
    """Print one row per kind of photo."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="default")
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args()
    tagger = Tagger(options.model)
    if tagger.info.domain is None:
        raise SystemExit(f"{options.model}: has no out-of-domain score")
    threshold = tagger.info.domain.threshold
    products = scores(tagger, test_photos(options.data / "fashion-product-images-small.zip"))
    rows = [_row("test products", products, None, threshold)]
    phone = options.data / "real-world.zip"
    if phone.is_file():
        rows.append(_row("test phone photos", scores(tagger, test_photos(phone)), None, threshold))
    for name, photos in (("other photos", other_photos()), ("no photos at all", made_up())):
        rows.append(_row(name, scores(tagger, photos), products, threshold))
    print(table(["photos", "count", "AUROC against products", "taken for no product"], rows))


def _row(
    name: str, found: np.ndarray, products: np.ndarray | None, threshold: float
) -> list[object]:
    turned_away = 100 * (found < threshold).mean()
    area = "—"
    if products is not None:
        truth = np.concatenate([np.ones(len(products)), np.zeros(len(found))])
        area = f"{roc_auc_score(truth, np.concatenate([products, found])):.3f}"
    return [name, len(found), area, f"{turned_away:.1f} %"]


def scores(tagger: Tagger, photos: list[np.ndarray | bytes]) -> np.ndarray:
    """Out-of-domain scores float32 (N,)."""
    inputs = np.stack([tagger.prepare(photo) for photo in photos])
    found = [
        tagger.probabilities(inputs[at : at + 64]).in_domain for at in range(0, len(inputs), 64)
    ]
    return np.concatenate(found)


def test_photos(path: Path) -> list[np.ndarray | bytes]:
    """Some photos of a catalogue's test part."""
    catalogue = read_catalogue(path)
    rows = np.flatnonzero(assign(catalogue) == "test")
    names = [catalogue.table["photo"][row] for row in rows.tolist()]
    return [catalogue.photo_bytes(name) for name in names if name is not None][:PRODUCTS]


def other_photos() -> list[np.ndarray | bytes]:
    """Random crops of the photos that scikit-image ships."""
    rng = np.random.default_rng(0)
    photos: list[np.ndarray | bytes] = []
    for file in sorted((Path(skimage.__file__).parent / "data").glob("*.*g")):
        try:
            photo = read_photo(file)
        except HangtagError:
            continue
        height, width = photo.shape[:2]
        for _ in range(CROPS):
            side = int(rng.uniform(0.5, 1.0) * min(height, width * 4 / 3))
            across = side * 3 // 4
            top, left = rng.integers(height - side + 1), rng.integers(width - across + 1)
            photos.append(photo[top : top + side, left : left + across])
    return photos


def made_up() -> list[np.ndarray | bytes]:
    """Noise, plain colours and gradients."""
    rng = np.random.default_rng(0)
    photos: list[np.ndarray | bytes] = [
        rng.integers(0, 256, (160, 120, 3), dtype=np.uint8) for _ in range(20)
    ]
    for colour in (0, 64, 128, 192, 255):
        photos.append(np.full((160, 120, 3), colour, np.uint8))
    for _ in range(40):
        start, end = rng.integers(0, 256, (2, 3))
        steps = np.linspace(start, end, 160)[:, None, :]
        photos.append(np.broadcast_to(steps, (160, 120, 3)).astype(np.uint8))
    return photos


if __name__ == "__main__":
    main()
