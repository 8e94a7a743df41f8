"""Random changes of training photos, a batch at a time, on whatever device the batch lies."""

import io
import itertools
import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from hangtag.marks import marked
from hangtag.photo_cache import WEARER
from hangtag.recipe import Augmentation

if TYPE_CHECKING:
    from hangtag.training_data import TrainingData

_BACKGROUNDS = 1500
"""How many photos show what may lie behind products, at most twice as many."""

_WORN = WEARER / 255
_SOMEBODY = 0.01
"""Share of a photo that a wearer takes at least."""

_WHITE_GROUND = 0.9
"""Mean level from which on what lies around a product is a studio's white."""

_GROUND = 0.2
"""Share of a photo that lies around the product at least where its ground is shown with others."""

_SHADOW = 12
"""Into how many parts each side is cut to blur a shadow."""

_HIDDEN = (0.15, 0.45)
"""Of a photo's height and width, how much a rectangle hides at least and at most."""

_QUALITY = (15, 70)
"""From which to below which quality photos are saved as JPEG."""


def backgrounds(data: "TrainingData", recipe: Augmentation) -> Tensor | None:
    """Some training photos of the extra catalogues, which show real surroundings: uint8
    (P, h, w, 4); None if there are none, or nothing is put behind products."""
    rows = data.rows("train", extra=True)
    if not (recipe.background or recipe.moved) or not len(rows):
        return None
    chosen = rows[:: max(1, len(rows) // _BACKGROUNDS)]
    return torch.from_numpy(data.pool.take(data.own[chosen]))


class Augmenter:
    """Turns cached photos into training inputs.

    Args:
        recipe: What to change, and how far.
        backgrounds: uint8 (P, h, w, 4) photos whose pieces replace white backgrounds, or None for
            flat colours and gradients alone.
    """

    def __init__(self, recipe: Augmentation, backgrounds: Tensor | None = None) -> None:
        self.recipe = recipe
        if backgrounds is not None:
            grounds = (backgrounds[..., 3] == 0).flatten(1).float().mean(1) > _GROUND
            backgrounds = backgrounds[grounds] if grounds.any() else backgrounds
        self.backgrounds = backgrounds

    def __call__(self, photos: Tensor, size: tuple[int, int], worn: Tensor | None = None) -> Tensor:
        """Change a batch.

        Args:
            photos: uint8 (N, H, W, 4): RGB, and the mask of `hangtag.photo_cache.PhotoCache`.
            size: Height and width to return.
            worn: bool (N,): which products are garments, whose wearer may be taken away; by
                default none.

        Returns:
            float (N, 3, h, w), 0 to 255.
        """
        pixels = photos.permute(0, 3, 1, 2).float() / 255
        pixels = functional.grid_sample(
            pixels, self._grid(photos, size), padding_mode="border", align_corners=False
        )
        colours, mask = pixels[:, :3], pixels[:, 3:]
        # Half a pixel less than the mask, or the old background would show as a white rim.
        product = (2 * mask / _WORN - 1).clamp(0, 1)
        if worn is not None:
            somebody = (photos[..., 3] == WEARER).flatten(1).float().mean(1) > _SOMEBODY
            colours, product = self._undress(colours, mask, product, worn & somebody)
        colours = self._light(colours)
        if self.recipe.background or self.recipe.cuts_out:
            colours = self._replace_background(colours, product, _on_white(photos))
        if self.recipe.paired:
            colours = self._paired(colours)
        if self.recipe.covered:
            colours = self._covered(colours)
        if self.recipe.marked:
            colours = marked(colours, self.recipe.marked)
        if self.recipe.soften:
            colours = self._soften(colours)
        if self.recipe.noise:
            strength = self.recipe.noise * torch.rand(len(colours), 1, 1, 1, device=photos.device)
            colours = colours + strength * torch.randn_like(colours)
        return colours.clamp(0, 1) * 255

    def _grid(self, photos: Tensor, size: tuple[int, int]) -> Tensor:
        recipe, count, device = self.recipe, len(photos), photos.device
        height, width = photos.shape[1:3]
        low, high = (math.log(zoom) for zoom in recipe.zoom)
        zoom = torch.exp(_uniform(count, low, high, device))
        stretch = torch.exp(_uniform(count, -recipe.stretch, recipe.stretch, device))
        angle = _uniform(count, -recipe.rotation, recipe.rotation, device) * math.pi / 180
        if recipe.quarter_turn or recipe.any_turn:
            further = _elsewhere(photos) * self._turns(count, device)
            angle = angle + further
            # Or what lies along the long side would be cut off.
            sides = max(height, width) / min(height, width)
            zoom = zoom / torch.hypot(torch.cos(further), sides * torch.sin(further))
        mirror = _signs(count, recipe.flip, device)
        upside_down = _signs(count, recipe.vertical_flip, device)
        ratio = height / width
        # affine_grid maps output to input positions, hence the divisions by the zoom.
        theta = torch.zeros(count, 2, 3, device=device)
        theta[:, 0, 0] = mirror * torch.cos(angle) / (zoom * stretch)
        theta[:, 0, 1] = upside_down * -torch.sin(angle) * ratio / zoom
        theta[:, 1, 0] = mirror * torch.sin(angle) / ratio / zoom
        theta[:, 1, 1] = upside_down * torch.cos(angle) * stretch / zoom
        theta[:, :, 2] = 2 * _uniform((count, 2), -recipe.shift, recipe.shift, device)
        return functional.affine_grid(theta, [count, 4, *size], align_corners=False)

    def _turns(self, count: int, device: torch.device) -> Tensor:
        """Angles in radians, of which most are 0: (N,)."""
        quarter, free = self.recipe.quarter_turn, self.recipe.any_turn
        quarters = _signs(count, True, device) * math.pi / 2
        turns = quarters * (torch.rand(count, device=device) < quarter)
        freely = torch.rand(count, device=device) < free
        return torch.where(freely, _uniform(count, -math.pi, math.pi, device), turns)

    def _undress(
        self, colours: Tensor, mask: Tensor, product: Tensor, worn: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Take the wearer out of some photos: white there, and no part of the product."""
        chosen = worn & (torch.rand(len(worn), device=worn.device) < self.recipe.wearer)
        garment = ((mask - _WORN) / (1 - _WORN)).clamp(min=0)
        alone = colours * garment + (1 - garment)
        chosen = _each(chosen)
        return torch.where(chosen, alone, colours), torch.where(chosen, garment, product)

    def _light(self, colours: Tensor) -> Tensor:
        recipe, shape, device = self.recipe, (len(colours), 1, 1, 1), colours.device
        contrast = 1 + _uniform(shape, -recipe.contrast, recipe.contrast, device)
        brightness = 1 + _uniform(shape, -recipe.brightness, recipe.brightness, device)
        cast = 1 + _uniform(
            (len(colours), 3, 1, 1), -recipe.colour_cast, recipe.colour_cast, device
        )
        return ((colours - 0.5) * contrast + 0.5) * brightness * cast

    def _replace_background(self, colours: Tensor, mask: Tensor, on_white: Tensor) -> Tensor:
        """Show products where their shop didn't: on floors those on white, in studios the rest."""
        recipe, count = self.recipe, len(colours)
        share = torch.where(on_white, recipe.background, recipe.studio + recipe.moved)
        drawn = torch.rand(count, device=colours.device)
        chosen = drawn < share
        moved = on_white | (drawn >= recipe.studio)
        studio = _studio(colours)
        if self.recipe.shadow:
            studio = studio * self._shadow(mask)
        if self.recipe.cuts_out:
            mask = torch.where(_each(on_white), mask, _smoothed(mask))
        behind = torch.where(_each(moved), self._surroundings(colours), studio)
        return torch.where(_each(chosen), colours * mask + behind * (1 - mask), colours)

    def _shadow(self, product: Tensor) -> Tensor:
        """What is left of the light around products that lie on a ground: (N, 1, h, w)."""
        size = product.shape[-2:]
        coarse = functional.adaptive_avg_pool2d(product, (_SHADOW, _SHADOW))
        blurred = functional.interpolate(coarse, size=size, mode="bilinear")
        darkest, shape = self.recipe.shadow, (len(product), 1, 1, 1)
        depth = _uniform(shape, -darkest, darkest, product.device).clamp(min=0)
        return 1 - depth * blurred

    def _surroundings(self, colours: Tensor) -> Tensor:
        count, device, size = len(colours), colours.device, colours.shape[-2:]
        flat = torch.rand(count, 3, 1, 1, device=device)
        # Half of the plain backgrounds are pale, as in other shops' studios.
        pale = torch.rand(count, 1, 1, 1, device=device) < 0.5
        flat = torch.where(pale, 0.8 + 0.15 * flat.mean(1, keepdim=True) + 0.05 * flat, flat)
        slope = _uniform((count, 3, 2, 1), -0.2, 0.2, device)
        behind = functional.interpolate(flat + slope, size=size, mode="bilinear").clamp(0, 1)
        if self.backgrounds is not None and len(self.backgrounds):
            pick = torch.randint(len(self.backgrounds), (count,))
            pieces = self.backgrounds[pick].to(device).permute(0, 3, 1, 2).float() / 255
            scenes = functional.grid_sample(
                pieces[:, :3], _grounds(pieces[:, 3:], size), align_corners=False
            )
            real = torch.rand(count, device=device) < 0.7
            behind = torch.where(_each(real), scenes, behind)
        return behind

    def _paired(self, colours: Tensor) -> Tensor:
        """Show some photos twice beside each other, the second time mirrored or from nearer."""
        chosen = torch.rand(len(colours), device=colours.device) < self.recipe.paired
        once = colours[chosen]
        height, width = (side // 2 for side in colours.shape[-2:])
        top, left = height // 2, width // 2
        near = once[:, :, top : top + height, left : left + width]
        half = functional.interpolate(once, (height, width), mode="bilinear", antialias=True)
        nearer = _each(torch.rand(len(once), device=colours.device) < 0.5)
        ground = colours[:, :, [0, -1]].mean((2, 3))[chosen][..., None, None]
        both = ground.repeat(1, 1, *colours.shape[-2:])
        both[:, :, top : top + height, :width] = half
        both[:, :, top : top + height, width : 2 * width] = torch.where(nearer, near, half.flip(3))
        paired = colours.clone()
        paired[chosen] = both
        return paired

    def _covered(self, colours: Tensor) -> Tensor:
        """Hide a part of some photos (random erasing; Zhong et al. 2020)."""
        count, device = len(colours), colours.device
        sides = _uniform((2, count, 1, 1), *_HIDDEN, device)
        middles = torch.rand(2, count, 1, 1, device=device)
        down, across = (torch.linspace(0, 1, side, device=device) for side in colours.shape[-2:])
        hidden = ((down[:, None] - middles[0]).abs() < sides[0] / 2) & (
            (across - middles[1]).abs() < sides[1] / 2
        )
        chosen = torch.rand(count, 1, 1, device=device) < self.recipe.covered
        plain = torch.rand(count, 3, 1, 1, device=device)
        return torch.where((hidden & chosen)[:, None], plain, colours)

    def _soften(self, colours: Tensor) -> Tensor:
        chosen = torch.rand(len(colours), device=colours.device) < self.recipe.soften
        height, width = colours.shape[-2:]
        factor = float(torch.empty(()).uniform_(0.35, 0.8))
        small = functional.interpolate(
            colours[chosen],
            size=(round(height * factor), round(width * factor)),
            mode="bilinear",
            antialias=True,
        )
        if self.recipe.jpeg:
            small = self._compress(small)
        softened = colours.clone()
        softened[chosen] = functional.interpolate(small, size=(height, width), mode="bilinear")
        return softened

    def _compress(self, colours: Tensor) -> Tensor:
        """Save some photos as poor JPEGs."""
        chosen = (torch.rand(len(colours)) < self.recipe.jpeg).nonzero()[:, 0]
        compressed = colours.clone()
        for at in chosen.tolist():
            pixels = (colours[at].clamp(0, 1) * 255).byte().permute(1, 2, 0).cpu().numpy()
            saved = io.BytesIO()
            quality = int(torch.randint(*_QUALITY, ()))
            Image.fromarray(pixels).save(saved, "JPEG", quality=quality)
            poor = torch.from_numpy(np.array(Image.open(saved)))
            compressed[at] = poor.permute(2, 0, 1).to(colours) / 255
        return compressed


def _grounds(masks: Tensor, size: tuple[int, ...]) -> Tensor:
    """Where in photos to look for a floor, (N, h, w, 2): of a piece in each corner the one that
    shows the least of the product in masks (N, 1, H, W), any of them where none was found."""
    count, device = len(masks), masks.device
    least = torch.full((count,), math.inf, device=device)
    chosen = torch.zeros(count, 2, 3, device=device)
    for corner in itertools.product((-1, 1), repeat=2):
        theta = torch.zeros_like(chosen)
        zoom = _uniform(count, 0.2, 0.6, device)
        theta[:, 0, 0] = theta[:, 1, 1] = zoom
        theta[:, :, 2] = torch.tensor(corner, device=device) * (1 - zoom)[:, None]
        coarse = functional.affine_grid(theta, [count, 1, 8, 8], align_corners=False)
        covered = functional.grid_sample(masks, coarse, align_corners=False).flatten(1).mean(1)
        covered = covered + _uniform(count, 0, 0.01, device)
        less = covered < least
        least = torch.where(less, covered, least)
        chosen = torch.where(less[:, None, None], theta, chosen)
    return functional.affine_grid(chosen, [count, 1, *size], align_corners=False)


def _on_white(photos: Tensor) -> Tensor:
    """Which photos have a white background: bool (N,) of uint8 (N, H, W, 4)."""
    around = photos[..., 3] == 0
    levels = (photos[..., :3].float().mean(-1) * around).flatten(1).sum(1)
    return levels >= _WHITE_GROUND * 255 * around.flatten(1).sum(1)


def _elsewhere(photos: Tensor) -> Tensor:
    """Which photos (N, H, W, 4) weren't taken on white: bool (N,). Where all is product, no ground
    was found at all."""
    return ~_on_white(photos) | (photos[..., 3] > 0).flatten(1).all(1)


def _studio(colours: Tensor) -> Tensor:
    """Plain grounds as of studios, for half of the photos white: (N, 3, 1, 1)."""
    shape, device = (len(colours), 1, 1, 1), colours.device
    white = torch.rand(shape, device=device) < 0.5
    pale = _uniform(shape, 0.8, 1, device) + _uniform((len(colours), 3, 1, 1), -0.02, 0.02, device)
    return torch.where(white, 1.0, pale)


def _smoothed(mask: Tensor) -> Tensor:
    """Cuts that are ragged by a pixel made even, with none of the floor coming along."""
    means = functional.avg_pool2d(mask, 3, 1, 1, count_include_pad=False)
    return (2 * means - 1).clamp(min=0)


def _each(photos: Tensor) -> Tensor:
    """(N,) as (N, 1, 1, 1)."""
    return photos.view(-1, 1, 1, 1)


def _uniform(shape: int | tuple[int, ...], low: float, high: float, device: torch.device) -> Tensor:
    return low + (high - low) * torch.rand(shape, device=device)


def _signs(count: int, flips: bool, device: torch.device) -> Tensor:
    if not flips:
        return torch.ones(count, device=device)
    return torch.where(torch.rand(count, device=device) < 0.5, -1.0, 1.0)
