"""Exported models: the plain graph, and one that computes in int8."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from hangtag import export
from hangtag.catalogue import read_catalogue
from hangtag.errors import HangtagError
from hangtag.model import IN_DOMAIN
from hangtag.tagger import Tagger
from hangtag.verdict import Evaluation


def test_onnx(tiny_model: Path, tmp_path: Path):
    linked = tmp_path / "linked"
    linked.mkdir()
    for name in ("README.md", "model.json", "model.onnx", "weights.safetensors"):
        (linked / name).symlink_to(tiny_model / name)
    file = export.export_onnx(linked, tmp_path / "network.onnx")
    tagger = Tagger(linked)
    photos = np.random.default_rng(1).integers(0, 256, (3, *tagger.input_size, 3), np.uint8)
    # Alone in its folder: the weights are in it.
    alone = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    (logits,) = alone.run(["logits/articleType"], {"photos": photos})
    assert np.array_equal(logits, tagger.run(photos).logits["articleType"])
    with pytest.raises(HangtagError, match="can't be written"):
        export.export_onnx(tiny_model, tmp_path / "no" / "network.onnx")


def test_a_model_folder_holds_its_weights_once(tiny_model: Path):
    graph = onnx.load(tiny_model / "model.onnx", load_external_data=False).graph
    weights = [one for one in graph.initializer if not one.name.startswith(IN_DOMAIN)]
    large = [one for one in weights if np.prod(one.dims) >= 1024]
    assert len(large) >= 3
    for tensor in large:
        place = {entry.key: entry.value for entry in tensor.external_data}
        assert place["location"] == "weights.safetensors", tensor.name


def test_int8(drawn_catalogue: Path, turning_model: Path, tmp_path: Path):
    change = export.export_int8(
        turning_model, drawn_catalogue, tmp_path / "int8", photos=48, tolerance=5
    )
    assert "articleType" in change
    original, quantised = Tagger(turning_model), Tagger(tmp_path / "int8")
    assert quantised.info.orientation == original.info.orientation
    assert quantised.info.name == f"{original.info.name}-int8"
    graph = onnx.load(quantised.model.onnx_path).graph
    assert any(node.op_type == "QuantizeLinear" for node in graph.node)
    catalogue = read_catalogue(drawn_catalogue)
    photos = [catalogue.photo_bytes(name) for name in catalogue.table["photo"][:40]]
    inputs = np.stack([original.prepare(photo) for photo in photos])
    ours, theirs = (tagger.probabilities(inputs).values for tagger in (original, quantised))
    same = ours["articleType"].argmax(1) == theirs["articleType"].argmax(1)
    assert same.mean() >= 0.9
    with pytest.raises(HangtagError, match="exists already"):
        export.export_int8(turning_model, drawn_catalogue, tmp_path / "int8")


def test_int8_that_is_too_bad_is_not_written(
    drawn_catalogue: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    worse = iter([{"season": 0.9, "usage": 0.5}, {"season": 0.89, "usage": 0.6}])
    monkeypatch.setattr(export, "_accuracies", lambda _: next(worse))
    with pytest.raises(HangtagError, match=r"loses 1\.00 points of accuracy on season"):
        export.export_int8(tiny_model, drawn_catalogue, tmp_path / "int8", photos=8)
    assert list(tmp_path.iterdir()) == []


def test_int8_is_judged_by_what_the_network_says(
    drawn_catalogue: Path, neighbourly: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    judged: list[Evaluation] = []
    accuracies = export._accuracies

    def noted(evaluation: Evaluation) -> dict[str, float]:
        judged.append(evaluation)
        return accuracies(evaluation)

    monkeypatch.setattr(export, "_accuracies", noted)
    export.export_int8(neighbourly, drawn_catalogue, tmp_path / "int8", photos=48, tolerance=20)
    assert [one.tagger.asks_neighbours for one in judged] == [False, False]
    assert Tagger(tmp_path / "int8").asks_neighbours
