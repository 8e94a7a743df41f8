"""What is added to a network's ONNX graph once it's trained: outputs that read the embedding."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from hangtag.eight_bits import in_eight_bits
from hangtag.model import EDGES, EMBEDDING, IN_DOMAIN, INPUT, LOOK, NEARNESS, ORIENTATION, VOTES

OPSET = 18
"""Version of ONNX's operators in all graphs."""

_STEPS = 256
"""How many steps of the rounded look make one; its values lie within a half of that."""

_LARGEST_STEP, _MIDDLE = 127, 128
_TEMPERATURE = 0.025
"""Of the neighbours' votes, which fall with their distance."""

_CROWDING = 0.5
"""How much of its crowding a neighbour's cosine is lowered by."""

_IN_A_BYTE = 8
"""Bits of a code."""

_SOBEL = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], np.float32) / 8


class Addition:
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

    def rounded(self, name: str, weights: np.ndarray) -> str:
        """Hold weights (C, D) in eight bits with a scale for each row, computed with as float32."""
        small, scales = in_eight_bits(weights.astype(np.float32))
        large = self.node("Cast", self.value(name, small), name=f"{name}/1", to=TensorProto.FLOAT)
        return self.node("Mul", large, self.value(f"{name}/scales", scales), name=f"{name}/all")

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

    def taken_over(self, output: str) -> str:
        """Make room for another tensor under an output's name; what the old one is called now."""
        old = f"{self._prefix}/before/{output}"
        for node in self._graph.node:
            for names in (node.input, node.output):
                names[:] = [old if name == output else name for name in names]
        return old

    def replacement(self, operator: str, *inputs: str, name: str) -> None:
        """Add an operator whose output has a name that was `taken_over`."""
        self._add(operator, inputs, [name])

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
            product counts. Stored in eight bits.
    """
    graph = Addition(file, IN_DOMAIN)
    across = graph.value("axes", np.array([1]))
    learnt = graph.node("MatMul", EMBEDDING, graph.value("weights", weights), name="learnt")
    at_one = _at_length_one(graph, "embedding", EMBEDDING, across)
    around = graph.rounded("centres", centres)
    cosines = graph.node("Gemm", at_one, around, name="cosines", transB=1)
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
    graph = Addition(file, ORIENTATION)
    logits = graph.node(
        "Gemm", EMBEDDING, graph.value("weights", weights), graph.value("bias", bias), name="logits"
    )
    graph.output("LogSoftmax", logits, name=ORIENTATION, width=len(bias), axis=1)
    graph.write()


def add_edges(file: Path, size: tuple[int, int], rows: int) -> None:
    """Add the output ``edges`` (N, E) to a graph: where in a photo edges run, and which way.

    A photo is halved and halved again in as few steps as bring it near to four pixels a square.
    Then the strengths of its grey edges in four directions are averaged over squares; of each its
    square root is taken, so that the strongest don't drown the others (after Dalal and Triggs,
    "Histograms of Oriented Gradients for Human Detection", 2005).

    Args:
        file: Graph without that output; written anew.
        size: Height and width of the graph's input, in pixels.
        rows: Squares from the top of a photo to its bottom, about.
    """
    graph = Addition(file, EDGES)
    pixels = graph.node("Cast", INPUT, name="pixels", to=TensorProto.FLOAT)
    channels = graph.node("Transpose", pixels, name="channels", perm=[0, 3, 1, 2])
    across = graph.value("axes", np.array([1]))
    grey = times(graph, "grey", graph.node("ReduceMean", channels, across, name="mean"), 1 / 255)
    fine = max(1, round(size[0] / (4 * rows)))
    side = max(1, round(size[0] / fine / rows))
    shrunk = averaged(graph, "shrunk", grey, fine)
    diagonal = np.sqrt(0.5) * (_SOBEL + _SOBEL.T), np.sqrt(0.5) * (_SOBEL - _SOBEL.T)
    filters = np.stack([_SOBEL, _SOBEL.T, *diagonal])[:, np.newaxis].astype(np.float32)
    slopes = graph.node("Conv", shrunk, graph.value("filters", filters), name="slopes")
    strengths = graph.node("Abs", slopes, name="strengths")
    squares = averaged(graph, "squares", strengths, side)
    flat = graph.node("Flatten", squares, name="flat")
    border = _SOBEL.shape[0] - 1
    down, along = ((one // fine - border) // side for one in size)
    graph.output("Sqrt", flat, name=EDGES, width=len(filters) * down * along)
    graph.write()


@dataclass(frozen=True)
class View:
    """One way to look at a photo: an affine map to a vector.

    Attributes:
        weights: float32 (D, d), multiplied with what is looked at; stored in eight bits.
        bias: float32 (d,), added to that.
    """

    weights: np.ndarray
    bias: np.ndarray

    def seen(self, looked_at: np.ndarray) -> np.ndarray:
        """The vectors float32 (N, d) of what is looked at, float32 (N, D)."""
        return looked_at @ self.weights + self.bias


def lengths(views: Mapping[str, View]) -> dict[str, float]:
    """How long each view is in a look, which has length one: its square is its share of numbers."""
    width = sum(len(view.bias) for view in views.values())
    return {name: (len(view.bias) / width) ** 0.5 for name, view in views.items()}


def add_look(file: Path, views: Mapping[str, View]) -> None:
    """Add the output ``look`` (N, d): all views, each brought to its length.

    Args:
        file: Graph without this output; written anew.
        views: By the name of the output (N, D) that each looks at.
    """
    graph = Addition(file, LOOK)
    across = graph.value("axes", np.array([1]))
    width = sum(len(view.bias) for view in views.values())
    seen = [
        _seen(graph, name, views[name], length, across) for name, length in lengths(views).items()
    ]
    graph.output("Concat", *seen, name=LOOK, width=width, axis=1)
    graph.write()


@dataclass(frozen=True)
class Bank:
    """The labelled photos that photos can be near to.

    Attributes:
        codes: bool (M, d): which values of a photo's look are above zero.
        crowding: float32 (M,): how near each photo is to others of the bank on the average.
        labels: int (M,) by attribute: the number of the value, or of no value where it's unknown.
        values: How many values each attribute has.
        count: How many of the nearest vote.
        passed_over: How many that are nearer still don't vote: 1 where the bank's own photos are
            looked at, of which each is nearest to itself.
    """

    codes: np.ndarray
    crowding: np.ndarray
    labels: dict[str, np.ndarray]
    values: dict[str, int]
    count: int
    passed_over: int = 0


def write_look(file: Path, width: int) -> None:
    """Write a graph that has nothing but the input ``look`` (N, width), for `add_neighbours`."""
    look = helper.make_tensor_value_info(LOOK, TensorProto.FLOAT, ["photos", width])
    opsets = [helper.make_opsetid("", OPSET)]
    graph = helper.make_graph([], LOOK, [look], [])
    least = helper.find_min_ir_version_for(opsets)
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=least), str(file))


def add_neighbours(file: Path, bank: Bank) -> None:
    """Add the outputs ``nearness`` (N,) and ``votes/<attribute>`` (N, values) to a graph.

    A photo is compared to the codes by the cosine of its look and theirs, of which each value is
    one or minus one; they weigh a thirty-second of what they would in full, and neighbours stay
    nearly the same. Of the nearest those count less that are near to whatever there is: their
    cosines are lowered (after Conneau et al., "Word Translation Without Parallel Data", 2018, who
    scale likewise). The nearness is the largest of these.

    Args:
        file: Graph with the output or the input ``look`` and without these; written anew.
        bank: What to compare photos to.
    """
    graph = Addition(file, NEARNESS)
    across = graph.value("axes", np.array([1]))
    whole = graph.node("Round", times(graph, "large", LOOK, _STEPS), name="whole")
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
    alike = graph.node("Cast", found, name="alike", to=TensorProto.FLOAT)
    # A bit b stands for 2 b - 1.
    every = graph.node("ReduceSum", within, across, name="every")
    product = graph.node("Sub", times(graph, "twice", alike, 2), every, name="product")
    cosine = times(graph, "cosine", product, 1 / (_STEPS * bank.codes.shape[1] ** 0.5))
    count = graph.value("count", np.array([min(bank.count + bank.passed_over, len(bank.codes))]))
    nearest, rows = graph.nodes("TopK", cosine, count, names=["nearest", "rows"])
    if bank.passed_over:
        start = graph.value("first", np.array([bank.passed_over]))
        nearest, rows = (
            graph.node("Slice", one, start, count, across, name=f"{name} to vote")
            for name, one in (("nearest", nearest), ("rows", rows))
        )
    crowding = graph.value("crowding", bank.crowding.astype(np.float16))
    around = graph.node("Gather", crowding, rows, name="around")
    lowered = graph.node("Sub", nearest, times(graph, "much", around, _CROWDING), name="lowered")
    graph.output("ReduceMax", lowered, across, name=NEARNESS, keepdims=0)
    sharp = times(graph, "sharp", lowered, 1 / _TEMPERATURE)
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


def remove_neighbours(file: Path) -> None:
    """Take out of a graph what `add_neighbours` put in."""
    model = onnx.load(file, load_external_data=False)
    graph = model.graph
    own = NEARNESS, VOTES
    nodes = [one for one in graph.node if not one.output[0].startswith(own)]
    arrays = [one for one in graph.initializer if not one.name.startswith(own)]
    outputs = [one for one in graph.output if not one.name.startswith(own)]
    del graph.node[:], graph.initializer[:], graph.output[:]
    graph.node.extend(nodes)
    graph.initializer.extend(arrays)
    graph.output.extend(outputs)
    onnx.save(model, str(file))


def averaged(graph: Addition, name: str, tensor: str, side: int) -> str:
    """Average (N, C, H, W) over squares of so many pixels a side."""
    sides = [side, side]
    return graph.node("AveragePool", tensor, name=name, kernel_shape=sides, strides=sides)


def _seen(graph: Addition, name: str, view: View, length: float, across: str) -> str:
    weights = graph.rounded(f"{name}/weights", view.weights.T)
    bias = graph.value(f"{name}/bias", view.bias.astype(np.float32))
    mapped = graph.node("Gemm", name, weights, bias, name=f"{name}/mapped", transB=1)
    at_one = _at_length_one(graph, f"{name}/seen", mapped, across)
    return times(graph, f"{name}/seen", at_one, length)


def _at_length_one(graph: Addition, name: str, vectors: str, across: str) -> str:
    length = graph.node("ReduceL2", vectors, across, name=f"{name}/length")
    least = graph.value(f"{name}/least", np.array(1e-12, np.float32))
    length = graph.node("Max", length, least, name=f"{name}/some length")
    return graph.node("Div", vectors, length, name=f"{name}/at one")


def times(graph: Addition, name: str, tensor: str, factor: float) -> str:
    """Multiply a tensor with a number."""
    value = graph.value(f"{name}/factor", np.array(factor, np.float32))
    return graph.node("Mul", tensor, value, name=name)


def _unpacked(graph: Addition, codes: np.ndarray) -> str:
    """The codes' bits, int8 (d, M); ONNX Runtime works them out once, as it opens the graph."""
    count, width = codes.shape
    packed = np.packbits(codes.T, axis=0, bitorder="little")[:, np.newaxis]
    bytes_ = graph.value("codes", packed)
    places = graph.value("places", np.arange(_IN_A_BYTE, dtype=np.uint8)[:, np.newaxis])
    shifted = graph.node("BitShift", bytes_, places, name="shifted", direction="RIGHT")
    last = graph.node("BitwiseAnd", shifted, graph.value("last", np.array(1, np.uint8)), name="bit")
    shape = graph.value("shape", np.array([len(packed) * _IN_A_BYTE, count]))
    bits = graph.node("Reshape", last, shape, name="bits")
    if width % _IN_A_BYTE:
        ends = [graph.value(name, np.array([end])) for name, end in (("from", 0), ("to", width))]
        bits = graph.node("Slice", bits, *ends, name="bits of all")
    return graph.node("Cast", bits, name="with sign", to=TensorProto.INT8)
