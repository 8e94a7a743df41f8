"""How well models carry over to photos that another shop might take of the same products.

`python -m benchmarks.carry_over plain default --data FOLDER` changes the test photos of the public
dataset (the larger ones where there are some) as other shops and phones would have them: other
shapes and framings, other backgrounds, two views in one, badges and watermarks, other light, poorer
files. Each changed photo has its product's labels still, so what is lost is what a model owes to
one shop's way of taking photos. A second table tells whether a model knows that it guesses: how
many tags it accepts at the default precision, how many of these are right, and how many products it
takes for none.
"""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.changed_photos import Change, changes
from benchmarks.options import options
from benchmarks.out_of_domain import test_photos
from benchmarks.photos import products
from hangtag.judge import evaluate
from hangtag.markdown import table
from hangtag.photo import read_photo
from hangtag.photo_reader import PhotoReader
from hangtag.verdict import COLOUR_GROUP, Evaluation

SHOWN = ("gender", "articleType", "baseColour", COLOUR_GROUP, "season", "usage")
ACCEPTED = tuple(one for one in SHOWN if one != COLOUR_GROUP)
_SEED = 5


def main() -> None:
    """Print two tables for each model: what is right, and what is accepted."""
    typed = options("carry_over", __doc__)
    catalogue, reader, rows = products(typed.data, typed.split)
    phone = typed.data / "real-world.zip"
    floors = _corners(phone) if phone.is_file() else []
    right: dict[str, dict[str, list[str]]] = {model: {} for model in typed.models}
    accepted: dict[str, dict[str, list[str]]] = {model: {} for model in typed.models}
    for name, change in changes(floors).items():
        with tempfile.TemporaryDirectory() as folder:
            write_changed(
                change, reader, catalogue.table["id"].gather(rows).to_list(), rows, folder
            )
            for model in typed.models:
                found = evaluate(model, catalogue, split=typed.split, photos=folder)
                right[model][name] = _right(found)
                accepted[model][name] = _accepted(found)
    for model in typed.models:
        _print(model, SHOWN, right[model])
        _print(f"{model}: accepted · right", (*ACCEPTED, "taken for no product"), accepted[model])


def _right(found: Evaluation) -> list[str]:
    scores = found.summary()
    return [_percent(scores[one]["accuracy"]) for one in SHOWN]


def _accepted(found: Evaluation) -> list[str]:
    cells = []
    for name in ACCEPTED:
        decision = found.decisions(name)[0]
        cells.append(" · ".join(_percent(decision[one]) for one in ("coverage", "precision")))
    return [*cells, _percent(1 - float(found.known_product.mean()))]


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}"


def _print(title: str, columns: Sequence[str], rows: Mapping[str, Sequence[str]]) -> None:
    lines = ([name, *cells] for name, cells in rows.items())
    print(f"\n{title}\n\n{table(['photos', *columns], lines)}")


def write_changed(
    change: Change, reader: PhotoReader, ids: Sequence[str], rows: Sequence[int], folder: str
) -> None:
    """Write the changed photos of products, named by their ids; the same ones each time."""
    dice = np.random.default_rng(_SEED)
    for product, row in zip(ids, rows, strict=True):
        photo = Image.fromarray(read_photo(reader.read(row)))
        change(photo, dice).save(Path(folder) / f"{product}.jpg", quality=93)


def _corners(path: Path) -> list[Image.Image]:
    """Corners of test phone photos, where mostly the floor or the bed shows."""
    photos = [Image.fromarray(read_photo(data)) for data in test_photos(path)]
    return [photo.crop((0, 0, photo.width // 3, photo.height // 3)) for photo in photos]


if __name__ == "__main__":
    main()
