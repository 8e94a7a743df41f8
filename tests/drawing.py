"""Draws products with known labels: test catalogues, example photos, and photos gone wrong.

`python tests/drawing.py FOLDER` draws the example photos of the README.
"""

import csv
import random
import sys
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw, ImageFilter

HEADER = [
    *("id", "gender", "masterCategory", "subCategory", "articleType", "baseColour", "season"),
    *("year", "usage", "productDisplayName"),
]
"""The columns of the public dataset's table."""

PARENTS = {
    "Tshirts": ("Topwear", "Apparel"),
    "Shirts": ("Topwear", "Apparel"),
    "Jeans": ("Bottomwear", "Apparel"),
    "Shorts": ("Bottomwear", "Apparel"),
    "Dresses": ("Dress", "Apparel"),
    "Casual Shoes": ("Shoes", "Footwear"),
    "Heels": ("Shoes", "Footwear"),
    "Flip Flops": ("Flip Flops", "Footwear"),
    "Handbags": ("Bags", "Accessories"),
    "Watches": ("Watches", "Accessories"),
    "Caps": ("Headwear", "Accessories"),
    "Sunglasses": ("Eyewear", "Accessories"),
}
"""Sub- and master category of every kind that can be drawn."""

COLOURS = {
    "Black": (38, 38, 42),
    "White": (236, 236, 232),
    "Grey": (140, 142, 146),
    "Navy Blue": (34, 44, 92),
    "Blue": (52, 112, 206),
    "Red": (204, 40, 46),
    "Green": (44, 140, 76),
    "Yellow": (240, 200, 50),
    "Pink": (238, 130, 170),
    "Brown": (122, 80, 48),
}
GENDERS = ("Men", "Women", "Boys", "Girls")
SEASONS = ("Summer", "Fall", "Winter")
USAGES = ("Casual", "Sports")

Point = tuple[float, float]

# Outlines on a grid 60 wide and 80 high, right half only where a product is symmetric.
_HALVES: dict[str, list[Point]] = {
    "Tshirts": [
        *((30, 20), (35, 18), (38, 16), (46, 19), (55, 31), (49, 36), (45, 32)),
        *((44, 45), (45, 64), (30, 65)),
    ],
    "Shirts": [
        *((30, 18), (36, 14), (38, 15), (45, 18), (51, 36), (53, 54), (48, 55), (44, 36)),
        *((43, 50), (44, 66), (38, 68), (30, 65)),
    ],
    "Jeans": [(30, 9), (41, 9), (43, 26), (44, 72), (34, 72), (31, 28), (30, 27)],
    "Shorts": [(30, 22), (43, 22), (46, 38), (50, 56), (34, 58), (31, 42), (30, 41)],
    "Dresses": [
        *((30, 20), (34, 19), (36, 8), (39, 8), (41, 20), (38, 34), (42, 48), (50, 70)),
        *((40, 73), (30, 74)),
    ],
    "Caps": [(30, 26), (40, 28), (47, 36), (49, 47), (54, 54), (44, 57), (30, 53)],
    "Handbags": [(30, 36), (46, 36), (50, 64), (47, 67), (30, 67)],
}
_WHOLES: dict[str, list[list[Point]]] = {
    "Casual Shoes": [
        [(6, 36), (10, 33), (18, 36), (26, 34), (36, 42), (50, 46), (55, 52), (54, 57), (6, 57)],
    ],
    "Heels": [
        [
            *((8, 30), (14, 28), (20, 36), (32, 48), (46, 52), (55, 56), (53, 59), (38, 59)),
            *((24, 52), (14, 42), (12, 60), (8, 60)),
        ],
    ],
    "Flip Flops": [
        [(13, 20), (21, 17), (27, 22), (26, 40), (27, 60), (20, 66), (14, 61), (14, 42)],
        [(47, 20), (39, 17), (33, 22), (34, 40), (33, 60), (40, 66), (46, 61), (46, 42)],
    ],
    "Watches": [[(25, 6), (35, 6), (36, 30), (36, 50), (35, 74), (25, 74), (24, 50), (24, 30)]],
    "Sunglasses": [
        [(5, 34), (15, 32), (28, 35), (27, 44), (20, 50), (10, 48), (6, 42)],
        [(55, 34), (45, 32), (32, 35), (33, 44), (40, 50), (50, 48), (54, 42)],
    ],
}
_SUPERSAMPLING = 4


