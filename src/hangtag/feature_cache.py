"""Features of a frozen backbone on disk: each photo goes through it once.

They lie beside the decoded photos that they were made of, and last as long as photos, backbone and
its weights stay what they were.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from hangtag.cache import kept, new_array
from hangtag.network import HangtagNetwork
from hangtag.progress import Progress
from hangtag.recipe import Augmentation, Recipe
from hangtag.training_data import PhotoPool

STILL = Augmentation(
    flip=False,
    zoom=(1.0, 1.0),
    stretch=0.0,
    rotation=0.0,
    shift=0.0,
    brightness=0.0,
    contrast=0.0,
    colour_cast=0.0,
    background=0.0,
    soften=0.0,
    noise=0.0,
)
"""The augmentation that changes nothing."""

_BATCH = 64
_LARGEST = float(np.finfo(np.float16).max)


def is_cacheable(recipe: Recipe, *, started: bool = False) -> bool:
    """Tell whether all that a recipe trains comes after features that never change.

    That is so with a frozen backbone whose features go straight to neck and heads (no attention,
    no colour branch), and photos that are not augmented and keep one size. A run that goes on from
    a model (``started``) has attention and colour branch of that model, frozen like its backbone.
    """
    network = recipe.network
    return (
        network.frozen
        and (started or (network.attention == "none" and not network.palette))
        and recipe.augmentation == STILL
        and all(stage.size in (None, recipe.input_size) for stage in recipe.schedule.stages)
    )


def cached_features(
    network: HangtagNetwork, recipe: Recipe, pool: PhotoPool, progress: Progress | None = None
) -> PhotoPool:
    """Compute what a network's neck reads of each photo, or take it from an earlier run.

    Args:
        network: Made from the recipe; one whose recipe `is_cacheable`.
        recipe: For what the features depend on beside photos and weights.
        pool: Photos as decoded by `hangtag.photo_cache`.
        progress: Told about the computing.

    Returns:
        float16 (N, D), memory-mapped, in the pool's order.

    Raises:
        HangtagError: The cache can't be written, e.g. because the disk is full.
    """
    made_by = _digest(network, recipe)
    arrays: list[np.ndarray] = []

    def tell(done: int) -> None:
        if progress:
            before = sum(map(len, arrays))
            progress("computing features", before + done, len(pool))

    for photos in pool.arrays:
        photo_file = Path(photos.filename)  # type: ignore[attr-defined]
        name = hashlib.sha256(f"{photo_file.name} {made_by}".encode()).hexdigest()[:24]
        file = photo_file.with_name(f"features-{name}.npy")
        if not file.exists():
            with kept(file) as unfinished:
                _fill(network, photos, unfinished, tell)
        arrays.append(np.load(file, mmap_mode="r"))
    return PhotoPool(arrays)


@torch.no_grad()
def _fill(
    network: HangtagNetwork,
    photos: np.ndarray,
    file: Path,
    tell: Callable[[int], None],
) -> None:
    was_training = network.training
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network.to(device).eval()
    features = None
    try:
        for start in range(0, len(photos), _BATCH):
            chunk = np.ascontiguousarray(photos[start : start + _BATCH, ..., :3])
            pixels = torch.from_numpy(chunk).to(device)
            inputs = network.normalise(pixels.permute(0, 3, 1, 2).float())
            inputs = inputs.contiguous(memory_format=torch.channels_last)
            embedding = network.embed(inputs, network.feature_map(inputs)).cpu().numpy()
            if features is None:
                shape = (len(photos), embedding.shape[1])
                features = new_array(file, shape, np.float16)
            features[start : start + _BATCH] = embedding.clip(-_LARGEST, _LARGEST)
            tell(start + len(pixels))
        assert features is not None
        features.flush()
    finally:
        network.to("cpu").train(was_training)


def _digest(network: HangtagNetwork, recipe: Recipe) -> str:
    """A name for what turns photos into features: pixel range, weights, pooling."""
    digest = hashlib.sha256(f"{recipe.network.backbone} {recipe.network.pooling}".encode())
    pixels = {"pixel mean": network.pixel_mean, "pixel scale": network.pixel_scale}
    weights = {
        name: tensor
        for name, tensor in network.state_dict().items()
        if not name.startswith(("neck.", "heads."))
    }
    for name, tensor in sorted((weights | pixels).items()):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(tensor.detach().cpu().numpy()).tobytes())
    return digest.hexdigest()
