"""The network as files: an ONNX graph that takes photos as they are, and its weights."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, numpy_helper
from safetensors.numpy import save
from torch import Tensor, nn

from hangtag.model import EMBEDDING, FEATURES, IN_DOMAIN, INPUT, LOGITS
from hangtag.network import HangtagNetwork

_OPSET = 18
_SMALL = 256
"""Tensors with fewer values stay in full precision; they weigh nothing."""


class _PhotosToLogits(nn.Module):
    """The network with its pre-processing: uint8 (N, h, w, 3) in; embedding, features, logits."""

    def __init__(self, network: HangtagNetwork, attributes: list[str]) -> None:
        super().__init__()
        self.network = network
        self.attributes = attributes

    def forward(self, photos: Tensor) -> tuple[Tensor, ...]:
        inputs = self.network.normalise(photos.permute(0, 3, 1, 2).float())
        features = self.network.feature_map(inputs)
        embedding = self.network.embed(inputs, features)
        logits = self.network.logits(embedding)
        return (embedding, features, *(logits[name] for name in self.attributes))


def write_onnx(
    network: HangtagNetwork,
    attributes: list[str],
    input_size: tuple[int, int],
    file: Path,
    *,
    half_weights: bool = True,
) -> None:
    """Write the network as ONNX.

    Its input is ``photos``, uint8 (N, h, w, 3); its outputs are ``embedding`` (N, D), ``features``
    (N, F, h', w') and ``logits/<attribute>`` (N, values), all float32.

    Args:
        network: Any training mode; it's exported for inference.
        attributes: Whose logits to give.
        input_size: Height and width in pixels.
        file: To write.
        half_weights: Store weights as float16, which halves the file; they are computed with as
            float32.
    """
    was_training = network.training
    device = next(network.parameters()).device
    network.to("cpu").eval()
    example = torch.zeros(2, *input_size, 3, dtype=torch.uint8)
    try:
        program = torch.onnx.export(
            _PhotosToLogits(network, attributes).eval(),
            (example,),
            input_names=[INPUT],
            output_names=[EMBEDDING, FEATURES, *(LOGITS + name for name in attributes)],
            dynamic_shapes=({0: torch.export.Dim("photos", min=1, max=4096)},),
            opset_version=_OPSET,
            dynamo=True,
            verbose=False,
        )
    finally:
        network.to(device).train(was_training)
    assert program is not None
    graph = program.model_proto
    for node in graph.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in graph.graph.value_info:
        del value.metadata_props[:]
    if half_weights:
        _halve(graph)
    onnx.save(graph, str(file))


def add_domain_score(file: Path, weights: np.ndarray, centres: np.ndarray) -> None:
    """Add the output ``in_domain`` (N,) to a graph: see `hangtag.domain`.

    Args:
        file: Graph without that output; written anew.
        weights: float32 (D,), of the embedding.
        centres: float32 (clusters, D), multiplied with the embedding at length one; the largest
            product counts. Stored as float16.
    """
    model = onnx.load(file)
    graph = model.graph

    def value(name: str, array: np.ndarray) -> str:
        graph.initializer.append(numpy_helper.from_array(array, f"{IN_DOMAIN}/{name}"))
        return f"{IN_DOMAIN}/{name}"

    def node(operator: str, *inputs: str, output: str, **attributes: Any) -> str:
        graph.node.append(onnx.helper.make_node(operator, inputs, [output], **attributes))
        return output

    learnt = node("MatMul", EMBEDDING, value("weights", weights), output=f"{IN_DOMAIN}/learnt")
    length = node("ReduceL2", EMBEDDING, value("axes", np.array([1])), output=f"{IN_DOMAIN}/length")
    at_one = node("Div", EMBEDDING, length, output=f"{IN_DOMAIN}/at one")
    half = value("centres", centres.T.astype(np.float16))
    full = node("Cast", half, output=f"{IN_DOMAIN}/full", to=TensorProto.FLOAT)
    cosines = node("MatMul", at_one, full, output=f"{IN_DOMAIN}/cosines")
    nearest = node(
        "ReduceMax", cosines, f"{IN_DOMAIN}/axes", output=f"{IN_DOMAIN}/nearest", keepdims=0
    )
    node("Sum", learnt, nearest, output=IN_DOMAIN)
    graph.output.append(
        onnx.helper.make_tensor_value_info(IN_DOMAIN, TensorProto.FLOAT, ["photos"])
    )
    onnx.save(model, str(file))


def write_weights(network: HangtagNetwork, attributes: list[str], file: Path) -> None:
    """Write weights (float16 where they are many) as safetensors.

    Heads of attributes other than those named are left out.
    """
    arrays = {}
    for name, tensor in network.state_dict().items():
        if name.startswith("heads.") and name.split(".")[1] not in attributes:
            continue
        array = tensor.detach().cpu().contiguous().numpy()
        if array.dtype == np.float32 and array.size >= _SMALL:
            array = array.astype(np.float16)
        arrays[name] = array
    # Not save_file, which makes files that only their owner may read.
    file.write_bytes(save(arrays))


def _halve(model: onnx.ModelProto) -> None:
    graph = model.graph
    casts = []
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < _SMALL:
            continue
        name = tensor.name
        values = numpy_helper.to_array(tensor).astype(np.float16)
        tensor.CopyFrom(numpy_helper.from_array(values, f"{name}/half"))
        casts.append(onnx.helper.make_node("Cast", [f"{name}/half"], [name], to=TensorProto.FLOAT))
    for position, node in enumerate(casts):
        graph.node.insert(position, node)
