"""The service between the requests and the model, without a server around it."""

import asyncio
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from drawing import draw_garment
from hangtag.server.metrics import Metrics
from hangtag.server.settings import Settings
from hangtag.server.tagging import Tagged, TaggingService, Upload, _Job
from hangtag.tags import PhotoTags


def _png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def test_a_photo_on_its_head_is_tagged_and_explained_upright(turning_model: Path) -> None:
    heel = draw_garment("Heels", "Blue", (320, 240))
    uploads = [Upload("heel.png", _png(one)) for one in (heel, heel.rotate(180))]

    async def ask() -> list[Tagged]:
        service = TaggingService(Settings(model=str(turning_model)), Metrics())
        service.start()
        try:
            return await service.tag(uploads, ["articleType"], explain=True)
        finally:
            await service.close()

    upright, on_its_head = asyncio.run(ask())
    assert (upright.tags.turned, on_its_head.tags.turned) == (0, 180)
    assert upright.tags.tags["articleType"].value == on_its_head.tags.tags["articleType"].value
    pictures = [
        np.asarray(Image.open(io.BytesIO(one.pictures["articleType"])), float)
        for one in (upright, on_its_head)
    ]
    assert np.abs(pictures[0] - pictures[1]).mean() < 4


class _Noting(TaggingService):
    """Notes its costly steps instead of taking them."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    def _prepare(self, upload: Upload) -> np.ndarray:
        self.steps.append("decode")
        return np.zeros(1)

    def _infer(self, names: list[str], inputs: list[np.ndarray]) -> list[PhotoTags]:
        self.steps.append(f"infer {len(inputs)}")
        return [PhotoTags(name, {}, "tiny") for name in names]

    def _explain(self, *given: Any) -> dict[str, bytes]:
        self.steps += ["explain"] * given[-1]()
        return {}


@pytest.mark.parametrize(
    ("asked", "steps"),
    [
        (0, []),
        (1, ["decode"]),
        (3, ["decode", "decode", "infer 1"]),
        (5, ["decode", "decode", "infer 2", "explain"]),
    ],
)
def test_no_step_is_taken_for_a_request_that_gave_up(asked: int, steps: list[str]) -> None:
    service = _Noting()
    still_there = iter([True] * asked + [False] * 6)
    service._run([_Job(Upload("a.jpg", b""), ("gender",))] * 2, lambda _: next(still_there))
    assert service.steps == steps
