"""How often models name the very article type that a phone photo shows.

The phone photos' own labels are coarse ("Shoes", "Longsleeve", "Pants"), so a model that calls
every shoe a sandal is never wrong by them. `python -m benchmarks.phone_types default --data FOLDER`
judges by `phone_types.csv`, finer labels of 1,006 photos, given by eye: ``Heels|Flats`` where the
photo leaves it open, none where it can't be told.
"""

import argparse
from collections import Counter
from pathlib import Path

import numpy as np

from hangtag.attributes import ANY_OF
from hangtag.catalogue import read_catalogue
from hangtag.split import assign
from hangtag.tagger import Tagger

TYPES = Path(__file__).with_suffix(".csv")
_BATCH = 64


def main() -> None:
    """Print a row for each model and coarse label."""
    parser = argparse.ArgumentParser(prog="benchmarks.phone_types", description=__doc__)
    parser.add_argument("models", nargs="+", help="names or folders of models")
    parser.add_argument("--data", type=Path, required=True, help="folder of the archives")
    parser.add_argument("--split", default="test")
    options = parser.parse_args()
    catalogue = read_catalogue(options.data / "real-world.zip").with_columns_from(TYPES)
    coarse, fine = catalogue.labels("label"), catalogue.labels("articleType")
    rows = [
        row
        for row in np.flatnonzero(assign(catalogue) == options.split).tolist()
        if fine[row] is not None
    ]
    print("| model | label | photos | right | said most |\n|---|---|--:|--:|---|")
    for model in options.models:
        tagger = Tagger(model, attributes=["articleType"])
        inputs = np.stack(
            [tagger.prepare(catalogue.photo_bytes(catalogue.table["photo"][row])) for row in rows]
        )
        chosen = np.concatenate(
            [
                tagger.probabilities(inputs[at : at + _BATCH]).values["articleType"].argmax(axis=1)
                for at in range(0, len(inputs), _BATCH)
            ]
        )
        said = [tagger.attributes[0].values[index] for index in chosen]
        for label in dict.fromkeys(coarse[row] for row in rows):
            these = [
                (fine[row], word)
                for row, word in zip(rows, said, strict=True)
                if coarse[row] == label
            ]
            right = np.mean([word in truth.split(ANY_OF) for truth, word in these])
            most = Counter(word for _, word in these).most_common(3)
            words = ", ".join(f"{word} {count}" for word, count in most)
            print(f"| {model} | {label} | {len(these)} | {100 * right:.1f} | {words} |")


if __name__ == "__main__":
    main()
