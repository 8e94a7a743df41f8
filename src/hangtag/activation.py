"""Where in a photo a network saw a value (Zhou et al., class activation mapping, 2016)."""

from pathlib import Path

import numpy as np
from PIL import Image

from hangtag.eight_bits import SCALE, restored
from hangtag.head_names import COLOUR_BRANCH_WIDTH, HEADS, attribute_of
from hangtag.members import members

_WEIGHT = ".weight"


def head_weights(file: Path) -> dict[str, np.ndarray]:
    """What linear heads make of the features at a place; nothing if hidden layers come between.

    Args:
        file: A model's weights.

    Returns:
        float32 (values, channels) by attribute; an ensemble's networks beside each other, as their
        features are.
    """
    from safetensors import safe_open

    found: dict[str, list[np.ndarray]] = {}
    with safe_open(file, "numpy") as stored:
        for network in members({name: name for name in stored.keys()}):  # noqa: SIM118
            if any(name.startswith("neck.") for name in network):
                return {}
            # Behind the features comes what the colour branch sees, which is of no place.
            branch = network.get(COLOUR_BRANCH_WIDTH)
            seen = 2 * stored.get_slice(branch).get_shape()[0] if branch else 0
            of_heads = {
                name: stored.get_tensor(key)
                for name, key in network.items()
                if name.startswith(HEADS) and name.removesuffix(SCALE).endswith(_WEIGHT)
            }
            for name, weights in restored(of_heads).items():
                attribute = attribute_of(name.removeprefix(HEADS).removesuffix(_WEIGHT))
                of_features = weights[:, : weights.shape[1] - seen].astype(np.float32)
                found.setdefault(attribute, []).append(of_features)
    return {name: np.concatenate(one, axis=1) for name, one in found.items()}


def activation_map(
    features: np.ndarray, weights: np.ndarray | None, value: int, size: tuple[int, int]
) -> np.ndarray:
    """What speaks for a value, rather than for the attribute's others, at each place of a photo.

    Args:
        features: float32 (channels, h, w).
        weights: Of the attribute's head, from `head_weights`; None if it isn't linear. The map is
            then of how strong features are, whatever the value.
        value: Its number.
        size: Height and width of the map.

    Returns:
        float32 of this size, 0 to 1.
    """
    if weights is not None and weights.shape[1] == features.shape[0]:
        # What all values share cancels out of their probabilities, and is mostly of the ground.
        places = np.tensordot(weights[value] - weights.mean(axis=0), features, axes=1)
    else:
        places = np.linalg.norm(features, axis=0)
    places = np.maximum(places - places.min(), 0)
    small = Image.fromarray((places / max(float(places.max()), 1e-9)).astype(np.float32))
    return np.asarray(small.resize(size[::-1], Image.Resampling.BICUBIC)).clip(0, 1)
