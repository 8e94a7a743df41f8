"""How often models name the very article type that a phone photo shows.

The phone photos' own labels are coarse ("Shoes", "Longsleeve", "Pants"), so a model that calls
every shoe a sandal is never wrong by them. `python -m benchmarks.phone_types default --data FOLDER`
judges by `phone_types.csv`, finer labels of 1,006 photos, given by eye: ``Heels|Flats`` where the
photo leaves it open, none where it can't be told.
"""

from collections import Counter
from pathlib import Path

import numpy as np

from benchmarks.options import options
from hangtag.attributes import ANY_OF, TYPE
from hangtag.catalogue import read_catalogue
from hangtag.split import assign
from hangtag.tagger import Tagger

TYPES = Path(__file__).with_suffix(".csv")


def main() -> None:
    """Print a row for each model and coarse label."""
    typed = options("phone_types", __doc__)
    catalogue = read_catalogue(typed.data / "real-world.zip", columns=TYPES)
    coarse, fine = catalogue.labels("label"), catalogue.labels(TYPE)
    rows = [
        row
        for row in np.flatnonzero(assign(catalogue) == typed.split).tolist()
        if fine[row] is not None
    ]
    print("| model | label | photos | right | said most |\n|---|---|--:|--:|---|")
    for model in typed.models:
        photos = [catalogue.photo_bytes(catalogue.table["photo"][row]) for row in rows]
        found = Tagger(model, attributes=[TYPE]).tag([*photos])
        said = [result.tags[TYPE].value for result in found]
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
