"""Weights stored in a few bits, with a scale for each output channel; computed with as float32.

Of a layer's weights eight bits keep two to three digits, in half the room that float16 takes; five
bits keep enough of a large layer that a network is hardly less often right. What is rounded are
weights alone, not what a network computes (`hangtag.export` does that, for speed).
"""

from collections.abc import Mapping

import numpy as np

SCALE = "/scale"
"""Behind the name of a tensor that is stored so, its scales: float32 (C, 1, …)."""

SHAPE = "/shape"
"""Behind the name of a tensor that is stored in planes, its shape: int64."""

FEW = 5
"""Bits of the weights of an ensemble's large layers."""

_BYTE = 8

_CLIPPED = np.linspace(0.6, 1, 9)
"""Shares of a channel's largest weight, of which one becomes the largest number where bits are
few: cutting off the outermost weights brings all others nearer."""


def rounded(weights: np.ndarray, bits: int = _BYTE) -> tuple[np.ndarray, np.ndarray]:
    """Round a layer's weights (Jacob et al., 2018: symmetric, per channel).

    In fewer than eight bits the scales are those of the least squared error (as Banner et al.,
    "Post-training 4-bit quantization", 2019, clip).

    Args:
        weights: float32 (C, …).
        bits: 2 to 8.

    Returns:
        int8 of the same shape, within ±(2^(bits - 1) - 1), and scales float32 (C, 1, …), whose
        product comes nearest.
    """
    most = largest(bits)
    rows = weights.reshape(len(weights), -1)
    outermost = np.maximum(np.abs(rows).max(axis=1, keepdims=True), np.finfo(np.float32).tiny)
    tried = (1.0,) if bits == _BYTE else _CLIPPED
    scales = np.stack([share * outermost / most for share in tried]).astype(np.float32)
    errors = [((_steps(rows, scale, most) * scale - rows) ** 2).sum(axis=1) for scale in scales]
    best = np.argmin(errors, axis=0)
    scale = scales[best, np.arange(len(rows))]
    steps = _steps(rows, scale, most).astype(np.int8)
    return steps.reshape(weights.shape), scale.reshape(-1, *[1] * (weights.ndim - 1))


def largest(bits: int) -> int:
    """The largest number that `rounded` gives in so many bits."""
    return 2 ** (bits - 1) - 1


def in_planes(steps: np.ndarray, bits: int) -> np.ndarray:
    """Pack numbers of a few bits: one plane for each bit, eight numbers' bits in a byte.

    Args:
        steps: int8 of any shape, n numbers within ±`largest`.
        bits: Of each.

    Returns:
        uint8 (bits, 1, ⌈n / 8⌉): the bits of the numbers plus `largest`, from the lowest on. Bit b
        of a plane's byte j is of number b · ⌈n / 8⌉ + j.
    """
    numbers = (steps.reshape(-1).astype(np.int16) + largest(bits)).astype(np.uint8)
    width = -(-len(numbers) // _BYTE)
    spread = np.pad(numbers, (0, _BYTE * width - len(numbers))).reshape(_BYTE, width)
    planes = [(spread >> bit) & 1 for bit in range(bits)]
    return np.packbits(planes, axis=1, bitorder="little")


def restored(state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A model's weights by name as a network has them, whatever they were stored in."""
    whole = {}
    for name, weights in state.items():
        if name.endswith((SCALE, SHAPE)):
            continue
        in_full = _from_planes(weights, state[name + SHAPE]) if name + SHAPE in state else weights
        whole[name] = in_full * state[name + SCALE] if name + SCALE in state else in_full
    return whole


def _from_planes(planes: np.ndarray, shape: np.ndarray) -> np.ndarray:
    bits = np.unpackbits(planes, axis=1, bitorder="little")
    spread = np.einsum("bij,b->ij", bits, 2 ** np.arange(len(bits), dtype=np.uint8))
    steps = spread.reshape(-1)[: shape.prod()].astype(np.int8) - np.int8(largest(len(planes)))
    return steps.reshape(shape)


def _steps(rows: np.ndarray, scales: np.ndarray, most: int) -> np.ndarray:
    return np.clip(np.rint(rows / scales), -most, most)
