"""A graph's weights lie in a safetensors file, and are restored from what they were rounded to."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from hangtag.few_bits import SCALE, SHAPE, largest

_IN_GRAPH = "network."
"""What the graph puts before the names of the network's weights."""

_TYPES = {
    "F32": TensorProto.FLOAT,
    "F16": TensorProto.FLOAT16,
    "I64": TensorProto.INT64,
    "I8": TensorProto.INT8,
    "U8": TensorProto.UINT8,
}
"""What ONNX calls the types of safetensors."""

_BYTE = 8


def refer(model: onnx.ModelProto, weights: Path) -> None:
    """Let a graph take what a safetensors file holds from there (ONNX's external data).

    Args:
        model: Of its weights those that the file holds are changed into references.
        weights: The file, beside which the graph will lie.
    """
    references = _References(weights)
    inside = []
    for tensor in model.graph.initializer:
        if not references.restore(tensor):
            inside.append(tensor)
    del model.graph.initializer[:]
    model.graph.initializer.extend([*inside, *references.tensors])
    for position, node in enumerate(references.nodes):
        model.graph.node.insert(position, node)


class _References:
    """What a graph needs to take weights from a file.

    Such a file is the length of its header (8 bytes), the header as JSON, and the tensors' bytes
    at the offsets that the header tells (https://huggingface.co/docs/safetensors).

    Attributes:
        tensors: References, and what restoring takes beside them.
        nodes: Which restore weights; ONNX Runtime works them out once, as it opens the graph.
    """

    def __init__(self, weights: Path) -> None:
        self._file = weights.name
        self._data = weights.read_bytes()
        self._start = 8 + int.from_bytes(self._data[:8], "little")
        self._held = json.loads(self._data[8 : self._start])
        self._of_all: set[str] = set()
        self.tensors: list[onnx.TensorProto] = []
        self.nodes: list[onnx.NodeProto] = []

    def restore(self, tensor: onnx.TensorProto) -> bool:
        """Let the graph have a tensor from the file, if it lies there."""
        name = tensor.name
        own = name.removeprefix(_IN_GRAPH)
        if own not in self._held or self._shape(own) != list(tensor.dims):
            return False
        if own + SHAPE in self._held:
            self._from_planes(own, name)
        elif own + SCALE in self._held:
            whole = f"{name}/whole"
            self._node(
                "Cast", self._there(own, f"{name}/rounded"), name=whole, to=TensorProto.FLOAT
            )
            self._node("Mul", whole, self._there(own + SCALE, name + SCALE), name=name)
        elif self._held[own]["dtype"] == "F16":
            self._node("Cast", self._there(own, f"{name}/half"), name=name, to=TensorProto.FLOAT)
        else:
            self._there(own, name)
        return True

    def _from_planes(self, own: str, name: str) -> None:
        """What `hangtag.few_bits.restored` does; its names are short, since there are many."""
        prefix = f"few/{len(self.nodes)}/"
        bits, _, width = self._held[own]["shape"]
        count = int(np.prod(self._shape(own)))
        planes = self._there(own, f"{prefix}planes")
        shifted = self._node(
            "BitShift",
            planes,
            self._value("places", np.arange(_BYTE, dtype=np.uint8)[:, np.newaxis]),
            name=f"{prefix}1",
            direction="RIGHT",
        )
        last = self._node("BitwiseAnd", shifted, self._value("one", np.uint8(1)), name=f"{prefix}2")
        rows = self._node("Reshape", last, self._value(f"{bits}", [bits, -1]), name=f"{prefix}3")
        powers = self._value(f"powers/{bits}", 2 ** np.arange(bits, dtype=np.uint8)[np.newaxis])
        numbers = self._node("MatMulInteger", powers, rows, name=f"{prefix}4")
        if count < _BYTE * width:
            ends = [self._value(f"{end}", [end]) for end in (0, count, 1)]
            numbers = self._node("Slice", numbers, *ends, name=f"{prefix}5")
        whole = self._node("Cast", numbers, name=f"{prefix}6", to=TensorProto.FLOAT)
        most = self._value(f"largest/{bits}", np.float32(largest(bits)))
        steps = self._node("Sub", whole, most, name=f"{prefix}7")
        # ONNX Runtime wants to know shapes before it reads another file.
        shape = self._value("×".join(map(str, self._shape(own))), self._shape(own))
        shaped = self._node("Reshape", steps, shape, name=f"{prefix}8")
        self._node("Mul", shaped, self._there(own + SCALE, f"{prefix}scale"), name=name)

    def _shape(self, own: str) -> list[int]:
        if own + SHAPE not in self._held:
            return self._held[own]["shape"]
        first, end = (self._start + offset for offset in self._held[own + SHAPE]["data_offsets"])
        return np.frombuffer(self._data[first:end], np.int64).tolist()

    def _there(self, own: str, name: str) -> str:
        """Refer to what the file holds, under another name."""
        there = self._held[own]
        first, end = there["data_offsets"]
        tensor = onnx.TensorProto(
            name=name,
            dims=there["shape"],
            data_type=_TYPES[there["dtype"]],
            data_location=TensorProto.EXTERNAL,
        )
        place = {"location": self._file, "offset": self._start + first, "length": end - first}
        for key, value in place.items():
            tensor.external_data.add(key=key, value=str(value))
        self.tensors.append(tensor)
        return name

    def _value(self, name: str, array: Any) -> str:
        """Hold an array that restoring many tensors takes."""
        name = f"few/{name}"
        if name not in self._of_all:
            self._of_all.add(name)
            self.tensors.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def _node(self, operator: str, *inputs: str, name: str, **options: Any) -> str:
        self.nodes.append(helper.make_node(operator, inputs, [name], **options))
        return name
