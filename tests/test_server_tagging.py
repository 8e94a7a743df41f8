"""The service between the requests and the model, without a server around it."""

import asyncio
import io
from pathlib import Path

import numpy as np
from PIL import Image

from drawing import draw_garment
from hangtag.server.metrics import Metrics
from hangtag.server.settings import Settings
from hangtag.server.tagging import Tagged, TaggingService, Upload


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
