"""The network as files: an ONNX graph that takes photos as they are, and its weights."""

import json
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper
from onnx_ir.passes.common import DeduplicateInitializersPass
from onnxscript.optimizer import fold_constants, remove_unused_nodes
from safetensors.numpy import save
from torch import Tensor, nn

from hangtag.eight_bits import SCALE, in_eight_bits
from hangtag.ensemble import AnyNetwork, Ensemble
from hangtag.graph_outputs import OPSET
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

_IN_GRAPH = "network."
"""What the graph puts before the names of the network's weights."""


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
    are many (an ensemble's, which would be as large as all its members, mostly in eight bits), and
    computed with as float32: the graph says where in the other file each of them lies (ONNX's
    external data), and whoever goes on training or draws heat maps reads that file alone.

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
    _refer(graph, weights)
    (folder / ONNX).write_bytes(graph.SerializeToString())


def _stored(network: AnyNetwork, attributes: list[str]) -> dict[str, np.ndarray]:
    """Weights by their name in the network's state; an ensemble's largest in eight bits."""
    compact = isinstance(network, Ensemble)
    arrays = {}
    for name, tensor in network.state_dict().items():
        if name.startswith(HEADS) and attribute_of(name.split(".")[1]) not in attributes:
            continue
        array = tensor.detach().cpu().contiguous().numpy()
        if compact and array.ndim > 1 and array.size >= _LARGE:
            array, arrays[name + SCALE] = in_eight_bits(array)
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


def _refer(model: onnx.ModelProto, weights: Path) -> None:
    """Let a graph take what a safetensors file holds from there.

    Such a file is the length of its header (8 bytes), the header as JSON, and the tensors' bytes
    at the offsets that the header tells (https://huggingface.co/docs/safetensors).
    """
    data = weights.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    held = json.loads(data[8:start])
    before: list[onnx.NodeProto] = []
    scales: list[str] = []
    for tensor in model.graph.initializer:
        name = tensor.name
        there = held.get(name.removeprefix(_IN_GRAPH))
        if there is None or there["shape"] != list(tensor.dims):
            continue
        first, end = there["data_offsets"]
        tensor.Clear()
        tensor.name, tensor.data_location = name, TensorProto.EXTERNAL
        tensor.dims.extend(there["shape"])
        tensor.data_type = TensorProto.FLOAT
        if there["dtype"] == "F16":
            tensor.name, tensor.data_type = f"{name}/half", TensorProto.FLOAT16
            before.append(helper.make_node("Cast", [tensor.name], [name], to=TensorProto.FLOAT))
        elif there["dtype"] == "I8":
            tensor.name, tensor.data_type = f"{name}/rounded", TensorProto.INT8
            whole, scale = f"{name}/whole", f"{name}{SCALE}"
            before.append(helper.make_node("Cast", [tensor.name], [whole], to=TensorProto.FLOAT))
            before.append(helper.make_node("Mul", [whole, scale], [name]))
            scales.append(scale)
        _lies_at(tensor, weights.name, start + first, end - first)
    for name in scales:
        there = held[name.removeprefix(_IN_GRAPH)]
        first, end = there["data_offsets"]
        tensor = model.graph.initializer.add(
            name=name, data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL
        )
        tensor.dims.extend(there["shape"])
        _lies_at(tensor, weights.name, start + first, end - first)
    for position, node in enumerate(before):
        model.graph.node.insert(position, node)


def _lies_at(tensor: TensorProto, file: str, offset: int, length: int) -> None:
    """Say where in another file a tensor's bytes are."""
    for key, value in {"location": file, "offset": offset, "length": length}.items():
        tensor.external_data.add(key=key, value=str(value))
