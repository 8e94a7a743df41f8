"""How much of a photo is of which colour, and what that says of its colour, as part of a graph."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from hangtag.graph_outputs import OPSET, Addition, averaged, times
from hangtag.model import HISTOGRAM, INPUT, LOGITS

_ROWS = 80
"""How many rows of pixels are counted, about: as many as the public dataset's small photos have."""

_LIGHTNESS = (0, 12.5, 25, 37.5, 50, 62.5, 75, 87.5, 100)
_A = (-40, -20, -8, 0, 8, 20, 40, 60)
_B = (-50, -25, -10, 0, 10, 25, 45, 70)
"""Middles of the bins, in CIELAB: finer where products' colours are."""

_WHITE, _GREY = 95.0, 4.0
"""From which lightness on, and with how little colour, a pixel is background."""

_MIDDLE = (0.3, 0.25)
"""Spread of the bell that counts pixels near a photo's middle, in heights and widths."""

_TO_LINEAR = (0.04045, 12.92, 0.055, 2.4)
"""sRGB's curve: to where it's straight, by what it's divided there, its offset and its power."""

_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.119192, 0.9503041],
    ]
) / np.array([[0.95047], [1], [1.08883]])
"""From linear RGB to XYZ, with white (D65) at one."""

_LAB = np.array([[0, 116, 0], [500, -500, 0], [0, 200, -200]])
_CUBE = (0.008856, 7.787, 16 / 116)
"""CIELAB's cube root: from where on it is one, and the straight line before that."""


@dataclass(frozen=True)
class ColourReader:
    """A network with one hidden layer that reads a histogram.

    Attributes:
        hidden: float32 (B, H), stored in eight bits, and its bias float32 (H,).
        logits: float32 (H, values), and its bias float32 (values,).
    """

    hidden: tuple[np.ndarray, np.ndarray]
    logits: tuple[np.ndarray, np.ndarray]

    def read(self, histograms: np.ndarray) -> np.ndarray:
        """Logits float (N, values) of histograms, float (N, B)."""
        within = np.maximum(histograms.astype(np.float32) @ self.hidden[0] + self.hidden[1], 0)
        return within @ self.logits[0] + self.logits[1]


def add_histogram(file: Path, size: tuple[int, int]) -> None:
    """Add the output ``histogram`` (N, B) to a graph: square roots of the shares of its colours.

    Each pixel counts in the eight bins of CIELAB around it, the more the nearer it is to their
    middles, once for how near it is to the photo's middle and once where it isn't white.

    Args:
        file: Graph without that output; written anew.
        size: Height and width of the graph's input, in pixels.
    """
    graph = Addition(file, HISTOGRAM)
    side = max(1, round(size[0] / _ROWS))
    height, width = (one // side for one in size)
    pixels = graph.node("Cast", INPUT, name="pixels", to=TensorProto.FLOAT)
    channels = graph.node("Transpose", pixels, name="channels", perm=[0, 3, 1, 2])
    lab = _lab(graph, times(graph, "rgb", averaged(graph, "mean", channels, side), 1 / 255))
    flat = graph.value("flat", np.array([0, 0, height * width]))
    weights = graph.node("Reshape", _weights(graph, lab, height, width), flat, name="weights")
    bins = graph.node("Reshape", _near_middles(graph, lab), flat, name="bins")
    counts = [len(one) for one in (_LIGHTNESS, _A, _B)]
    split = graph.value("counts", np.array(counts))
    light, red, yellow = graph.nodes("Split", bins, split, names=["lightness", "a", "b"], axis=1)
    rows = _products(graph, "lightness and a", light, red, height * width)
    columns = _products(graph, "weighted b", yellow, weights, height * width)
    turned = graph.node("Transpose", columns, name="turned", perm=[0, 2, 1])
    sums = graph.node("MatMul", rows, turned, name="sums")
    last = graph.value("last", np.array([2]))
    all_of_weight = graph.node("ReduceSum", weights, last, name="all", keepdims=0)
    some = graph.value("some", np.array(1, np.float32))
    all_of_weight = graph.node("Max", all_of_weight, some, name="at least a pixel")
    first = graph.value("first", np.array([1]))
    each = graph.node("Unsqueeze", all_of_weight, first, name="of each")
    shape = graph.value("shape", np.array([0, counts[0] * counts[1] * counts[2], 2]))
    shares = graph.node(
        "Div", graph.node("Reshape", sums, shape, name="by weight"), each, name="shares"
    )
    whole = graph.node("Flatten", shares, name="whole")
    graph.output("Sqrt", whole, name=HISTOGRAM, width=2 * counts[0] * counts[1] * counts[2])
    graph.write()


def write_histogram_graph(file: Path, size: tuple[int, int]) -> None:
    """Write a graph that has the output ``histogram`` (N, B) of photos, and nothing else.

    Args:
        file: To write.
        size: Height and width of the graph's input ``photos``, uint8 (N, h, w, 3), in pixels.
    """
    photos = helper.make_tensor_value_info(INPUT, TensorProto.UINT8, ["photos", *size, 3])
    graph = helper.make_graph([], HISTOGRAM, [photos], [])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)]), file)
    add_histogram(file, size)


