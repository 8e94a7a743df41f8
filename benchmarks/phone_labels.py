"""How well models tell whom a product is for, its type and its colour on phone photos.

The phone photos' own labels are coarse ("Shoes", "Longsleeve", "Pants"): a model that calls every
shoe a sandal is never wrong by them, and they say nothing of colour. `python -m
benchmarks.phone_labels default --data FOLDER` judges by labels given by eye: gender and colour of
all 4,251 photos (`phone_looks.csv`), and the article types of 1,006 (`phone_types.csv`).
``Heels|Flats`` stands where the photo leaves it open, nothing where it can't be told.

Each photo is judged as it is, turned onto either side and onto its head, and with its product cut
out and set on white, much as another shop might show clothes laid flat.
"""

from pathlib import Path

import numpy as np

from benchmarks.options import options
from hangtag.attributes import ANY_OF, TYPE, colour_group
from hangtag.catalogue import read_catalogue
from hangtag.cut_out import cut_out
from hangtag.labels import read_labels
from hangtag.markdown import table
from hangtag.photo import read_photo
from hangtag.recipe_file import read_recipe
from hangtag.split import assign
from hangtag.tagger import Tagger
from hangtag.turning import turned

_HERE = Path(__file__).parent
LOOKS, TYPES = _HERE / "phone_looks.csv", _HERE / "phone_types.csv"
GENDER, COLOUR = "gender", "baseColour"
ASKED = (GENDER, COLOUR, TYPE)
TURNS = {"on their left side": 270, "on their heads": 180, "on their right side": 90}
"""How photos are turned clockwise, in degrees."""


def main() -> None:
    """Print rows for each model: all photos, all on white, and each coarse label's."""
    typed = options("phone_labels", __doc__)
    catalogue = read_catalogue(typed.data / "real-world.zip", columns=LOOKS)
    rows = np.flatnonzero(assign(catalogue) == typed.split).tolist()
    kinds = [catalogue.labels("label")[row] for row in rows]
    coarse = read_labels(catalogue, [TYPE], read_recipe("default").translations)[TYPE]
    gender = _allowed(catalogue.labels(GENDER), rows)
    truth = {
        "gender": (GENDER, gender),
        "gender, one answer": (GENDER, [one if len(one) == 1 else set() for one in gender]),
        "colour group": (
            COLOUR,
            [
                {colour_group(colour) for colour in allowed}
                for allowed in _allowed(catalogue.labels(COLOUR), rows)
            ],
        ),
        "type, coarse": (TYPE, _allowed(coarse, rows)),
        "type, finer": (TYPE, _allowed(catalogue.with_columns_from(TYPES).labels(TYPE), rows)),
    }
    photos = [read_photo(catalogue.photo_bytes(catalogue.table["photo"][row])) for row in rows]
    cut = {at: _on_white(photo) for at, photo in enumerate(photos)}
    on_white = {at: photo for at, photo in cut.items() if photo is not None}
    lines = []
    for model in typed.models:
        tagger = Tagger(model, attributes=[*ASKED])
        said = dict(enumerate(_said(tagger, photos)))
        apart = dict(zip(on_white, _said(tagger, [*on_white.values()]), strict=True))
        kept = {at: said[at] for at in apart}
        lying = {
            name: dict(enumerate(_said(tagger, [turned(photo, degrees) for photo in photos])))
            for name, degrees in TURNS.items()
        }
        for name, words in (
            ("all", said),
            *((f"all, {name}", words) for name, words in lying.items()),
            ("those that can be cut out", kept),
            ("the same, on white", apart),
            *(
                (kind, {at: said[at] for at in said if kinds[at] == kind})
                for kind in dict.fromkeys(kinds)
            ),
        ):
            cells = [_right(words, *question) for question in truth.values()]
            lines.append([model, name, *cells])
    print(table(["model", "photos", *truth], lines, words=(0, 1)))


def _allowed(labels: list[str | None], rows: list[int]) -> list[set[str]]:
    return [set((labels[row] or "").split(ANY_OF)) - {""} for row in rows]


def _on_white(photo: np.ndarray) -> np.ndarray | None:
    product = cut_out(photo)
    return None if product is None else np.where(product[..., None], photo, 255).astype(np.uint8)


def _said(tagger: Tagger, photos: list[np.ndarray]) -> list[dict[str, str]]:
    """What a model says of each photo: gender, colour group, article type."""
    words = []
    for result in tagger.tag([*photos]):
        values = {name: result.tags[name].value for name in ASKED}
        words.append({**values, COLOUR: colour_group(values[COLOUR])})
    return words


def _right(words: dict[int, dict[str, str]], attribute: str, allowed: list[set[str]]) -> str:
    """Per cent right of how many, among the photos that have a label."""
    right = [said[attribute] in allowed[at] for at, said in words.items() if allowed[at]]
    return f"{100 * np.mean(right):.1f} of {len(right)}" if right else "–"


if __name__ == "__main__":
    main()
