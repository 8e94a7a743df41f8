"""Photos per second: the pipeline, its two parts alone, and other ways to do the same.

Every measure handles all given photos once, on all cores that the process may use.
"""

import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import timm
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from hangtag.bulk.inputs import Inputs
from hangtag.bulk.job import tag_to_file
from hangtag.bulk.pipeline import plan_for
from hangtag.cores import available_cores
from hangtag.photo import read_photo, to_input
from hangtag.tagger import Tagger

Measure = Callable[[Sequence[Path]], object]

ANCHOR_SIZE = (224, 224)
TORCH_BATCH = 64


def rate(measure: Measure, paths: Sequence[Path]) -> float:
    """Photos per second of one measure."""
    start = time.perf_counter()
    measure(paths)
    return len(paths) / (time.perf_counter() - start)


def decoding(size: tuple[int, int]) -> Measure:
    """Reading, decoding and shrinking alone."""

    def run(paths: Sequence[Path]) -> None:
        with ThreadPoolExecutor(plan_for().readers) as pool:
            for _ in pool.map(lambda path: to_input(read_photo(path, smallest=size), size), paths):
                pass

    return run


def network(tagger: Tagger) -> Measure:
    """The network alone, on inputs that are ready."""
    plan = plan_for()
    inputs = np.random.default_rng(0).integers(
        0, 256, (plan.batch, *tagger.input_size, 3), dtype=np.uint8
    )

    def run(paths: Sequence[Path]) -> None:
        batches = [inputs] * (len(paths) // plan.batch)
        with ThreadPoolExecutor(plan.runners) as pool:
            for _ in pool.map(tagger.run, batches):
                pass

    return run


def pipeline(tagger: Tagger) -> Measure:
    """Everything, from names of files to a finished CSV."""

    def run(paths: Sequence[Path]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            listing = Path(folder) / "photos.txt"
            listing.write_text("\n".join(map(str, paths)))
            outcome = tag_to_file(
                tagger, Inputs([str(listing)]), Path(folder) / "tags.csv", options={}
            )
        if outcome.errors:
            raise RuntimeError(f"{outcome.errors} photos had errors")

    return run


def one_at_a_time() -> Measure:
    """What the anchor systems serve with: full decoding, ResNet18 at 224, eager, one a call."""
    torch.set_num_threads(available_cores())
    model = timm.create_model("resnet18", pretrained=False).eval()

    @torch.inference_mode()
    def run(paths: Sequence[Path]) -> None:
        for path in paths:
            model(_as_tensor(path, ANCHOR_SIZE)[None])

    return run


def torch_batches(backbones: Sequence[str], size: tuple[int, int]) -> Measure:
    """timm's way: a DataLoader with a worker per core, PyTorch eager on batches, each backbone."""
    torch.set_num_threads(available_cores())
    models = [timm.create_model(backbone, pretrained=False).eval() for backbone in backbones]

    @torch.inference_mode()
    def run(paths: Sequence[Path]) -> None:
        photos = _Photos(paths, size)
        for batch in DataLoader(photos, batch_size=TORCH_BATCH, num_workers=available_cores()):
            for model in models:
                model(batch)

    return run


class _Photos(Dataset[torch.Tensor]):
    def __init__(self, paths: Sequence[Path], size: tuple[int, int]):
        self._paths = paths
        self._size = size

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, position: int) -> torch.Tensor:
        return _as_tensor(self._paths[position], self._size)


def _as_tensor(path: Path, size: tuple[int, int]) -> torch.Tensor:
    height, width = size
    with Image.open(path) as picture:
        pixels = np.asarray(
            picture.convert("RGB").resize((width, height), Image.Resampling.BICUBIC)
        )
    tensor = torch.from_numpy(pixels.copy()).permute(2, 0, 1).float()
    return (tensor - 127.0) / 128.0