def add_colour_reader(
    file: Path, attribute: str, reader: ColourReader, network_counts: float, reader_counts: float
) -> None:
    """Let a reader of the histogram say an attribute's values with the network: logits are added.

    Args:
        file: Graph with the output ``histogram``; written anew.
        attribute: Whose logits change.
        reader: What reads the histogram.
        network_counts: Factor of the network's logits.
        reader_counts: Factor of the reader's.
    """
    graph = Addition(file, f"{HISTOGRAM}/{attribute}")
    hidden, bias = reader.hidden
    within = graph.node(
        "Gemm",
        HISTOGRAM,
        graph.rounded("weights", hidden.T),
        graph.value("bias", bias),
        name="hidden",
        transB=1,
    )
    weights, bias = reader.logits
    read = graph.node(
        "Gemm",
        graph.node("Relu", within, name="above 0"),
        graph.value("logits/weights", (reader_counts * weights).astype(np.float16)),
        graph.value("logits/bias", (reader_counts * bias).astype(np.float32)),
        name="read",
    )
    said = graph.taken_over(LOGITS + attribute)
    graph.replacement(
        "Add", times(graph, "said", said, network_counts), read, name=LOGITS + attribute
    )
    graph.write()


def _lab(graph: Addition, rgb: str) -> str:
    straight, slope, offset, power = (np.array(one, np.float32) for one in _TO_LINEAR)
    dark = graph.node("LessOrEqual", rgb, graph.value("dark/most", straight), name="dark")
    line = times(graph, "line", rgb, float(1 / slope))
    above = graph.node("Add", rgb, graph.value("offset", offset), name="above")
    curve = graph.node(
        "Pow",
        times(graph, "upto 1", above, float(1 / (1 + offset))),
        graph.value("power", power),
        name="curve",
    )
    xyz = _mixed(graph, "xyz", graph.node("Where", dark, line, curve, name="linear"), _XYZ)
    least, slope, offset = (np.array(one, np.float32) for one in _CUBE)
    dim = graph.node("LessOrEqual", xyz, graph.value("dim/most", least), name="dim")
    line = graph.node(
        "Add", times(graph, "slope", xyz, float(slope)), graph.value("start", offset), name="low"
    )
    bright = graph.node("Max", xyz, graph.value("dim/least", least), name="bright")
    root = graph.node("Pow", bright, graph.value("third", np.array(1 / 3, np.float32)), name="root")
    both = graph.node("Where", dim, line, root, name="response")
    return _mixed(graph, "lab", both, _LAB, np.array([-16, 0, 0]))


