"""Progressive JPEGs: the same pixels from less of the file."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from hangtag.jpeg_scans import without_fine_scans
from hangtag.photo import PhotoError, read_photo

SIZE = (401, 530)
ENOUGH = (64, 48)


def picture(mode: str = "RGB") -> Image.Image:
    """Coloured shapes with soft and hard edges and some noise."""
    random = np.random.default_rng(3)
    coarse = Image.fromarray(random.integers(0, 256, (20, 16, 3), dtype=np.uint8))
    large = coarse.resize(SIZE, Image.Resampling.NEAREST).filter(ImageFilter.GaussianBlur(1))
    noise = random.normal(0, 6, (SIZE[1], SIZE[0], 3))
    return Image.fromarray((np.asarray(large) + noise).clip(0, 255).astype(np.uint8)).convert(mode)


def jpeg(mode: str = "RGB", **options) -> bytes:
    file = io.BytesIO()
    picture(mode).save(file, "JPEG", **{"progressive": True, "quality": 90, **options})
    return file.getvalue()


def an_eighth(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as opened:
        opened.draft(None, ENOUGH[::-1])
        return np.asarray(opened)


@pytest.mark.parametrize(
    "options",
    [
        {"subsampling": "4:2:0"},
        {"subsampling": "4:2:2"},
        {"subsampling": "4:4:4"},
        {"subsampling": "4:2:0", "quality": 30},
        {"subsampling": "4:2:0", "restart_marker_blocks": 5},
        {"keep_rgb": True},
        {"mode": "L"},
        {"mode": "CMYK"},
    ],
)
def test_the_same_pixels_from_less(options: dict):
    data = jpeg(**options)
    less = without_fine_scans(data)
    assert len(less) < 0.75 * len(data)
    assert an_eighth(less).shape[:2] == (67, 51)
    assert np.array_equal(an_eighth(less), an_eighth(data))


def test_photos_are_read_so():
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned to the right
    photo = read_photo(jpeg(exif=exif), smallest=ENOUGH[::-1])
    assert np.array_equal(photo, np.rot90(an_eighth(jpeg()), -1))
    # At a quarter every scan counts.
    quarter = read_photo(jpeg(), smallest=(2 * ENOUGH[0], 2 * ENOUGH[1]))
    with Image.open(io.BytesIO(jpeg())) as opened:
        opened.draft(None, (2 * ENOUGH[1], 2 * ENOUGH[0]))
        assert np.array_equal(quarter, np.asarray(opened))


def test_other_files_stay_as_they_are():
    ordinary = jpeg(progressive=False)
    assert without_fine_scans(ordinary) == ordinary
    whole = jpeg()
    for end in range(0, len(whole) - 1, 997):
        assert without_fine_scans(whole[:end]) == whole[:end]
    with pytest.raises(PhotoError, match="damaged photo"):
        read_photo(whole[: len(whole) // 2], smallest=ENOUGH)


def test_damaged_files_are_read_or_refused():
    whole = jpeg(subsampling="4:2:0", quality=50)
    random = np.random.default_rng(0)
    for _ in range(200):
        damaged = bytearray(whole)
        for position in random.integers(0, len(whole), 4):
            damaged[position] = random.integers(0, 256)
        without_fine_scans(bytes(damaged))
        try:
            assert read_photo(bytes(damaged), smallest=ENOUGH).ndim == 3
        except PhotoError as error:
            assert "\n" not in str(error)


def test_photos_of_a_shop(real_data: Path):
    with zipfile.ZipFile(real_data / "full-size.zip") as archive:
        photos = [archive.read(name) for name in archive.namelist() if name.endswith(".jpg")]
    for data in photos:
        assert np.array_equal(an_eighth(without_fine_scans(data)), an_eighth(data))
    assert sum(len(without_fine_scans(data)) for data in photos) < 0.6 * sum(map(len, photos))
