"""Training photos that are mixtures of two: torchvision's CutMix and mixup."""

import torch
from torch import Tensor
from torchvision.transforms import v2

from hangtag.recipe import Augmentation


def mix(photos: Tensor, recipe: Augmentation) -> tuple[Tensor, float]:
    """Mix each photo of a batch with the one before it, or leave the batch as it is.

    A piece of the other photo is set into each (CutMix, Yun et al., 2019), or all pixels are
    averaged (mixup, Zhang et al., 2018). How often is up to the recipe.

    Args:
        photos: float (N, 3, h, w).
        recipe: Its ``cutmix`` and ``mixup`` are the shares of batches that are mixed.

    Returns:
        The photos, and which share of each is its own (0 to 1). The rest is of the one before it,
        of the first that of the last: ``photos.roll(1, 0)``.
    """
    ways = [(recipe.cutmix, v2.CutMix), (recipe.mixup, v2.MixUp)]
    if not any(often for often, _ in ways):
        return photos, 1.0  # and no random number is drawn, so that older runs repeat
    drawn = float(torch.rand(()))
    for often, way in ways:
        if drawn < often:
            numbers = torch.arange(len(photos), device=photos.device)
            mixed, shares = way(num_classes=len(photos))(photos, numbers)
            return mixed, float(shares[0, 0])
        drawn -= often
    return photos, 1.0