def draw_garment(
    kind: str,
    colour: str,
    size: tuple[int, int] = (80, 60),
    seed: int = 0,
    *,
    gender: str = "Men",
    season: str = "Summer",
    usage: str = "Casual",
) -> Image.Image:
    """Draw one product on white.

    Every label shows: the kind by its outline; the colour; the gender by width (women's and
    girls' are slimmer) and size (children's are smaller); the season by a print (fall: dots,
    winter: stripes); sports by two pale bands.

    Args:
        kind: A key of PARENTS.
        colour: A key of COLOURS.
        size: Height and width in pixels.
        seed: Decides on position, angle and shade.
        gender: One of GENDERS.
        season: One of SEASONS.
        usage: One of USAGES.
    """
    dice = random.Random(f"{seed} {kind} {colour} {gender} {season} {usage}")
    height, width = size
    canvas = (width * _SUPERSAMPLING, height * _SUPERSAMPLING)
    pen = _Pen(canvas)
    outlines = _WHOLES.get(kind) or [_mirrored(_HALVES[kind])]
    mask = Image.new("L", canvas)
    for outline in outlines:
        pen.polygon(mask, _smooth(outline), 255)
    if kind == "Handbags":
        pen.ring(mask, (30, 36), (12, 20), 2.2, 255)
    if kind == "Sunglasses":
        pen.line(mask, [(26, 36), (34, 36)], 2.4, 255)
    if kind == "Watches":
        pen.ellipse(mask, (30, 40), (11, 11), 255)

    shade = dice.uniform(0.92, 1.06)
    tone = _scaled(COLOURS[colour], shade)
    ink = _scaled(tone, 0.55) if sum(tone) > 240 else tuple(part + 62 for part in tone)
    cloth = Image.new("RGB", canvas, tone)
    _print_season(pen, cloth, season, ink)
    if usage == "Sports":
        pale = (250, 250, 250) if sum(tone) < 560 else (90, 90, 96)
        for x in (21, 39):
            pen.line(cloth, [(x, 0), (x, 80)], 2.6, pale)
    _draw_details(pen, cloth, kind, ink)
    cloth = _lit(cloth, mask)

    photo = Image.new("RGB", canvas, "white")
    photo.paste(cloth, mask=mask)
    across = 0.8 if gender in {"Women", "Girls"} else 1.0
    scale = 0.72 if gender in {"Boys", "Girls"} else 1.0
    return _placed(photo, across * scale, scale, dice).resize(
        (width, height), Image.Resampling.LANCZOS
    )


class _Pen:
    """Draws in grid units, 60 by 80, on a canvas of any size."""

    def __init__(self, canvas: tuple[int, int]):
        self._x, self._y = canvas[0] / 60, canvas[1] / 80

    def _to(self, points: Sequence[Point]) -> list[Point]:
        return [(x * self._x, y * self._y) for x, y in points]

    def polygon(self, image: Image.Image, points: Sequence[Point], fill: object) -> None:
        ImageDraw.Draw(image).polygon(self._to(points), fill=fill)

    def line(self, image: Image.Image, points: Sequence[Point], thick: float, fill: object) -> None:
        width = max(1, round(thick * self._x))
        ImageDraw.Draw(image).line(self._to(points), fill=fill, width=width, joint="curve")

    def ellipse(self, image: Image.Image, centre: Point, radii: Point, fill: object) -> None:
        (x, y), (across, down) = centre, radii
        box = self._to([(x - across, y - down), (x + across, y + down)])
        ImageDraw.Draw(image).ellipse([*box[0], *box[1]], fill=fill)

    def ring(
        self, image: Image.Image, centre: Point, radii: Point, thick: float, fill: object
    ) -> None:
        (x, y), (across, down) = centre, radii
        box = self._to([(x - across, y - down), (x + across, y + down)])
        width = max(1, round(thick * self._x))
        ImageDraw.Draw(image).arc([*box[0], *box[1]], 180, 360, fill=fill, width=width)


