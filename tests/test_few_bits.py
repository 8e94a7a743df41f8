"""Weights in few bits: in files, in graphs, and as networks have them."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file

from hangtag.few_bits import SCALE, SHAPE, in_planes, largest, restored, rounded
from hangtag.graph_outputs import OPSET
from hangtag.graph_weights import refer

SIZES = np.array([1e-3, 1, 100, 0, 1], np.float32)


@pytest.fixture
def weights() -> np.ndarray:
    """Of five channels, one of which is all zero, 63 weights each: no whole number of bytes."""
    dice = np.random.default_rng(0)
    return dice.normal(size=(5, 7, 3, 3)).astype(np.float32) * SIZES[:, None, None, None]


def test_eight_bits_are_near(weights: np.ndarray) -> None:
    steps, scales = rounded(weights)
    assert steps.dtype == np.int8
    assert scales.shape == (5, 1, 1, 1)
    assert (np.abs(steps * scales - weights) <= scales / 2 + 1e-12).all()


def test_a_bit_less_costs_no_more_than_it_must(weights: np.ndarray) -> None:
    errors = {}
    for bits in (4, 5, 6, 8):
        steps, scales = rounded(weights, bits)
        assert np.abs(steps).max() == largest(bits)
        errors[bits] = np.linalg.norm((steps * scales - weights)[SIZES > 0]) / np.linalg.norm(
            weights
        )
    assert errors[8] < errors[6] < errors[5] < errors[4] < 0.12


def test_few_bits_are_not_spent_on_the_outermost_weights() -> None:
    weights = np.random.default_rng(0).standard_t(5, size=(3, 1000)).astype(np.float32)
    steps, scales = rounded(weights, 4)
    whole = np.abs(weights).max(axis=1, keepdims=True) / largest(4)
    clipped, not_clipped = steps * scales, np.rint(weights / whole) * whole
    assert np.linalg.norm(clipped - weights) < 0.8 * np.linalg.norm(not_clipped - weights)


@pytest.mark.parametrize("bits", [3, 5, 6])
def test_planes_take_little_room_and_lose_nothing(weights: np.ndarray, bits: int) -> None:
    steps, scales = rounded(weights, bits)
    planes = in_planes(steps, bits)
    assert planes.dtype == np.uint8
    assert planes.nbytes == bits * -(-weights.size // 8)
    stored = {"a": planes, "a" + SCALE: scales, "a" + SHAPE: np.array(weights.shape), "b": scales}
    back = restored(stored)
    assert back.keys() == {"a", "b"}
    assert np.array_equal(back["a"], steps * scales)
    assert np.array_equal(back["b"], scales)


@pytest.mark.parametrize("bits", [3, 5])
def test_a_graph_restores_what_a_network_has(
    weights: np.ndarray, bits: int, tmp_path: Path
) -> None:
    even = np.ascontiguousarray(weights[:, :, :2, :2])  # 140 weights; the others are 315
    stored, graph_holds = {}, {}
    for name, one in {"odd": weights, "even": even}.items():
        steps, scales = rounded(one, bits)
        stored |= {name: in_planes(steps, bits), name + SCALE: scales}
        stored[name + SHAPE] = np.array(one.shape)
        graph_holds[f"network.{name}"] = one
    stored["small"] = np.arange(3, dtype=np.float16)
    graph_holds["network.small"] = np.arange(3, dtype=np.float32)
    graph_holds["other"] = np.ones(2, np.float32)
    save_file(stored, tmp_path / "weights.safetensors")
    outputs = [helper.make_tensor_value_info(f"{name} out", 1, None) for name in graph_holds]
    nodes = [helper.make_node("Identity", [name], [f"{name} out"]) for name in graph_holds]
    arrays = [numpy_helper.from_array(one, name) for name, one in graph_holds.items()]
    anything = [helper.make_tensor_value_info("anything", TensorProto.FLOAT, [1])]
    model = helper.make_model(
        helper.make_graph(nodes, "graph", anything, outputs, arrays),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=9,
    )
    refer(model, tmp_path / "weights.safetensors")
    onnx.save(model, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    found = session.run(None, {"anything": np.zeros(1, np.float32)})
    expected = restored(stored)
    for name, values in zip(graph_holds, found, strict=True):
        own = expected.get(name.removeprefix("network."), np.ones(2, np.float32))
        assert values.shape == own.shape
        assert np.allclose(values, own, rtol=1e-6), name
