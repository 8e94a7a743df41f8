"""How well models carry over to photos that another shop might take of the same products.

`python -m benchmarks.carry_over plain default --data FOLDER` changes the test photos of the public
dataset (the larger ones where there are some) as other shops and phones would have them: other
shapes and framings, other backgrounds, other light, poorer files. Each changed photo has its
product's labels still, so what is lost is what a model owes to one shop's way of taking photos.
"""

import io
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from benchmarks.options import options
from benchmarks.out_of_domain import test_photos
from benchmarks.photos import products
from hangtag.judge import evaluate
from hangtag.photo import read_photo
from hangtag.photo_cache import product_mask
from hangtag.photo_reader import PhotoReader
from hangtag.verdict import COLOUR_GROUP

SHOWN = ("gender", "articleType", "baseColour", COLOUR_GROUP, "season", "usage")
_CUT = 0.13
"""What a close-up lacks at each border, as a share of the side."""

_SEED = 5
_GREY, _BEIGE, _BLUE = (206, 206, 208), (222, 208, 186), (150, 176, 204)


Change = Callable[[Image.Image, np.random.Generator], Image.Image]
"""What a way to take photos does to one."""


def on_canvas(photo: Image.Image, shape: float, share: float) -> Image.Image:
    """Put a photo in the middle of a white canvas.

    Args:
        photo: To place.
        shape: Width of the canvas for each pixel of its height.
        share: How much of the canvas the photo may take, across and down.
    """
    height = max(photo.height, round(photo.width / shape)) / share
    canvas = Image.new("RGB", (round(height * shape), round(height)), "white")
    corner = ((canvas.width - photo.width) // 2, (canvas.height - photo.height) // 2)
    canvas.paste(photo, corner)
    return canvas


def before(photo: Image.Image, background: Image.Image) -> Image.Image:
    """Put something behind a product on white; other photos stay as they are."""
    outside = Image.fromarray(255 - product_mask(np.asarray(photo)))
    soft = outside.filter(ImageFilter.GaussianBlur(0.6))
    return Image.composite(background.resize(photo.size), photo, soft)


def _plain(colour: tuple[int, int, int]) -> Callable[[Image.Image, object], Image.Image]:
    return lambda photo, _: before(photo, Image.new("RGB", photo.size, colour))


def _closer(photo: Image.Image, _: object) -> Image.Image:
    left, top = round(photo.width * _CUT), round(photo.height * _CUT)
    return photo.crop((left, top, photo.width - left, photo.height - top))


def _lit(factors: Sequence[float]) -> Callable[[Image.Image, object], Image.Image]:
    def change(photo: Image.Image, _: object) -> Image.Image:
        pixels = np.asarray(photo).astype(np.float32) * np.array(factors, np.float32)
        return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))

    return change


def _poor(photo: Image.Image, _: object) -> Image.Image:
    stream = io.BytesIO()
    photo.resize((photo.width * 2 // 3, photo.height * 2 // 3)).save(stream, "JPEG", quality=25)
    return Image.open(stream).convert("RGB")


def _turned(photo: Image.Image, dice: np.random.Generator) -> Image.Image:
    angle = float(dice.choice((-12, 12)))
    return photo.rotate(angle, Image.Resampling.BICUBIC, expand=True, fillcolor="white")


def changes(floors: Sequence[Image.Image]) -> dict[str, Change]:
    """All of them, by name; ``floors`` are pictures to put behind products."""
    found: dict[str, Change] = {
        "as they are": lambda photo, _: photo,
        "mirrored": lambda photo, _: photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        "square": lambda photo, _: on_canvas(photo, 1.0, 1.0),
        "landscape": lambda photo, _: on_canvas(photo, 4 / 3, 1.0),
        "small in the frame": lambda photo, _: on_canvas(photo, 3 / 4, 0.62),
        "close-up": _closer,
        "turned by 12°": _turned,
        "on grey": _plain(_GREY),
        "on beige": _plain(_BEIGE),
        "on blue": _plain(_BLUE),
    }
    if floors:
        found["on floors and beds"] = lambda photo, dice: before(
            photo, floors[int(dice.integers(len(floors)))]
        )
    return found | {
        "darker": _lit((0.75, 0.75, 0.75)),
        "warm light": _lit((1.06, 1.0, 0.88)),
        "poor files": _poor,
    }


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
