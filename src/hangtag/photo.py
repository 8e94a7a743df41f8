"""Photos: from a file, bytes, a PIL image or an array to upright RGB, then to network input.

The only decoder in the package. It holds no state and changes none of Pillow's, so any number of
threads may use it at once (Pillow releases the GIL while it decodes and resizes).
"""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import ExifTags, Image, ImageChops

from hangtag.errors import HangtagError
from hangtag.framing import frame
from hangtag.jpeg_scans import without_fine_scans

Source = str | Path | bytes | bytearray | memoryview | BinaryIO | Image.Image | np.ndarray
"""What a photo can be given as."""

FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF")
"""What Pillow may try, commonest first. Its other readers (EPS, PDF stubs, …) are no photos."""

_CURE = "save it again as JPEG or PNG, or leave it out"
_MAX_SIDE = 65_535
"""Pixels of a side, as in JPEG; a strip longer than this is no photo."""

_WHITE = (255, 255, 255, 255)
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # from EXIF's orientation; 5 to 8 exchange width and height


class PhotoError(HangtagError):
    """A photo that can't be read. The message names it and says what to do."""


@dataclass(frozen=True)
class Limits:
    """What a photo may cost: bytes of the file, pixels of the decoded picture.

    Both are checked before anything is decoded. The default number of pixels is where Pillow
    itself begins to suspect a decompression bomb.
    """

    max_bytes: int = 64 * 2**20
    max_pixels: int = 89_000_000


DEFAULT_LIMITS = Limits()


def read_photo(
    source: Source,
    *,
    smallest: tuple[int, int] | None = None,
    limits: Limits = DEFAULT_LIMITS,
    name: str | None = None,
) -> np.ndarray:
    """Decode a photo.

    Turned upright by its EXIF orientation; the first frame of an animation; transparency on
    white; 16 bits scaled to 8; palette, grey and CMYK converted to RGB.

    Args:
        source: Path of a file, its bytes, a binary file that is open, a PIL image, or an array of
            uint8 with shape (H, W), (H, W, 1), (H, W, 3) as RGB or (H, W, 4) as RGBA.
        smallest: (height, width) in pixels that are enough: a JPEG may then be decoded at 1/2, 1/4
            or 1/8 of its size (JPEG's own DCT scaling) as long as the result still covers it.
        limits: Largest file and picture that are read.
        name: What error messages call the photo; default: its path.

    Returns:
        uint8 array (H, W, 3), RGB.

    Raises:
        PhotoError: The photo is missing, broken, too large or no photo, or ``source`` is nothing
            that a photo can be given as.
    """
    called = printable(name or _name_of(source))
    if isinstance(source, np.ndarray):
        return _from_array(source, called, limits)
    if isinstance(source, Image.Image):
        _check_pixels(source, called, limits)
        return _decode(source, called)
    data = _data_of(source, called, limits)
    if not data:
        raise PhotoError(f"{called}: the file is empty; copy it again or leave it out")
    if len(data) > limits.max_bytes:
        raise _too_many_bytes(called, len(data), limits)
    return _from_bytes(data, called, limits, smallest)


