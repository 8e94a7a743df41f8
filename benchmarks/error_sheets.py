"""Test products that a model gets wrong, as sheets to look at: `python -m benchmarks.error_sheets`.

Errors of each attribute are drawn at random, the same ones each time, and put on sheets of fifty
with the label (red), what the model says (blue), and the product's name. ``--surest 0.75`` draws
from the errors among the surest three quarters of an attribute's tags only. docs/experiments.md
says what was seen on them.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from hangtag.judge import evaluate
from hangtag.photo import read_photo
from hangtag.verdict import COLOUR_GROUP, Evaluation, Judged

COUNT = 100
ACROSS, DOWN = 10, 5
PHOTO = (120, 160)
MARGIN, LINE, LETTERS = 15, 13, 24
SEED = 7


def draw_sheet(found: Evaluation, judged: Judged, errors: Sequence[int], first: int) -> Image.Image:
    """Put photos beside each other, numbered from ``first``.

    Args:
        found: Whose photos.
        judged: The attribute.
        errors: Positions in the evaluation, as many as fit at most.
        first: Number of the first.
    """
    width, height = PHOTO[0] + 2 * MARGIN, PHOTO[1] + 6 * LINE
    sheet = Image.new("RGB", (ACROSS * width, DOWN * height), "white")
    pen = ImageDraw.Draw(sheet)
    for place, at in enumerate(errors):
        left, top = place % ACROSS * width, place // ACROSS * height
        row = int(found.rows[at])
        photo = Image.fromarray(read_photo(found.photos.read(row))).resize(PHOTO)
        sheet.paste(photo, (left + MARGIN, top))
        values = judged.attribute.values
        label = "|".join(values[value] for value in np.flatnonzero(judged.truths[at]))
        said = f"{values[judged.predicted[at]]} {judged.confidence[at]:.2f}"
        name = found.catalogue.table["name"][row] or ""
        pieces = [name[start : start + LETTERS] for start in range(0, 3 * LETTERS, LETTERS)]
        lines = [(f"{first + place} {label}", "red"), (said, "blue")]
        for number, (text, colour) in enumerate([*lines, *((piece, "black") for piece in pieces)]):
            pen.text((left + 2, top + PHOTO[1] + number * LINE), text[:LETTERS], fill=colour)
    return sheet


def main() -> None:
    """Draw errors and write the sheets."""
    parser = argparse.ArgumentParser(prog="benchmarks.error_sheets", description=__doc__)
    parser.add_argument("catalogue", type=Path)
    parser.add_argument("--model", default="default", help="name or folder of the model")
    parser.add_argument(
        "--surest", type=float, default=1.0, metavar="SHARE", help="of the tags: errors among these"
    )
    parser.add_argument("-o", "--output", type=Path, default=Path("errors"), help="folder to write")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    found = evaluate(options.model, options.catalogue)
    dice = np.random.default_rng(SEED)
    for name, judged in found.judged.items():
        if name == COLOUR_GROUP:
            continue
        known = np.flatnonzero(judged.known)
        surest = known[np.argsort(-judged.confidence[known])][: round(options.surest * len(known))]
        wrong = np.sort(surest[~judged.right[surest]])
        errors = dice.permutation(wrong)[:COUNT].tolist()
        print(f"{name}: {len(wrong)} wrong of the surest {len(surest)}")
        for start in range(0, len(errors), ACROSS * DOWN):
            some = errors[start : start + ACROSS * DOWN]
            file = options.output / f"{name}-{start + 1}.png"
            draw_sheet(found, judged, some, start + 1).save(file)
            print(file)


if __name__ == "__main__":
    main()
