import json
import shutil
from pathlib import Path

import pytest

from hangtag.model import ModelError, read_model


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
    ],
)
def test_a_wrong_description_is_refused(copied: Path, change: dict, message: str) -> None:
    info = json.loads((copied / "model.json").read_text("utf-8"))
    (copied / "model.json").write_text(json.dumps(info | change), "utf-8")
    with pytest.raises(ModelError, match=message):
        read_model(copied)


def test_a_torn_description_is_refused(copied: Path) -> None:
    text = (copied / "model.json").read_text("utf-8")
    (copied / "model.json").write_text(text[: len(text) // 2], "utf-8")
    with pytest.raises(ModelError, match="not JSON"):
        read_model(copied)
