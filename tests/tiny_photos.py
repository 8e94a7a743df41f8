"""A photo of one shade, in a few bytes."""

import io

from PIL import Image


def photo_bytes(shade: int = 90) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (6, 8), (shade, shade, shade)).save(file, "PNG")
    return file.getvalue()
