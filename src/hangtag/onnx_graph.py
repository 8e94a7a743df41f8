"""The network as files: an ONNX graph that takes photos as they are, and its weights."""

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx_ir.passes.common import DeduplicateInitializersPass
from onnxscript.optimizer import fold_constants, remove_unused_nodes
from safetensors.numpy import save
from torch import Tensor, nn

from hangtag.ensemble import AnyNetwork, Ensemble
from hangtag.few_bits import FEW, SCALE, SHAPE, in_planes, rounded
from hangtag.graph_outputs import OPSET
from hangtag.graph_weights import refer
from hangtag.head_names import HEADS, attribute_of
from hangtag.model import (
    EMBEDDING,
    FEATURES,
    INPUT,
    LOGITS,
    MIDWAY,
    ONNX,
    WEIGHTS,
)

_SMALL = 256
"""Tensors with fewer values stay in full precision; they weigh nothing."""

_LARGE = 4096
"""From how many values on the weights of an ensemble's layers are stored in eight bits."""

_MANY = 64
"""How many weights there are for each channel of a layer at least that is stored in so few: where
there are fewer, each counts for more, and they take little room."""


class _PhotosToLogits(nn.Module):
    """The network with its pre-processing: uint8 (N, h, w, 3) in, all that it says out."""

    def __init__(self, network: AnyNetwork, attributes: list[str]) -> None:
        super().__init__()
        self.network = network
        self.attributes = attributes

    def forward(self, photos: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.outputs(photos).values())

    def outputs(self, photos: Tensor) -> dict[str, Tensor]:
        """The graph's outputs by name."""
        said = self.network.outputs(photos.permute(0, 3, 1, 2).float())
        halfway = {} if said.midway is None else {MIDWAY: said.midway}
        logits = {LOGITS + name: said.logits[name] for name in self.attributes}
        return {EMBEDDING: said.embedding, FEATURES: said.features, **halfway, **logits}


def write_network(
    network: AnyNetwork, attributes: list[str], input_size: tuple[int, int], folder: Path
) -> None:
    """Write ``model.onnx`` and the weights that it refers to, ``weights.safetensors``.

    The graph's input is ``photos``, uint8 (N, h, w, 3); its outputs are ``embedding`` (N, D),
    ``features`` (N, F, h', w'), ``midway`` (N, M) where the backbone gives it, and
    ``logits/<attribute>`` (N, values), all float32. Weights are stored once, as float16 where they
    are many (an ensemble's, which would be as large as all its members, mostly in eight bits or
    fewer), and computed with as float32: the graph says where in the other file each of them lies,
    and whoever goes on training or draws heat maps reads that file alone.

    Args:
        network: Any training mode; it's exported for inference.
        attributes: Whose logits to give; other heads are left out.
        input_size: Height and width in pixels.
        folder: To write into.
    """
    weights = folder / WEIGHTS
    # Not save_file, which makes files that only their owner may read.
    weights.write_bytes(save(_stored(network, attributes)))
    graph = _exported(network, attributes, input_size)
    refer(graph, weights)
    (folder / ONNX).write_bytes(graph.SerializeToString())


def _stored(network: AnyNetwork, attributes: list[str]) -> dict[str, np.ndarray]:
    """Weights by their name in the network's state; an ensemble's largest in few bits."""
    compact = isinstance(network, Ensemble)
    arrays = {}
    for name, tensor in network.state_dict().items():
        if name.startswith(HEADS) and attribute_of(name.split(".")[1]) not in attributes:
            continue
        array = tensor.detach().cpu().contiguous().numpy()
        if compact and array.ndim > 1 and array.size >= _LARGE:
            shape = array.shape
            if array[0].size < _MANY:
                array, arrays[name + SCALE] = rounded(array)
            else:
                array, arrays[name + SCALE] = rounded(array, FEW)
                array, arrays[name + SHAPE] = in_planes(array, FEW), np.array(shape)
        elif array.dtype == np.float32 and array.size >= _SMALL:
            array = array.astype(np.float16)
        arrays[name] = array
    return arrays


def _exported(
    network: AnyNetwork, attributes: list[str], input_size: tuple[int, int]
) -> onnx.ModelProto:
    was_training = network.training
    device = next(network.parameters()).device
    network.to("cpu").eval()
    example = torch.zeros(2, *input_size, 3, dtype=torch.uint8)
    exported = _PhotosToLogits(network, attributes).eval()
    try:
        with torch.no_grad():
            names = [*exported.outputs(example)]
        program = torch.onnx.export(
            exported,
            (example,),
            input_names=[INPUT],
            output_names=names,
            dynamic_shapes=({0: torch.export.Dim("photos", min=1, max=4096)},),
            opset_version=OPSET,
            dynamo=True,
            # It would fold normalisation into the convolutions' weights, which are to stay those
            # of the other file. ONNX Runtime folds them when it opens the graph.
            optimize=False,
            verbose=False,
        )
    finally:
        network.to(device).train(was_training)
    assert program is not None
    fold_constants(program.model)
    remove_unused_nodes(program.model)
    DeduplicateInitializersPass()(program.model)
    graph = program.model_proto
    for node in graph.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*graph.graph.value_info, *graph.graph.initializer):
        del value.metadata_props[:]
    return graph
