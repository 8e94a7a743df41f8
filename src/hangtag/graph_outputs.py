"""What is added to a network's ONNX graph once it's trained: outputs that read the embedding."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from hangtag.model import EMBEDDING, IN_DOMAIN, INPUT, NEARNESS, ORIENTATION, VOTES

_STEPS = 256
"""How many steps of the rounded query make one; its values lie within a half of that."""

_LARGEST_STEP, _MIDDLE = 127, 128
_TEMPERATURE = 0.03
"""Of the neighbours' votes, which fall with their distance."""


class _Addition:
    """Nodes to be added to a graph; the names of all but its outputs begin with a prefix.

    Args:
        file: Graph, whose weights may lie in another file.
        prefix: Of the names.
    """

    def __init__(self, file: Path, prefix: str) -> None:
        self._file = file
        self._model = onnx.load(file, load_external_data=False)
        self._graph = self._model.graph
        self._prefix = prefix

    def value(self, name: str, array: np.ndarray) -> str:
        """Hold an array; large ones in float16, computed with as float32."""
        name = f"{self._prefix}/{name}"
        if array.dtype != np.float16:
            self._graph.initializer.append(numpy_helper.from_array(array, name))
            return name
        self._graph.initializer.append(numpy_helper.from_array(array, f"{name}/half"))
        return self._add("Cast", [f"{name}/half"], [name], to=TensorProto.FLOAT)[0]

    def node(self, operator: str, *inputs: str, name: str, **options: Any) -> str:
        """Add an operator with one output."""
        return self.nodes(operator, *inputs, names=[name], **options)[0]

    def output(self, operator: str, *inputs: str, name: str, width: int = 0, **options: Any) -> str:
        """Add an operator whose output is one of the graph's: float32 (N, width), or (N,)."""
        shape: list[str | int | None] = ["photos", width] if width else ["photos"]
        self._graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        return self._add(operator, inputs, [name], **options)[0]

    def nodes(self, operator: str, *inputs: str, names: list[str], **options: Any) -> list[str]:
        """Add an operator with several outputs."""
        return self._add(operator, inputs, [f"{self._prefix}/{name}" for name in names], **options)

    def write(self) -> None:
        """Write the graph in the old one's place."""
        onnx.save(self._model, str(self._file))

    def _add(
        self, operator: str, inputs: Sequence[str], outputs: list[str], **options: Any
    ) -> list[str]:
        self._graph.node.append(helper.make_node(operator, inputs, outputs, **options))
        return outputs


def add_domain_score(file: Path, weights: np.ndarray, centres: np.ndarray) -> None:
    """Add the output ``in_domain`` (N,) to a graph: see `hangtag.domain`.

    Args:
        file: Graph without that output; written anew.
        weights: float32 (D,), of the embedding.
        centres: float32 (clusters, D), multiplied with the embedding at length one; the largest
            product counts. Stored as float16.
    """
    graph = _Addition(file, IN_DOMAIN)
    across = graph.value("axes", np.array([1]))
    learnt = graph.node("MatMul", EMBEDDING, graph.value("weights", weights), name="learnt")
    at_one = _at_length_one(graph, "embedding", EMBEDDING, across)
    half = graph.value("centres", centres.T.astype(np.float16))
    cosines = graph.node("MatMul", at_one, half, name="cosines")
    nearest = graph.node("ReduceMax", cosines, across, name="nearest", keepdims=0)
    graph.output("Sum", learnt, nearest, name=IN_DOMAIN)
    graph.write()


def add_orientation(file: Path, weights: np.ndarray, bias: np.ndarray) -> None:
    """Add the output ``orientation`` (N, 3) to a graph: see `hangtag.turning`.

    Args:
        file: Graph without that output; written anew.
        weights: float32 (D, 3), of the embedding.
        bias: float32 (3,).
    """
    graph = _Addition(file, ORIENTATION)
    logits = graph.node(
        "Gemm", EMBEDDING, graph.value("weights", weights), graph.value("bias", bias), name="logits"
    )
    graph.output("LogSoftmax", logits, name=ORIENTATION, width=len(bias), axis=1)
    graph.write()


@dataclass(frozen=True)
class View:
    """One way to look at a photo: an affine map to a vector of length one, and on to the query.

    Attributes:
        weights: float16 (D, d), multiplied with what is looked at.
        bias: float32 (d,), taken away after that.
        turn: float16 (d, bits), multiplied with the result at length one.
    """

    weights: np.ndarray
    bias: np.ndarray
    turn: np.ndarray


@dataclass(frozen=True)
class Bank:
    """The training photos that photos can be near to.

    Attributes:
        cell: Side in pixels of the squares whose mean colours are looked at.
        colours: View of these colours, of channels × rows × columns, each 0 to 1.
        content: View of the embedding at length one.
        codes: uint8 (M, bits / 8): the sign of each of the query's values, packed as by
            `numpy.packbits`.
        labels: int (M,) by attribute: the number of the value, or of no value where it's unknown.
        values: How many values each attribute has.
        count: How many of the nearest vote.
    """

    cell: int
    colours: View
    content: View
    codes: np.ndarray
    labels: dict[str, np.ndarray]
    values: dict[str, int]
    count: int


