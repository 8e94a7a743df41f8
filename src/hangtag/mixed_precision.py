"""Training in 16 bits where the hardware is made for it, but for what suffers from it."""

from typing import Any, Literal

import torch
from torch import Tensor, nn

from hangtag.network import HangtagNetwork

_SLOW_FROM = 5
"""Kernel size from which depthwise convolutions have no fast gradient in bfloat16 on CPUs."""


def precision() -> Literal["16-mixed", "bf16-mixed", "32-true"]:
    """Lightning's name of the precision to train in on this machine.

    Sixteen bits on GPUs, and in bfloat16 on processors with instructions for it (Intel since
    Cooper Lake, AMD since Zen 4); others would only be slowed down by it.
    """
    if torch.cuda.is_available():
        return "16-mixed"
    if torch.backends.mps.is_available():
        return "32-true"
    return "bf16-mixed" if _processor_has_bfloat16() else "32-true"


def keep_exact(network: HangtagNetwork) -> None:
    """Leave some modules of a network in float32 under automatic mixed precision.

    These are the heads and the colour branch, since eight bits of mantissa are few for telling
    navy from black; and depthwise convolutions with a stride or a large kernel, whose gradients
    oneDNN works out ten times slower in bfloat16.

    Args:
        network: Changed in place; its parameters and their names stay what they were.
    """
    exact: list[nn.Module] = [*network.heads.values()]
    exact += [network.palette] if network.palette else []
    exact += [module for module in network.backbone.modules() if _is_slow(module)]
    for module in exact:
        module.__class__ = _exact(type(module))


class _Exact:
    def forward(self, *inputs: Tensor) -> Tensor:
        forward = super().forward  # type: ignore[misc]
        device = inputs[0].device.type
        if not torch.is_autocast_enabled(device):
            return forward(*inputs)
        with torch.autocast(device, enabled=False):
            return forward(*(one.float() for one in inputs))


def _exact(kind: type[nn.Module]) -> type[nn.Module]:
    return type(f"Exact{kind.__name__}", (_Exact, kind), {})


def _is_slow(module: nn.Module) -> bool:
    return (
        isinstance(module, nn.Conv2d)
        and module.groups == module.in_channels > 1
        and (max(module.stride) > 1 or max(module.kernel_size) >= _SLOW_FROM)
    )


def _processor_has_bfloat16() -> bool:
    # Older PyTorch can't tell.
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "arm_bf16"))