def _mirrored(half: list[Point]) -> list[Point]:
    return half + [(60 - x, y) for x, y in reversed(half)]


def _smooth(points: Sequence[Point]) -> list[Point]:
    """Round off corners (Chaikin's corner cutting, close to the corners)."""
    for _ in range(3):
        cut: list[Point] = []
        for (x, y), (to_x, to_y) in zip(points, [*points[1:], points[0]], strict=True):
            for part in (0.15, 0.85):
                cut.append((x + (to_x - x) * part, y + (to_y - y) * part))
        points = cut
    return list(points)


def _scaled(colour: Sequence[int], factor: float) -> tuple[int, ...]:
    return tuple(min(255, round(part * factor)) for part in colour)


def _print_season(pen: _Pen, cloth: Image.Image, season: str, ink: object) -> None:
    if season == "Winter":
        for y in range(3, 80, 9):
            pen.line(cloth, [(0, y), (60, y)], 2.4, ink)
    elif season == "Fall":
        for row, y in enumerate(range(4, 80, 7)):
            for x in range(3 + row % 2 * 4, 60, 8):
                pen.ellipse(cloth, (x, y), (1.4, 1.4), ink)


def _draw_details(pen: _Pen, cloth: Image.Image, kind: str, ink: object) -> None:
    """Draw what tells a shirt from a T-shirt: collars, seams, buttons, soles, dials."""
    if kind == "Tshirts":
        pen.line(cloth, [(21, 17), (25, 21), (30, 22), (35, 21), (39, 17)], 1.2, ink)
    elif kind == "Shirts":
        pen.polygon(cloth, [(23, 14), (30, 20), (25, 25)], ink)
        pen.polygon(cloth, [(37, 14), (30, 20), (35, 25)], ink)
        pen.line(cloth, [(30, 20), (30, 66)], 0.8, ink)
        for y in range(26, 64, 7):
            pen.ellipse(cloth, (31.6, y), (0.8, 0.8), ink)
    elif kind in {"Jeans", "Shorts"}:
        top = 9 if kind == "Jeans" else 22
        pen.line(cloth, [(10, top + 4), (50, top + 4)], 0.9, ink)
        pen.line(cloth, [(30, top), (30, top + 17)], 0.9, ink)
        pen.line(cloth, [(19, top + 10), (24, top + 4)], 0.8, ink)
        pen.line(cloth, [(41, top + 10), (36, top + 4)], 0.8, ink)
        if kind == "Jeans":
            _wash(pen, cloth)
    elif kind == "Dresses":
        pen.line(cloth, [(18, 34), (30, 36), (42, 34)], 1.6, ink)
    elif kind == "Casual Shoes":
        pen.polygon(cloth, [(0, 53), (60, 53), (60, 58), (0, 58)], (244, 244, 240))
        pen.line(cloth, [(0, 53), (60, 53)], 0.7, ink)
        for x in (24, 28, 32):
            pen.line(cloth, [(x, 41 + (x - 24) * 0.5), (x + 4, 36 + (x - 24) * 0.6)], 1, ink)
    elif kind == "Heels":
        pen.line(cloth, [(11, 39), (24, 55), (55, 60)], 1.2, ink)
    elif kind == "Flip Flops":
        for middle, side in ((20, 1), (40, -1)):
            strap = [(middle - 7 * side, 46), (middle + side, 29), (middle + 7 * side, 44)]
            pen.line(cloth, strap, 2, ink)
    elif kind == "Handbags":
        pen.line(cloth, [(10, 45), (30, 50), (50, 45)], 1.1, ink)
        pen.ellipse(cloth, (30, 50), (2, 2), (214, 178, 92))
    elif kind == "Watches":
        for y in (*range(10, 28, 5), *range(54, 74, 5)):
            pen.line(cloth, [(22, y), (38, y)], 0.6, ink)
        pen.ellipse(cloth, (30, 40), (11, 11), ink)
        pen.ellipse(cloth, (30, 40), (9, 9), (246, 246, 242))
        pen.line(cloth, [(30, 33), (30, 40), (35, 43)], 1, (40, 40, 44))
    elif kind == "Caps":
        pen.line(cloth, [(9, 47), (20, 50), (30, 51), (40, 50), (51, 47)], 1.1, ink)
        pen.line(cloth, [(30, 26), (30, 51)], 0.8, ink)
    elif kind == "Sunglasses":
        for middle in (16.5, 43.5):
            pen.ellipse(cloth, (middle, 41), (7, 5), (44, 46, 54))
            pen.line(cloth, [(middle - 4, 43), (middle + 1, 37)], 0.9, (120, 126, 140))