def _weights(graph: Addition, lab: str, height: int, width: int) -> str:
    """How much each pixel counts, near the middle and as part of the product, (N, 2, h, w)."""
    first, second = graph.nodes(
        "Split",
        lab,
        graph.value("one and two", np.array([1, 2])),
        names=["light", "coloured"],
        axis=1,
    )
    across = graph.value("channel", np.array([1]))
    strength = graph.node(
        "ReduceMax", graph.node("Abs", second, name="strength of each"), across, name="strength"
    )
    light = graph.node(
        "Greater", first, graph.value("white", np.array(_WHITE, np.float32)), name="is light"
    )
    pale = graph.node(
        "Less", strength, graph.value("grey", np.array(_GREY, np.float32)), name="is pale"
    )
    other = graph.node("Not", graph.node("And", light, pale, name="is white"), name="is product")
    product = graph.node("Cast", other, name="product", to=TensorProto.FLOAT)
    rows, columns = (
        np.exp(-(((np.arange(length) / length - 0.5) / spread) ** 2))
        for length, spread in zip((height, width), _MIDDLE, strict=True)
    )
    bell = np.outer(rows, columns).astype(np.float32)[np.newaxis, np.newaxis]
    shape = graph.node("Shape", product, name="shape of photos")
    middle = graph.node(
        "Expand", graph.value("bell", bell.astype(np.float16)), shape, name="middle"
    )
    return graph.node("Concat", middle, product, name="both weights", axis=1)


def _near_middles(graph: Addition, lab: str) -> str:
    """How near each pixel is to the middles of the bins of each axis, 0 to 1, (N, bins, h, w)."""
    axes = [np.array(one, float) for one in (_LIGHTNESS, _A, _B)]
    ends = [
        np.array([end(one) for one in axes], np.float32).reshape(1, 3, 1, 1) for end in (min, max)
    ]
    lab = graph.node("Max", lab, graph.value("least of axes", ends[0]), name="not below")
    lab = graph.node("Min", lab, graph.value("most of axes", ends[1]), name="within")
    up, down = ([np.zeros((0, 3))], [np.zeros(0)]), ([np.zeros((0, 3))], [np.zeros(0)])
    for number, middles in enumerate(axes):
        steps = np.diff(middles)
        channel = np.zeros((1, 3))
        channel[0, number] = 1
        # At an axis' ends there is no way further out.
        rising, falling = np.r_[0, 1 / steps], np.r_[-1 / steps, 0]
        up[0].append(rising[:, np.newaxis] * channel)
        up[1].append(np.r_[1, -middles[:-1] / steps])
        down[0].append(falling[:, np.newaxis] * channel)
        down[1].append(np.r_[middles[1:] / steps, 1])
    sides = [
        _mixed(graph, name, lab, np.concatenate(weights), np.concatenate(bias))
        for name, (weights, bias) in (("rising", up), ("falling", down))
    ]
    return graph.node("Relu", graph.node("Min", *sides, name="lower"), name="near")


def _products(graph: Addition, name: str, first: str, second: str, pixels: int) -> str:
    """Each of the one times each of the other, (N, first × second, pixels)."""
    before, behind = (graph.value(f"{name}/{axis}", np.array([axis])) for axis in (1, 2))
    every = graph.node(
        "Mul",
        graph.node("Unsqueeze", first, behind, name=f"{name}/rows"),
        graph.node("Unsqueeze", second, before, name=f"{name}/columns"),
        name=f"{name}/every",
    )
    shape = graph.value(f"{name}/shape", np.array([0, -1, pixels]))
    return graph.node("Reshape", every, shape, name=name)


def _mixed(
    graph: Addition, name: str, channels: str, weights: np.ndarray, bias: np.ndarray | None = None
) -> str:
    """Channels (N, C, h, w) as sums of others, with weights (C, others) and a bias (C,)."""
    bias = np.zeros(len(weights)) if bias is None else bias
    kernel = weights.astype(np.float32)[:, :, np.newaxis, np.newaxis]
    return graph.node(
        "Conv",
        channels,
        graph.value(f"{name}/weights", kernel),
        graph.value(f"{name}/bias", bias.astype(np.float32)),
        name=name,
    )
