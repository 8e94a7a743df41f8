import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest

from hangtag.calibration import Calibration
from hangtag.model import INPUT, ModelError, read_model, write_info
from hangtag.session import open_session
from hangtag.tagger import Tagger

ROOT = Path(__file__).parents[1]


@pytest.fixture
def copied(tiny_model: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "copied"
    shutil.copytree(tiny_model, folder, ignore=shutil.ignore_patterns("checkpoints", "logs"))
    return folder


def test_a_model_folder_opens_wherever_it_lies(copied: Path) -> None:
    model = read_model(copied)
    assert next(one.name for one in model.info.attributes) == "gender"
    assert model.card.startswith("---\nlicense:")


def test_a_missing_model_names_those_that_ship() -> None:
    with pytest.raises(ModelError, match="models that ship"):
        read_model("no-such-model")


@pytest.mark.parametrize("name", ["default", "fast"])
def test_what_ships_is_small_and_knows_the_example_photos(name: str) -> None:
    model = read_model(name)
    assert sum((model.folder / file).stat().st_size for file in model.info.files) < 16e6
    photos = ROOT / "examples" / "photos"
    tshirt, watch = Tagger(name).tag([photos / "tshirt.jpg", photos / "watch.jpg"])
    assert tshirt.tags["articleType"].value == "Tshirts"
    assert watch.tags["articleType"].value == "Watches"
    assert (tshirt.model, watch.known_product) == (model.info.name, True)
    assert name in model.info.name


@pytest.mark.parametrize("name", ["default", "fast", "neighbourly"])
def test_outputs_have_the_shapes_that_the_graph_declares(
    name: str, request: pytest.FixtureRequest
) -> None:
    model = read_model(request.getfixturevalue(name) if name == "neighbourly" else name)
    outputs = onnx.load(model.onnx_path, load_external_data=False).graph.output
    declared = {
        one.name: [axis.dim_value for axis in one.type.tensor_type.shape.dim][1:] for one in outputs
    }
    photos = np.zeros((2, *model.info.input_size, 3), np.uint8)
    given = open_session(model, 1).run([*declared], {INPUT: photos})
    assert [[*one.shape[1:]] for one in given] == [*declared.values()]


@pytest.mark.parametrize("name", ["model.onnx", "weights.safetensors"])
def test_a_changed_file_is_refused(copied: Path, name: str) -> None:
    data = bytearray((copied / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copied / name).write_bytes(data)
    with pytest.raises(ModelError, match=f"{name}: damaged"):
        read_model(copied)
    (copied / name).unlink()
    with pytest.raises(ModelError, match=f"{name}: missing"):
        read_model(copied)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": 2}, "newer than this hangtag reads"),
        ({"input_size": "big"}, "input_size"),
        ({"secret": 1}, "secret"),
        ({"files": {"../model.onnx": "0"}}, "missing"),
        ({"input_size": [-5, 10]}, "input_size"),
        ({"input_size": [60_000, 60_000]}, "input_size"),
        ({"calibration": {"scales": {"gender": float("nan")}}}, "calibration.scales.gender"),
        ({"calibration": {"biases": {"gender": [0.5]}}}, "biases"),
        ({"domain": {"threshold": float("inf")}}, "domain.threshold"),
        ({"details": {"Hem": ["Shirts"]}}, "no attribute 'Hem'"),
        ({"attributes": [{"name": "gender", "values": []}]}, "attributes.0.values"),
    ],
)
def test_a_wrong_description_is_refused(copied: Path, change: dict, message: str) -> None:
    info = json.loads((copied / "model.json").read_text("utf-8"))
    (copied / "model.json").write_text(json.dumps(info | change), "utf-8")
    with pytest.raises(ModelError, match=message):
        read_model(copied)


@pytest.mark.parametrize(
    "text",
    [b'{"name": "\xff"}', b'{"name": ' + b"9" * 5000 + b"}", b"[" * 100_000],
    ids=["not UTF-8", "thousands of digits", "deeply nested"],
)
def test_a_description_that_is_no_json_is_refused_in_one_line(copied: Path, text: bytes) -> None:
    (copied / "model.json").write_bytes(text)
    with pytest.raises(ModelError, match="not JSON") as caught:
        read_model(copied)
    assert "\n" not in str(caught.value)


def test_a_file_without_rights_is_told(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", locked)
    with pytest.raises(ModelError, match=r"model\.json: can't be read \(Permission denied\)"):
        read_model(copied)


def test_a_network_must_be_the_one_that_is_described(copied: Path) -> None:
    info = read_model(copied).info
    gender, *others = info.attributes
    fewer = gender.model_copy(update={"values": gender.values[:-1]})
    unknown = gender.model_copy(update={"name": "mood"})
    for change, message in (
        ({"input_size": (info.input_size[0] + 1, info.input_size[1])}, "'photos' isn't the"),
        ({"attributes": [fewer, *others], "calibration": Calibration()}, "'logits/gender' isn't"),
        ({"attributes": [*info.attributes, unknown]}, "has no 'logits/mood'"),
    ):
        write_info(copied, info.model_copy(update=change), "")
        with pytest.raises(ModelError, match=message):
            Tagger(copied)
    (copied / "model.onnx").write_bytes(b"no graph")
    write_info(copied, info, "")
    with pytest.raises(ModelError, match=r"model\.onnx: can't be run") as caught:
        Tagger(copied)
    assert "\n" not in str(caught.value)


def test_a_torn_description_is_refused(copied: Path) -> None:
    text = (copied / "model.json").read_text("utf-8")
    (copied / "model.json").write_text(text[: len(text) // 2], "utf-8")
    with pytest.raises(ModelError, match="not JSON"):
        read_model(copied)
