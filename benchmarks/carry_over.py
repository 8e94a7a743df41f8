"""How well models carry over to photos that another shop might take of the same products.

`python -m benchmarks.carry_over plain default --data FOLDER` changes the test photos of the public
dataset (the larger ones where there are some) as other shops and phones would have them: other
shapes and framings, other backgrounds, two views in one, badges and watermarks, other light, poorer
files. Each changed photo has its product's labels still, so what is lost is what a model owes to
one shop's way of taking photos.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.changed_photos import Change, changes
from benchmarks.options import options
from benchmarks.out_of_domain import test_photos
from benchmarks.photos import products
from hangtag.judge import evaluate
from hangtag.photo import read_photo
from hangtag.photo_reader import PhotoReader
from hangtag.verdict import COLOUR_GROUP

SHOWN = ("gender", "articleType", "baseColour", COLOUR_GROUP, "season", "usage")
_SEED = 5


def main() -> None:
    """Print a table for each model."""
    typed = options("carry_over", __doc__)
    catalogue, reader, rows = products(typed.data, typed.split)
    phone = typed.data / "real-world.zip"
    floors = _corners(phone) if phone.is_file() else []
    tables: dict[str, list[str]] = {model: [] for model in typed.models}
    for name, change in changes(floors).items():
        with tempfile.TemporaryDirectory() as folder:
            write_changed(
                change, reader, catalogue.table["id"].gather(rows).to_list(), rows, folder
            )
            for model, lines in tables.items():
                found = evaluate(model, catalogue, split=typed.split, photos=folder).summary()
                cells = [f"{100 * (found[one]['accuracy'] or 0):.1f}" for one in SHOWN]
                lines.append(f"| {name} | {' | '.join(cells)} |")
    for model, lines in tables.items():
        print(f"\n{model}\n\n| photos | {' | '.join(SHOWN)} |\n|---{'|--:' * len(SHOWN)}|")
        print("\n".join(lines))


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
