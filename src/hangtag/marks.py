"""Words and badges over photos, as shops and agencies print them: drawn once, laid over batches."""

import string
from functools import cache

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional

_SIZE = (160, 120)
"""Height and width, in pixels, at which marks are drawn."""

_DESIGNS = 200
"""How many are drawn."""

_BADGES = 0.3
"""Share of them that are badges: words on a disc or a bar, which hides what lies under it."""

_OPACITY = (0.15, 0.7)
"""How much of a photo words hide at least and at most where they run."""

_SEED = 0


def marked(colours: Tensor, share: float) -> Tensor:
    """Print words or a badge over some photos.

    Args:
        colours: float (N, 3, h, w), 0 to 1.
        share: Of the photos that get marks, 0 to 1.

    Returns:
        float (N, 3, h, w).
    """
    count, device = len(colours), colours.device
    chosen = (torch.rand(count, device=device) < share).nonzero()[:, 0]
    if not len(chosen):
        return colours
    pick = torch.randint(_DESIGNS, (len(chosen),))
    designs = _designs()[pick].to(device).float() / 255
    designs = functional.interpolate(designs, size=colours.shape[-2:], mode="area")
    below, words = designs[:, :1], designs[:, 1:]
    shape = (len(chosen), 1, 1, 1)
    badge = below.flatten(1).amax(1).view(shape) > 0
    low, high = _OPACITY
    opacity = torch.where(badge, 1.0, low + (high - low) * torch.rand(shape, device=device))
    under = torch.rand(len(chosen), 3, 1, 1, device=device)
    # Most watermarks are grey, black or white; what is read on a badge is what its ground isn't.
    grey = torch.rand(shape, device=device).mul(3).floor().div(2).expand_as(under)
    coloured = torch.rand(shape, device=device) < 0.25
    ink = torch.where(coloured, torch.rand_like(under), grey)
    ink = torch.where(badge, (under.mean(1, keepdim=True) < 0.5).float(), ink)
    printed = colours[chosen] * (1 - below) + under * below
    printed = printed * (1 - opacity * words) + ink * opacity * words
    all_of_them = colours.clone()
    all_of_them[chosen] = printed
    return all_of_them


@cache
def _designs() -> Tensor:
    """How much ground and words cover of a photo, uint8 (designs, 2, h, w); the same every time."""
    dice = np.random.default_rng(_SEED)
    drawn = [
        _badge(dice) if number < _BADGES * _DESIGNS else _watermark(dice)
        for number in range(_DESIGNS)
    ]
    return torch.from_numpy(np.stack(drawn))


def _watermark(dice: np.random.Generator) -> np.ndarray:
    """A word across the photo, or rows of it."""
    height, width = _SIZE
    # Drawn on more than the photo, so that turning leaves no corner empty.
    side = 2 * height
    layer = Image.new("L", (side, side))
    pen, size = ImageDraw.Draw(layer), float(dice.uniform(7, 26))
    font, word = ImageFont.load_default(size), _word(dice)
    if dice.random() < 0.35:
        pen.text((side / 2, side / 2), word, 255, font, "mm")
    else:
        apart, indent = size * dice.uniform(1.2, 4), dice.uniform(0, side)
        line = (word + " " * int(dice.integers(1, 8))) * 30
        for row in range(int(side / apart) + 1):
            start = -indent * (row % 2) - size * len(line) / 8
            pen.text((start, row * apart), line, 255, font)
    angle = float(dice.choice([0, 0, dice.uniform(-60, 60)]))
    turned = layer.rotate(angle, Image.Resampling.BILINEAR)
    left = side / 2 - width * dice.uniform(0.3, 0.7)
    top = side / 2 - height * dice.uniform(0.15, 0.85)
    words = turned.crop((round(left), round(top), round(left) + width, round(top) + height))
    return np.stack([np.zeros(_SIZE, np.uint8), np.asarray(words)])


def _badge(dice: np.random.Generator) -> np.ndarray:
    """A disc in a corner or a bar above or below, with a word."""
    height, width = _SIZE
    ground, words = Image.new("L", (width, height)), Image.new("L", (width, height))
    pen = ImageDraw.Draw(ground)
    if dice.random() < 0.6:
        radius = width * float(dice.uniform(0.08, 0.22))
        x = float(dice.choice([radius, width - radius]))
        y = float(dice.choice([radius, height - radius]))
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), 255)
        size = 0.7 * radius
    else:
        deep = height * float(dice.uniform(0.06, 0.16))
        x, y = width / 2, float(dice.choice([deep / 2, height - deep / 2]))
        pen.rectangle((0, y - deep / 2, width, y + deep / 2), 255)
        size = 0.7 * deep
    font = ImageFont.load_default(max(6, size))
    ImageDraw.Draw(words).text((x, y), _word(dice)[:6], 255, font, "mm")
    return np.stack([np.asarray(ground), np.asarray(words)])


def _word(dice: np.random.Generator) -> str:
    letters = [*(string.ascii_letters + string.digits + "-%.&")]
    return "".join(dice.choice(letters, int(dice.integers(3, 16))))
