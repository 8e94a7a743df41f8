"""Reading photos: every kind a shop may have, and every kind of broken one."""

import io
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from hangtag.photo import Limits, PhotoError, read_photo, to_input

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 128, 0), (0, 0, 255), (255, 255, 255)


def quarters(height: int = 48, width: int = 36) -> np.ndarray:
    """Red, green, blue and white quarters, so that every turn and flip shows."""
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2], pixels[: height // 2, width // 2 :] = RED, GREEN
    pixels[height // 2 :, : width // 2], pixels[height // 2 :, width // 2 :] = BLUE, WHITE
    return pixels


def encode(picture: Image.Image | np.ndarray, kind: str, **options) -> bytes:
    file = io.BytesIO()
    picture = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    picture.save(file, kind, **options)
    return file.getvalue()


def close(photo: np.ndarray, expected: np.ndarray | tuple, within: int = 12) -> bool:
    difference = np.abs(photo.astype(int) - np.asarray(expected))
    return bool(np.median(difference) <= within and difference.mean() <= within)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF", "MPO"])
def test_every_format(kind: str, tmp_path: Path):
    if kind in ("AVIF", "WEBP") and not features.check(kind.lower()):
        pytest.skip(f"this Pillow has no {kind}")
    data = encode(quarters(), kind)
    path = tmp_path / "photo.bin"
    path.write_bytes(data)
    for source in (data, path, str(path), Image.open(path)):
        photo = read_photo(source)
        assert photo.dtype == np.uint8
        assert photo.shape == (48, 36, 3)
        assert close(photo, quarters())


def test_buffers_and_open_files(tmp_path: Path):
    data = encode(quarters(), "PNG")
    path = tmp_path / "photo.png"
    path.write_bytes(data)
    with path.open("rb") as file:
        for source in (bytearray(data), memoryview(data), io.BytesIO(data), file):
            assert (read_photo(source) == quarters()).all()
        file.seek(0)
        with pytest.raises(PhotoError, match=r"photo\.png: .* are more than the 10 allowed"):
            read_photo(file, limits=Limits(max_bytes=10))
    with pytest.raises(PhotoError, match="can't be read"):
        read_photo(file)
    with pytest.raises(PhotoError, match="isn't open as a binary file"):
        read_photo(io.StringIO("text"))


@pytest.mark.parametrize("source", [None, 7, ["a.jpg"], {}])
def test_what_no_photo_can_be_given_as(source: object):
    with pytest.raises(PhotoError, match="photo: is no photo but"):
        read_photo(source)


@pytest.mark.parametrize("orientation", ["sideways", 9, 0, (6, 6), 1.5])
@pytest.mark.parametrize("smallest", [None, (24, 18)])
def test_an_odd_exif_orientation_is_none(orientation: object, smallest, monkeypatch):
    monkeypatch.setattr(Image.Image, "getexif", lambda _: {0x0112: orientation})
    photo = read_photo(encode(quarters(384, 288), "JPEG"), smallest=smallest)
    assert close(photo, quarters(*photo.shape[:2]))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("smallest", [None, (96, 72)])
def test_exif_orientation(orientation: int, smallest):
    exif = Image.Exif()
    exif[0x0112] = orientation
    undo = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}[orientation]
    picture = Image.fromarray(quarters(384, 288))
    stored = picture if undo is None else picture.transpose(Image.Transpose(undo))
    photo = read_photo(encode(stored, "JPEG", exif=exif, quality=95), smallest=smallest)
    expected = quarters(384, 288) if smallest is None else quarters(96, 72)
    assert photo.shape == expected.shape
    assert close(photo, expected)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_broken_exif_does_not_matter():
    data = encode(quarters(), "JPEG", exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff")
    assert read_photo(data).shape == (48, 36, 3)


@pytest.mark.parametrize(
    ("smallest", "height"), [((480, 360), 480), ((112, 84), 120), ((60, 45), 60), ((61, 45), 120)]
)
def test_jpeg_is_decoded_just_large_enough(smallest: tuple[int, int], height: int):
    data = encode(quarters(480, 360), "JPEG")
    assert read_photo(data, smallest=smallest).shape[0] == height


def test_reduced_decoding_makes_the_same_input():
    y, x = np.mgrid[:960, :720]
    waves = np.stack([127 + 90 * np.sin(x / 40), 127 + 90 * np.cos(y / 60), x * 255 / 720], 2)
    data = encode(waves.astype(np.uint8), "JPEG", quality=90)
    full = to_input(read_photo(data), (112, 84))
    reduced = to_input(read_photo(data, smallest=(112, 84)), (112, 84))
    assert np.abs(full.astype(int) - reduced).mean() < 2


def adobe_cmyk(with_marker: bool) -> bytes:
    plates = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    data = encode(plates, "JPEG", quality=95)
    marker = data.index(b"\xff\xee")
    (length,) = struct.unpack(">H", data[marker + 2 : marker + 4])
    assert data[marker + 4 : marker + 9] == b"Adobe"
    if with_marker:
        return data
    # Without Adobe's marker the plates are not inverted.
    stored = encode(Image.new("CMYK", (16, 16), (255, 0, 0, 255)), "JPEG", quality=95)
    return stored[:marker] + stored[marker + 2 + length :]


@pytest.mark.parametrize("with_marker", [True, False])
def test_cmyk(with_marker: bool):
    assert close(read_photo(adobe_cmyk(with_marker)), RED)


def test_sixteen_bits_are_scaled():
    ramp = np.linspace(0, 65535, 64 * 32).reshape(64, 32).astype(np.uint16)
    photo = read_photo(encode(ramp, "PNG"))
    assert photo.shape == (64, 32, 3)
    assert np.abs(photo[:, :, 0] - ramp / 257).max() <= 0.51


def test_grey_palette_and_one_bit():
    grey = Image.fromarray(np.full((8, 8), 90, np.uint8))
    assert (read_photo(encode(grey, "PNG")) == 90).all()
    assert close(read_photo(encode(grey, "JPEG")), 90)
    palette = Image.fromarray(quarters()).quantize(4)
    assert close(read_photo(encode(palette, "PNG")), quarters())
    assert (read_photo(encode(grey.convert("1", dither=0), "PNG")) == 0).all()


def test_transparency_is_white():
    for kind in ("PNG", "WEBP"):
        clear = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
        assert (read_photo(encode(clear, kind, lossless=True)) == 255).all()
    half = read_photo(encode(Image.new("LA", (8, 8), (0, 128)), "PNG"))
    assert close(half, 127, within=1)
    palette = Image.new("P", (8, 8), 0)
    palette.putpalette([255, 0, 0])
    assert (read_photo(encode(palette, "PNG", transparency=0)) == 255).all()


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_first_frame_of_an_animation(kind: str):
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, GREEN, BLUE)]
    data = encode(frames[0], kind, save_all=True, append_images=frames[1:])
    assert close(read_photo(data), RED)


