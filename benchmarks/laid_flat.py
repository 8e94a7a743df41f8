"""How well models tell whom a garment is for when nobody wears it.

`python -m benchmarks.laid_flat plain default --data FOLDER` looks at the test garments of the
public dataset whose photos show no skin, at the others, and at those with a face once more with
their wearer taken away (as the recipe `elsewhere` does in training). There most adults' clothes are
worn and most children's laid flat, so a model may take for a child's whatever nobody wears.
"""

from pathlib import Path

import numpy as np
from sklearn.metrics import accuracy_score, recall_score

from benchmarks.options import options
from benchmarks.photos import products
from hangtag.markdown import table
from hangtag.photo import read_photo, to_input
from hangtag.photo_cache import product_mask
from hangtag.tagger import Tagger
from hangtag.wearer import skin_coloured, wearer

GENDER = "gender"
GARMENTS = ("Topwear", "Bottomwear", "Dress")
SHOWN = ("Men", "Women", "Boys", "Girls")
_BARE = 0.005
"""Share of a photo that has the colour of skin from which on somebody may wear the garment."""

_SIZE = (128, 96)


def main() -> None:
    """Print a row for each model and kind of photo."""
    typed = options("laid_flat", __doc__)
    photos, genders = _garments(typed.data, typed.split)
    worn = np.array([skin_coloured(photo).mean() >= _BARE for photo in photos])
    alone = [_alone(photo) for photo in photos]
    faces = np.array([photo is not None for photo in alone])
    rows = []
    for model in typed.models:
        tagger = Tagger(model, attributes=[GENDER])
        said = _genders(tagger, photos)
        without = _genders(tagger, [photo for photo in alone if photo is not None])
        for name, truth, found in (
            ("with skin", genders[worn], said[worn]),
            ("without", genders[~worn], said[~worn]),
            ("with a face", genders[faces], said[faces]),
            ("the same, wearer taken away", genders[faces], without),
        ):
            right = 100 * accuracy_score(truth, found)
            recalls = recall_score(truth, found, labels=SHOWN, average=None, zero_division=0)
            counts = [int((truth == label).sum()) for label in SHOWN]
            cells = [
                f"{100 * recall:.0f} of {count}"
                for recall, count in zip(recalls, counts, strict=True)
            ]
            rows.append([model, name, len(truth), f"{right:.1f}", *cells])
    print(table(["model", "photos", "garments", "right", *SHOWN], rows, words=(0, 1)))


def _garments(data: Path, split: str) -> tuple[list[np.ndarray], np.ndarray]:
    catalogue, reader, rows = products(data, split)
    kinds, genders = catalogue.labels("subCategory"), catalogue.labels(GENDER)
    rows = [row for row in rows if kinds[row] in GARMENTS and genders[row]]
    return [read_photo(reader.read(row)) for row in rows], np.array([genders[row] for row in rows])


def _alone(photo: np.ndarray) -> np.ndarray | None:
    """A photo on white without who wears the garment; None where no face is found."""
    fitted = to_input(photo, _SIZE).copy()
    somebody = wearer(fitted, product_mask(fitted) > 0)
    if not somebody.any():
        return None
    fitted[somebody] = 255
    return fitted


def _genders(tagger: Tagger, photos: list[np.ndarray]) -> np.ndarray:
    return np.array([result.tags[GENDER].value for result in tagger.tag([*photos])])


if __name__ == "__main__":
    main()
