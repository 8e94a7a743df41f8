"""Photos of products as other shops and phones would have them, made of the photos that there are.

Each changed photo has its product's labels still.
"""

import io
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from hangtag.photo_cache import product_mask

_CUT = 0.13
"""What a close-up lacks at each border, as a share of the side."""

_BADGE = 0.17
"""A badge's radius as a share of the width."""

_MARKS, _MARK = 5, (128, 128, 128, 110)
"""How many words a watermark has from top to bottom, and their colour."""

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


def _two_views(photo: Image.Image, _: object) -> Image.Image:
    canvas = Image.new("RGB", (2 * photo.width, photo.height), "white")
    left, top = photo.width // 4, photo.height // 4
    part = photo.crop((left, top, left + photo.width // 2, top + photo.height // 2))
    canvas.paste(photo, (0, 0))
    canvas.paste(part.resize(photo.size), (photo.width, 0))
    return canvas


def _badge(photo: Image.Image, dice: np.random.Generator) -> Image.Image:
    badged = photo.copy()
    radius = round(_BADGE * photo.width)
    x = int(dice.choice((radius, photo.width - radius)))
    y = int(dice.choice((radius, photo.height - radius)))
    pen = ImageDraw.Draw(badged)
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=_colour(dice))
    pen.text((x, y), "-30%", fill="white", anchor="mm", font=_font(0.7 * radius))
    return badged


def _watermark(photo: Image.Image, _: object) -> Image.Image:
    marks = Image.new("RGBA", photo.size, (0, 0, 0, 0))
    pen = ImageDraw.Draw(marks)
    for y in range(0, photo.height, max(1, photo.height // _MARKS)):
        corner = (photo.width // 2, y)
        pen.text(corner, "shop.example", fill=_MARK, anchor="mt", font=_font(photo.height * 0.09))
    return Image.alpha_composite(photo.convert("RGBA"), marks).convert("RGB")


def _covered(photo: Image.Image, dice: np.random.Generator) -> Image.Image:
    covered = photo.copy()
    x = int(dice.uniform(0.1, 0.55) * photo.width)
    y = int(dice.uniform(0.1, 0.55) * photo.height)
    corner = (x + round(0.35 * photo.width), y + round(0.3 * photo.height))
    ImageDraw.Draw(covered).rectangle((x, y, *corner), fill=_colour(dice))
    return covered


def _colour(dice: np.random.Generator) -> tuple[int, int, int]:
    red, green, blue = dice.integers(0, 256, 3).tolist()
    return red, green, blue


def _font(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=max(8, size))


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
        "two views": _two_views,
        "badge": _badge,
        "watermark": _watermark,
        "partly covered": _covered,
        "darker": _lit((0.75, 0.75, 0.75)),
        "warm light": _lit((1.06, 1.0, 0.88)),
        "poor files": _poor,
    }
