"""A model whose every answer a test decides, and catalogues of photos that hold the answers."""

import csv
from pathlib import Path

import numpy as np
from PIL import Image

from hangtag.attributes import Attribute
from hangtag.model import ModelInfo, Vocabulary
from hangtag.photo import read_photo
from hangtag.tagger import Probabilities

COLOURS = ("Red", "Green", "Blue")
TYPES = ("Shirts", "Shoes")


class ReadingTagger:
    """Reads its probabilities off the photo.

    The upper half's red, green and blue are the probabilities of the three colours; the lower
    half's red and green those of the two types.
    """

    input_size = (2, 1)

    def __init__(self, name="reader", **info):
        self.attributes = [Attribute("baseColour", COLOURS), Attribute("articleType", TYPES)]
        self.main_attributes = self.attributes
        vocabularies = [
            Vocabulary(name=one.name, values=list(one.values)) for one in self.attributes
        ]
        self.info = ModelInfo(
            **{"name": name, "attributes": vocabularies, "input_size": self.input_size, **info}
        )

    def prepare(self, photo):
        return read_photo(photo)[[1, -2], 1:2]

    def probabilities(self, inputs):
        levels = inputs.astype(np.float32)
        levels /= levels.sum(axis=3, keepdims=True)
        values = {"baseColour": levels[:, 0, 0], "articleType": levels[:, 1, 0, :2]}
        embedding = np.zeros((len(inputs), 1), np.float32)
        return Probabilities(values, None, embedding, np.zeros(len(inputs), int))

    def activation_map(self, photo, attribute, value=None):
        return np.array([[0], [1]], np.float32)


def photo_saying(colours, types, size=(6, 8)):
    """A photo that makes the model say these probabilities (in hundredths)."""
    width, height = size
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2] = colours
    pixels[height // 2 :] = (*types, 0)
    return Image.fromarray(pixels)


def write_catalogue(folder: Path, rows: list[dict]) -> Path:
    """Write a catalogue; a row's ``says`` are its photo's probabilities, the rest its cells."""
    folder.mkdir(exist_ok=True)
    header = list(dict.fromkeys(key for row in rows for key in row if key != "says"))
    table = folder / "products.csv"
    with table.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, ["id", "photo", *header])
        writer.writeheader()
        for number, row in enumerate(rows):
            cells = {key: cell for key, cell in row.items() if key != "says"}
            writer.writerow({"id": number, "photo": f"{number}.png", **cells})
            photo_saying(*row["says"]).save(folder / f"{number}.png")
    return table


RED, GREEN, BLUE = (80, 15, 5), (10, 85, 5), (5, 5, 90)
SHIRT, SHOE = (90, 10), (20, 80)