def to_input(photo: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Fit a photo into the network's input, its proportions kept.

    Empty borders are cut where that spares bars, and tiny products are enlarged
    (`hangtag.framing`). Shrinks with an anti-aliased bicubic filter (after whole-number box
    averaging when the photo is several times too large), enlarges bicubically. What stays free is
    filled with the photo's own border colour, the median of its outermost pixels, so that a
    product on a white background remains on a white background.

    Args:
        photo: uint8 (H, W, 3).
        size: (height, width) of the input in pixels.

    Returns:
        uint8 (height, width, 3).
    """
    height, width = size
    seen = frame(photo, size)
    scale = height / seen.height
    top, left = max(0, round(seen.top)), max(0, round(seen.left))
    inside = photo[top : round(seen.top + seen.height), left : round(seen.left + seen.width)]
    rows, columns = inside.shape[:2]
    fitted = (
        min(width, max(1, round(columns * scale))),
        min(height, max(1, round(rows * scale))),
    )
    if fitted != (columns, rows):
        picture = Image.fromarray(np.ascontiguousarray(inside))
        inside = np.asarray(picture.resize(fitted, Image.Resampling.BICUBIC, reducing_gap=3.0))
    if inside.shape[:2] == (height, width):
        return np.ascontiguousarray(inside)
    canvas = np.empty((height, width, 3), np.uint8)
    canvas[:] = seen.background
    down = min(max(0, int((top - seen.top) * scale)), height - fitted[1])
    across = min(max(0, int((left - seen.left) * scale)), width - fitted[0])
    canvas[down : down + fitted[1], across : across + fitted[0]] = inside
    return canvas


def _name_of(source: Source) -> str:
    if isinstance(source, str | Path):
        return str(source)
    name = getattr(source, "filename", "") or getattr(source, "name", "")
    return str(name or "photo")


def _data_of(source: object, called: str, limits: Limits) -> bytes:
    if isinstance(source, bytes):
        return source
    if isinstance(source, bytearray | memoryview):
        return bytes(source)
    if isinstance(source, str | Path):
        return _read_file(Path(source), called, limits)
    if not hasattr(source, "read"):
        kind = type(source).__name__
        raise PhotoError(f"{called}: is no photo but {kind}; pass a path, bytes, image or array")
    try:
        data = source.read(limits.max_bytes + 1)
    except (OSError, ValueError) as error:
        raise PhotoError(f"{called}: can't be read ({error}); open the file again") from error
    if not isinstance(data, bytes):
        raise PhotoError(f"{called}: isn't open as a binary file; open it with 'rb'")
    return data


def printable(name: str) -> str:
    """Replace in a file's name what is no text: line breaks, terminal codes, stray bytes."""
    return "".join(letter if letter.isprintable() else "?" for letter in name)


def _read_file(path: Path, called: str, limits: Limits) -> bytes:
    try:
        if path.is_dir():
            raise PhotoError(f"{called}: is a folder; name the photos in it")
        if path.exists() and not path.is_file():
            raise PhotoError(f"{called}: is no ordinary file; name a photo")
        if (size := path.stat().st_size) > limits.max_bytes:
            raise _too_many_bytes(called, size, limits)
        return path.read_bytes()
    except FileNotFoundError as error:
        raise PhotoError(f"{called}: no such file; check the path") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise PhotoError(f"{called}: can't be read ({reason}); check the file's rights") from error


def _from_bytes(
    data: bytes, called: str, limits: Limits, smallest: tuple[int, int] | None
) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            _check_pixels(picture, called, limits)
            if smallest is None or picture.format not in ("JPEG", "MPO"):
                return _decode(picture, called)
            height, width = smallest
            if _orientation(picture) >= 5:
                height, width = width, height
            columns = picture.width
            picture.draft(None, (width, height))
            an_eighth = picture.width == (columns + 7) // 8
            if not (an_eighth and picture.format == "JPEG" and "progressive" in picture.info):
                return _decode(picture, called)
            reduced = io.BytesIO(without_fine_scans(data))
            with Image.open(reduced, formats=["JPEG"]) as same:
                same.draft(None, (width, height))
                return _decode(same, called)
    except Image.UnidentifiedImageError as error:
        raise PhotoError(
            f"{called}: not a photo (or a format that is not read: "
            f"JPEG, PNG, WebP, AVIF, GIF, BMP and TIFF are); {_CURE}"
        ) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PhotoError(f"{called}: has too many pixels; make it smaller") from error
    except PhotoError:
        raise
    except Exception as error:
        # Pillow's readers raise nearly anything on damaged data: OSError, SyntaxError,
        # struct.error, KeyError, …
        raise _broken(called, error) from error


def _decode(picture: Image.Image, called: str) -> np.ndarray:
    try:
        picture.load()
        turn = _TURNS.get(_orientation(picture))
        picture = _to_rgb(picture, called)
        return np.asarray(picture if turn is None else picture.transpose(turn))
    except PhotoError:
        raise
    except Exception as error:
        raise _broken(called, error) from error


def _orientation(picture: Image.Image) -> int:
    try:
        value = picture.getexif().get(ExifTags.Base.Orientation, 1)
        return value if isinstance(value, int) and 1 <= value <= 8 else 1
    except Exception:  # noqa: BLE001  broken metadata doesn't make a photo unreadable
        return 1


def _to_rgb(picture: Image.Image, called: str) -> Image.Image:
    if picture.mode == "RGB" and "transparency" not in picture.info:
        return picture
    if picture.mode.startswith("I;16"):
        wide = np.asarray(picture).astype(np.float32)
        return Image.fromarray((wide / 257 + 0.5).astype(np.uint8)).convert("RGB")
    if picture.mode in ("I", "F"):
        raise PhotoError(f"{called}: has 32 bits per channel; save it with 8 bits per channel")
    if picture.mode == "CMYK" and picture.format == "JPEG" and "adobe" not in picture.info:
        # Pillow takes every CMYK JPEG for Adobe's, whose values are stored inverted.
        picture = ImageChops.invert(picture)
    if picture.has_transparency_data:
        with_alpha = picture.convert("RGBA")
        white = Image.new("RGBA", with_alpha.size, _WHITE)
        return Image.alpha_composite(white, with_alpha).convert("RGB")
    return picture.convert("RGB")


def _from_array(pixels: np.ndarray, called: str, limits: Limits) -> np.ndarray:
    shape = pixels.shape
    if pixels.dtype != np.uint8:
        raise PhotoError(
            f"{called}: the array holds {pixels.dtype}; pass uint8 with values from 0 to 255"
        )
    if pixels.size == 0 or not (len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3, 4))):
        raise PhotoError(f"{called}: the array has shape {shape}; pass (H, W), (H, W, 3 or 4)")
    if shape[0] * shape[1] > limits.max_pixels:
        raise _too_many_pixels(called, shape[1], shape[0], limits)
    if max(shape[:2]) > _MAX_SIDE:
        raise _too_long(called, shape[1], shape[0])
    if len(shape) == 3 and shape[2] == 3:
        return np.ascontiguousarray(pixels)
    flat = pixels[:, :, 0] if len(shape) == 3 and shape[2] == 1 else pixels
    return np.asarray(_to_rgb(Image.fromarray(np.ascontiguousarray(flat)), called))


def _check_pixels(picture: Image.Image, called: str, limits: Limits) -> None:
    width, height = picture.size
    if width * height == 0:
        raise PhotoError(f"{called}: has no pixels; {_CURE}")
    if width * height > limits.max_pixels:
        raise _too_many_pixels(called, width, height, limits)
    if max(width, height) > _MAX_SIDE:
        raise _too_long(called, width, height)


def _too_many_pixels(called: str, width: int, height: int, limits: Limits) -> PhotoError:
    return PhotoError(
        f"{called}: {width} × {height} pixels are more than the {limits.max_pixels:,} allowed; "
        "make it smaller"
    )


def _too_long(called: str, width: int, height: int) -> PhotoError:
    return PhotoError(
        f"{called}: {width} × {height} pixels: a side is longer than the {_MAX_SIDE:,} allowed; "
        "make it smaller"
    )


def _too_many_bytes(called: str, size: int, limits: Limits) -> PhotoError:
    return PhotoError(
        f"{called}: {size:,} bytes are more than the {limits.max_bytes:,} allowed; make it smaller"
    )


def _broken(called: str, error: Exception) -> PhotoError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return PhotoError(f"{called}: damaged photo ({reason}); {_CURE}")
