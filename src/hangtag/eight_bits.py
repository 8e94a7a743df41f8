"""Weights stored in eight bits, with a scale for each output channel; computed with as float32.

Of a layer's weights that keeps two to three digits, and makes files half as large as float16 does.
What is rounded are weights alone, not what a network computes (`hangtag.export` does that, for
speed).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

SCALE = "/scale"
"""Behind the name of a tensor that is stored so, its scales: float32 (C, 1, …)."""

_LARGEST = 127


def in_eight_bits(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Round a layer's weights (Jacob et al., 2018: symmetric, per channel).

    Args:
        weights: float32 (C, …).

    Returns:
        int8 of the same shape, and scales float32 (C, 1, …), whose product comes nearest.
    """
    largest = np.abs(weights).max(axis=tuple(range(1, weights.ndim)), keepdims=True)
    scales = np.maximum(largest / _LARGEST, np.finfo(np.float32).tiny).astype(np.float32)
    return np.rint(weights / scales).astype(np.int8), scales


def restored(state: Mapping[str, Any]) -> dict[str, Any]:
    """A model's weights by name as a network has them, whatever they were stored in.

    Args:
        state: Tensors of PyTorch, or arrays of NumPy.
    """
    return {
        name: weights * state[name + SCALE] if name + SCALE in state else weights
        for name, weights in state.items()
        if not name.endswith(SCALE)
    }