def add_neighbours(file: Path, bank: Bank) -> None:
    """Add the outputs ``nearness`` (N,) and ``votes/<attribute>`` (N, values) to a graph.

    A photo is compared to the codes by the cosine of its query and theirs, which has no value but
    1 and -1; they weigh an eighth of what bytes would, and neighbours stay the same (Charikar,
    "Similarity Estimation Techniques from Rounding Algorithms", 2002).

    Args:
        file: Graph without these outputs; written anew.
        bank: What to compare photos to.
    """
    graph = _Addition(file, NEARNESS)
    across = graph.value("axes", np.array([1]))
    bits = bank.codes.shape[1] * 8
    query = graph.node(
        "Sum",
        _seen(graph, "colours", _mean_colours(graph, bank.cell), bank.colours, across),
        _seen(
            graph,
            "content",
            _at_length_one(graph, "content", EMBEDDING, across),
            bank.content,
            across,
        ),
        name="query",
    )
    whole = graph.node("Round", _times(graph, "large", query, _STEPS), name="whole")
    least, most = (
        graph.value(name, np.array(step, np.float32))
        for name, step in (("least", -_LARGEST_STEP), ("most", _LARGEST_STEP))
    )
    within = graph.node("Max", graph.node("Min", whole, most, name="not above"), least, name="in")
    middle = graph.value("middle", np.array(_MIDDLE, np.float32))
    above = graph.node("Sum", within, middle, name="above 0")
    steps = graph.node("Cast", above, name="steps", to=TensorProto.UINT8)
    zero = graph.value("zero", np.array(_MIDDLE, np.uint8))
    # ONNX Runtime is ten times as fast with bytes without a sign times bytes with one.
    found = graph.node("MatMulInteger", steps, _unpacked(graph, bank.codes), zero, name="found")
    ones = graph.node("Cast", found, name="ones", to=TensorProto.FLOAT)
    # Of bits b, the product with 2 b - 1.
    twice = _times(graph, "twice", ones, 2)
    every = graph.node("ReduceSum", within, across, name="every")
    product = graph.node("Sub", twice, every, name="product")
    cosine = _times(graph, "cosine", product, 1 / (_STEPS * bits**0.5))
    count = graph.value("count", np.array([min(bank.count, len(bank.codes))]))
    nearest, rows = graph.nodes("TopK", cosine, count, names=["nearest", "rows"])
    graph.output("ReduceMax", nearest, across, name=NEARNESS, keepdims=0)
    sharp = _times(graph, "sharp", nearest, 1 / _TEMPERATURE)
    weights = graph.node("Softmax", sharp, name="weights", axis=1)
    weights = graph.node("Unsqueeze", weights, across, name="weights of each")
    off_on = graph.value("off, on", np.array([0, 1], np.float32))
    for name, labels in bank.labels.items():
        values = bank.values[name]
        small = np.min_scalar_type(values)
        own = graph.node(
            "Gather", graph.value(f"labels/{name}", labels.astype(small)), rows, name=f"own/{name}"
        )
        number = graph.node("Cast", own, name=f"number/{name}", to=TensorProto.INT64)
        depth = graph.value(f"depth/{name}", np.array(values))
        given = graph.node("OneHot", number, depth, off_on, name=f"given/{name}")
        together = graph.node("MatMul", weights, given, name=f"together/{name}")
        graph.output("Squeeze", together, across, name=VOTES + name, width=values)
    graph.write()


def _mean_colours(graph: _Addition, cell: int) -> str:
    pixels = graph.node("Cast", INPUT, name="pixels", to=TensorProto.FLOAT)
    channels = graph.node("Transpose", pixels, name="channels", perm=[0, 3, 1, 2])
    sides = [cell, cell]
    means = graph.node("AveragePool", channels, name="means", kernel_shape=sides, strides=sides)
    return _times(graph, "colours/all", graph.node("Flatten", means, name="flat"), 1 / 255)


def _seen(graph: _Addition, name: str, looked_at: str, view: View, across: str) -> str:
    weights, turn = (
        graph.value(f"{name}/{one}", getattr(view, one)) for one in ("weights", "turn")
    )
    mapped = graph.node("MatMul", looked_at, weights, name=f"{name}/mapped")
    around = graph.node("Sub", mapped, graph.value(f"{name}/bias", view.bias), name=f"{name}/seen")
    at_one = _at_length_one(graph, f"{name}/seen", around, across)
    return graph.node("MatMul", at_one, turn, name=f"{name}/turned")


def _at_length_one(graph: _Addition, name: str, vectors: str, across: str) -> str:
    length = graph.node("ReduceL2", vectors, across, name=f"{name}/length")
    least = graph.value(f"{name}/least", np.array(1e-12, np.float32))
    length = graph.node("Max", length, least, name=f"{name}/some length")
    return graph.node("Div", vectors, length, name=f"{name}/at one")


def _times(graph: _Addition, name: str, tensor: str, factor: float) -> str:
    value = graph.value(f"{name}/factor", np.array(factor, np.float32))
    return graph.node("Mul", tensor, value, name=name)


def _unpacked(graph: _Addition, codes: np.ndarray) -> str:
    """The codes' bits, int8 (bits, M); ONNX Runtime works them out once, as it opens the graph."""
    bytes_ = graph.value("codes", np.ascontiguousarray(codes.T[:, np.newaxis]))
    places = graph.value("places", np.arange(8, dtype=np.uint8)[::-1].reshape(8, 1).copy())
    shifted = graph.node("BitShift", bytes_, places, name="shifted", direction="RIGHT")
    bits = graph.node("BitwiseAnd", shifted, graph.value("one", np.array(1, np.uint8)), name="bits")
    shape = graph.value("shape", np.array([8 * codes.shape[1], -1]))
    unpacked = graph.node("Reshape", bits, shape, name="unpacked")
    return graph.node("Cast", unpacked, name="with sign", to=TensorProto.INT8)