def _wash(pen: _Pen, cloth: Image.Image) -> None:
    """Fade the thighs and knees of jeans, and stitch their seams in yellow."""
    faded = Image.new("L", cloth.size)
    for middle in (23, 37):
        pen.ellipse(faded, (middle, 30), (3.2, 12), 150)
        pen.ellipse(faded, (middle, 52), (2.6, 7), 90)
    faded = faded.filter(ImageFilter.GaussianBlur(cloth.width / 30))
    paler = cloth.point(lambda value: value + (255 - value) * 2 // 3)
    cloth.paste(paler, mask=faded)
    thread = (206, 160, 84)
    for seam in (
        [(17, 15), (43, 15)],
        [(28.6, 15), (28.6, 24), (30, 27)],
        [(18, 22), (22, 20.5), (25, 15.5)],
        [(42, 22), (38, 20.5), (35, 15.5)],
    ):
        pen.line(cloth, seam, 0.5, thread)


def _lit(cloth: Image.Image, mask: Image.Image) -> Image.Image:
    """Darken towards the edges and the right, as if lit from the upper left."""
    across = Image.linear_gradient("L").rotate(-90).resize(mask.size)
    side = across.point(lambda value: 255 - (255 - value) // 7 - 8)
    soft = mask.filter(ImageFilter.GaussianBlur(mask.width / 40))
    edge = soft.point(lambda value: min(255, 150 + value * 105 // 230))
    return ImageChops.multiply(cloth, Image.merge("RGB", [ImageChops.multiply(side, edge)] * 3))


def _placed(photo: Image.Image, across: float, down: float, dice: random.Random) -> Image.Image:
    """Scale about the centre, turn by a few degrees and shift a little."""
    width, height = photo.size
    zoom = dice.uniform(0.94, 1.02)
    shift_x, shift_y = (dice.uniform(-0.03, 0.03) * side for side in photo.size)
    scale_x, scale_y = 1 / (across * zoom), 1 / (down * zoom)
    moved = photo.transform(
        photo.size,
        Image.Transform.AFFINE,
        (
            *(scale_x, 0, width / 2 - scale_x * (width / 2 + shift_x)),
            *(0, scale_y, height / 2 - scale_y * (height / 2 + shift_y)),
        ),
        resample=Image.Resampling.BICUBIC,
        fillcolor="white",
    )
    return moved.rotate(dice.uniform(-3, 3), Image.Resampling.BICUBIC, fillcolor="white")


def draw_catalogue(folder: Path, count: int, seed: int = 0) -> Path:
    """Draw a catalogue laid out like the public dataset, 60×80 photos and all.

    Kinds and colours take turns, so ``count >= 120`` has each pair at least once. One product in
    eleven lacks a label: its colour, season or usage is empty or ``NA``.
    """
    dice = random.Random(seed)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    pairs = [(kind, colour) for kind in PARENTS for colour in COLOURS]
    dice.shuffle(pairs)
    with (folder / "styles.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, HEADER, lineterminator="\n")
        table.writeheader()
        for number in range(count):
            kind, colour = pairs[number % len(pairs)]
            gender, season, usage = map(dice.choice, (GENDERS, SEASONS, USAGES))
            photo = draw_garment(
                kind, colour, seed=seed + number, gender=gender, season=season, usage=usage
            )
            photo.save(folder / f"images/{1000 + number}.jpg", quality=90)
            row = {
                "id": 1000 + number,
                "gender": gender,
                "masterCategory": PARENTS[kind][1],
                "subCategory": PARENTS[kind][0],
                "articleType": kind,
                "baseColour": colour,
                "season": season,
                "year": 2010 + number % 6,
                "usage": usage,
                "productDisplayName": f"Drawn {gender} {colour} {kind}",
            }
            if number % 11 == 10:
                row[dice.choice(["baseColour", "season", "usage"])] = dice.choice(["", "NA"])
            table.writerow(row)
    return folder


def relabelled(catalogue: Path, folder: Path, column: str, value: str) -> Path:
    """A drawn catalogue's photos again, four in five of them with another label."""
    folder.mkdir()
    (folder / "images").symlink_to(catalogue / "images")
    with (catalogue / "styles.csv").open(encoding="utf-8") as source:
        rows = list(csv.DictReader(source))
    for number, row in enumerate(rows):
        if number % 5:
            row[column] = value
    with (folder / "styles.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    return folder


def draw_broken_photos(folder: Path) -> Path:
    """Draw photos that are broken, and unusual ones that only look so.

    Unreadable: ``truncated.jpg``, ``text.jpg``, ``empty.jpg``. Readable: ``cmyk.jpg``,
    ``sixteen-bit.png``, ``animated.gif``, ``transparent.webp``, ``rotated.jpg`` (lies on its
    side; EXIF says how to turn it upright).
    """
    folder.mkdir(parents=True, exist_ok=True)
    photo = draw_garment("Tshirts", "Red", (320, 240))
    photo.save(folder / "whole.jpg", quality=92)
    whole = (folder / "whole.jpg").read_bytes()
    (folder / "whole.jpg").unlink()
    (folder / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "text.jpg").write_text("This is not a photo.\n")
    (folder / "empty.jpg").write_bytes(b"")
    photo.convert("CMYK").save(folder / "cmyk.jpg")
    photo.convert("L").convert("I").point(lambda value: value * 257).convert("I;16").save(
        folder / "sixteen-bit.png"
    )
    frames = [photo, *(draw_garment("Tshirts", "Red", (320, 240), seed) for seed in (1, 2))]
    frames[0].save(folder / "animated.gif", save_all=True, append_images=frames[1:], duration=200)
    cut_out = photo.convert("RGBA")
    alpha = ImageChops.invert(photo.convert("L")).point(lambda value: 255 * (value > 8))
    cut_out.putalpha(alpha)
    cut_out.save(folder / "transparent.webp", lossless=True)
    exif = Image.Exif()
    exif[0x0112] = 6  # Orientation: to be turned by 90° clockwise
    photo.transpose(Image.Transpose.ROTATE_90).save(folder / "rotated.jpg", exif=exif, quality=92)
    return folder


EXAMPLES = {
    "tshirt.jpg": ("Tshirts", "Red", "Men", "Summer"),
    "jeans.jpg": ("Jeans", "Navy Blue", "Men", "Summer"),
    "dress.jpg": ("Dresses", "Pink", "Women", "Summer"),
    "shoe.jpg": ("Casual Shoes", "Blue", "Men", "Summer"),
    "handbag.jpg": ("Handbags", "Brown", "Women", "Summer"),
    "watch.jpg": ("Watches", "Black", "Men", "Summer"),
}


def draw_examples(folder: Path) -> Path:
    """Draw the README's example photos, 240×320."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (kind, colour, gender, season) in EXAMPLES.items():
        photo = draw_garment(kind, colour, (320, 240), seed=7, gender=gender, season=season)
        photo.save(folder / name, quality=88)
    return folder


if __name__ == "__main__":
    draw_examples(Path(sys.argv[1]))
