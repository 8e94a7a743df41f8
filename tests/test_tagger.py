import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drawing import draw_garment
from hangtag.errors import HangtagError
from hangtag.photo_cache import product_mask
from hangtag.tagger import Tagger

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def tagger(tiny_model: Path) -> Tagger:
    return Tagger(tiny_model)


@pytest.fixture
def shirt() -> Image.Image:
    return draw_garment("Shirts", "Red", size=(320, 240))


def test_path_bytes_image_and_array_give_the_same_tags(
    tagger: Tagger, shirt: Image.Image, tmp_path: Path
) -> None:
    file = tmp_path / "shirt.png"
    shirt.save(file)
    kinds = [file, str(file), file.read_bytes(), shirt, np.asarray(shirt.convert("RGB"))]
    results = tagger.tag(kinds)
    assert [result.error for result in results] == [None] * 5
    assert results[0].photo == str(file)
    first = results[0].to_dict()["tags"]
    assert all(result.to_dict()["tags"] == first for result in results)
    assert tagger.tag(file).to_dict()["tags"] == first


def test_a_broken_photo_has_its_error_in_its_place(tagger: Tagger, shirt: Image.Image) -> None:
    results = tagger.tag([shirt, b"not a photo", shirt])
    assert [result.error is None for result in results] == [True, False, True]
    assert results[1].tags == {}
    assert results[0].tags["articleType"] == results[2].tags["articleType"]
    assert tagger.tag(b"").error is not None
    assert [result.error is None for result in tagger.tag([shirt, None])] == [True, False]


def test_the_result_is_the_documented_json(tagger: Tagger, shirt: Image.Image) -> None:
    result = json.loads(json.dumps(tagger.tag(shirt).to_dict()))
    assert set(result) == {"photo", "tags", "model", "error", "known_product", "turned"}
    tag = result["tags"]["articleType"]
    assert set(tag) == {"value", "confidence", "decision", "alternatives"}
    assert 0 <= tag["confidence"] <= 1
    assert tag["decision"] in ("accept", "review")
    confidences = [tag["confidence"], *(one["confidence"] for one in tag["alternatives"])]
    assert confidences == sorted(confidences, reverse=True)
    assert len(tag["alternatives"]) == 3


def test_categories_agree_with_the_article_type(tagger: Tagger) -> None:
    for kind, colour in [("Heels", "Red"), ("Caps", "Black"), ("Jeans", "Blue")]:
        tags = tagger.tag(draw_garment(kind, colour)).tags
        for level in ("subCategory", "masterCategory"):
            expected = tagger.model.taxonomy.parent(tags["articleType"].value, level)
            assert tags[level].value == expected


def test_only_the_attributes_asked_for_are_tagged(tiny_model: Path, shirt: Image.Image) -> None:
    result = Tagger(tiny_model, attributes=["gender", "season"], alternatives=0).tag(shirt)
    assert set(result.tags) == {"gender", "season"}
    assert result.tags["gender"].alternatives == []
    with pytest.raises(HangtagError, match="no attribute 'neckline'"):
        Tagger(tiny_model, attributes=["neckline"])


def test_asking_for_more_precision_accepts_less(tiny_model: Path, drawn_catalogue: Path) -> None:
    photos: list = sorted((drawn_catalogue / "images").glob("*.jpg"))[:120]

    def accepted(precision: float) -> int:
        results = Tagger(tiny_model, precision=precision).tag(photos)
        tags = [tag for result in results for tag in result.tags.values()]
        return sum(tag.decision == "accept" for tag in tags)

    assert accepted(0.8) > accepted(0.99)


def test_with_flips_a_photo_and_its_mirror_image_get_the_same_tags(
    tiny_model: Path, shirt: Image.Image
) -> None:
    mirrored = shirt.transpose(Image.Transpose.FLIP_LEFT_RIGHT)

    def confidences(flip: bool, photo: Image.Image) -> list[float]:
        return [tag.confidence for tag in Tagger(tiny_model, flip=flip).tag(photo).tags.values()]

    assert confidences(True, shirt) == pytest.approx(confidences(True, mirrored), abs=1e-5)
    assert confidences(False, shirt) != pytest.approx(confidences(False, mirrored), abs=1e-5)


def test_nothing_is_accepted_of_what_is_no_product(tagger: Tagger) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 48, 3), dtype=np.uint8)
    result = tagger.tag(noise)
    assert result.known_product is False
    assert {tag.decision for tag in result.tags.values()} == {"review"}


def test_an_activation_map_covers_the_input(tagger: Tagger, shirt: Image.Image) -> None:
    photo = tagger.prepare(shirt)
    heat = tagger.activation_map(photo, "articleType")
    assert heat.shape == tagger.input_size
    assert heat.min() >= 0
    assert heat.max() <= 1
    values = next(one.values for one in tagger.attributes if one.name == "articleType")
    maps = {tagger.activation_map(photo, "articleType", value).tobytes() for value in values}
    assert len(maps) > 1


@pytest.mark.parametrize("name", ["default", "fast"])
def test_networks_look_at_the_products(name: str) -> None:
    tagger = Tagger(name)
    for file in sorted((ROOT / "examples" / "photos").glob("*.jpg")):
        photo = tagger.prepare(file)
        product = product_mask(photo) > 127
        for attribute in ("articleType", "baseColour"):
            heat = tagger.activation_map(photo, attribute)
            assert heat[product].mean() > 2 * heat[~product].mean(), (file.name, attribute)


def test_tagging_imports_neither_torch_nor_polars(tiny_model: Path) -> None:
    buffer = io.BytesIO()
    draw_garment("Tshirts", "Blue").save(buffer, "PNG")
    code = (
        "import sys, hangtag; t = hangtag.Tagger(sys.argv[1]).tag(sys.stdin.buffer.read()); "
        "assert t.tags; print(sorted({'torch', 'polars', 'lightning', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tiny_model)],
        input=buffer.getvalue(),
        capture_output=True,
        check=True,
    )
    assert done.stdout.decode().strip() == "[]"


def test_nothing_is_left_in_the_home_folder_or_told_to_others(
    tiny_model: Path, tmp_path: Path
) -> None:
    # ONNX Runtime keeps what it sends to its maker in the home folder; CI would silence it.
    machine = {name: value for name, value in os.environ.items() if "CI" not in name.split("_")}
    photo, home = tmp_path / "shirt.png", tmp_path / "home"
    home.mkdir()
    draw_garment("Shirts", "Blue").save(photo)
    command = [sys.executable, "-m", "hangtag.cli", "tag", str(photo), "--model", str(tiny_model)]
    subprocess.run(command, env=machine | {"HOME": str(home)}, check=True, capture_output=True)
    assert list(home.rglob("*")) == []