def test_arrays():
    pixels = quarters()
    assert (read_photo(pixels) == pixels).all()
    assert (read_photo(pixels[:, ::-1]) == pixels[:, ::-1]).all()
    for grey in (pixels[:, :, 0], pixels[:, :, :1]):
        assert (read_photo(grey) == pixels[:, :, :1]).all()
    clear = np.dstack([pixels, np.zeros((48, 36), np.uint8)])
    assert (read_photo(clear) == 255).all()


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((8, 8, 3), np.float32),
        np.zeros((8, 8, 3), np.int64),
        np.zeros((8, 8, 2), np.uint8),
        np.zeros((1, 8, 8, 3), np.uint8),
        np.zeros((0, 8, 3), np.uint8),
        np.zeros(8, np.uint8),
    ],
)
def test_wrong_arrays(pixels: np.ndarray):
    with pytest.raises(PhotoError, match="photo: the array"):
        read_photo(pixels)


def bad_photos() -> dict[str, tuple[bytes, str]]:
    noise = np.random.default_rng(1).integers(0, 255, (200, 200, 3), np.uint8)
    jpeg, png, webp = (encode(noise, kind) for kind in ("JPEG", "PNG", "WEBP"))
    return {
        "empty.jpg": (b"", "empty"),
        "text.jpg": (b"not a photo at all\n" * 20, "not a photo"),
        "page.jpg": (b"<html><body>404</body></html>", "not a photo"),
        "truncated.jpg": (jpeg[: len(jpeg) // 2], "damaged|not a photo"),
        "header-only.jpg": (jpeg[:400], "damaged|not a photo"),
        "truncated.png": (png[: len(png) // 2], "damaged|not a photo"),
        "truncated.webp": (webp[: len(webp) // 2], "damaged|not a photo"),
        "postscript.jpg": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a photo"),
        "flipped.png": (png[:60] + b"\x00\xff" * 200 + png[460:], "damaged|not a photo"),
        "floats.tif": (encode(Image.new("F", (9, 9)), "TIFF"), "32 bits"),
    }


@pytest.mark.parametrize("name", bad_photos())
def test_bad_photos_say_so_in_one_line(name: str, tmp_path: Path):
    data, reason = bad_photos()[name]
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(PhotoError, match=reason) as caught:
        read_photo(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    assert "; " in message
    with pytest.raises(PhotoError, match=f"^{name}"):
        read_photo(data, name=name)


def test_bad_paths(tmp_path: Path):
    with pytest.raises(PhotoError, match=r"gone\.jpg: no such file"):
        read_photo(tmp_path / "gone.jpg")
    with pytest.raises(PhotoError, match="folder"):
        read_photo(tmp_path)
    with pytest.raises(PhotoError, match="no ordinary file"):
        read_photo("/dev/null")
    with pytest.raises(PhotoError):
        read_photo("zero\0byte.jpg")
    with pytest.raises(PhotoError) as caught:
        read_photo(tmp_path / "two\nlines.jpg")
    assert "\n" not in str(caught.value)


def test_a_strip_that_no_photo_is_as_long_as_is_refused_before_decoding():
    strip = np.zeros((1, 65_536, 3), np.uint8)
    for source in (encode(strip, "PNG"), Image.fromarray(strip), strip):
        with pytest.raises(PhotoError, match=r"65536 × 1 pixels.*65,535.*make it smaller"):
            read_photo(source)
    assert read_photo(strip[:, 1:]).shape == (1, 65_535, 3)


def test_limits_hold_before_decoding(tmp_path: Path):
    data = encode(quarters(), "PNG")
    path = tmp_path / "photo.png"
    path.write_bytes(data)
    for source in (data, path):
        with pytest.raises(PhotoError, match="bytes are more than"):
            read_photo(source, limits=Limits(max_bytes=len(data) - 1))
    for picture in (data, path, Image.open(path), quarters()):
        with pytest.raises(PhotoError, match="36 × 48 pixels are more than"):
            read_photo(picture, limits=Limits(max_pixels=36 * 48 - 1))
    # A bomb: four bytes of header claim 60,000 × 60,000 pixels.
    bomb = bytearray(data)
    bomb[16:24] = struct.pack(">II", 60_000, 60_000)
    with pytest.raises(PhotoError):
        read_photo(bytes(bomb))


def test_many_threads_at_once():
    good, cut = encode(quarters(), "JPEG"), encode(quarters(), "JPEG")[:-300]

    def read(position: int) -> bool:
        try:
            return read_photo(good if position % 2 else cut).shape == (48, 36, 3)
        except PhotoError:
            return False

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(read, range(200))) == [bool(i % 2) for i in range(200)]


def test_input_is_centred_and_padded_with_the_border_colour():
    pixels = np.full((100, 20, 3), (10, 200, 30), np.uint8)
    pixels[:, 5:15] = RED
    made = to_input(pixels, (50, 50))
    assert made.shape == (50, 50, 3)
    assert made.dtype == np.uint8
    assert (made[:, :20] == (10, 200, 30)).all()
    assert (made[:, 30:] == (10, 200, 30)).all()
    assert close(made[:, 24:26], RED)


@pytest.mark.parametrize("shape", [(60, 80), (80, 60), (1, 1), (1, 500), (500, 1), (112, 84)])
def test_input_has_its_size_whatever_the_photo(shape: tuple[int, int]):
    grey = np.full((*shape, 3), 77, np.uint8)
    assert (to_input(grey, (112, 84)) == 77).all()


def test_input_is_not_aliased():
    stripes = np.zeros((1120, 840, 3), np.uint8)
    stripes[:, ::2] = 255
    assert abs(to_input(stripes, (112, 84)).astype(int) - 127).max() < 12
