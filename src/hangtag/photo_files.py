"""What the files of a catalogue's photos are: sizes, shapes, modes, formats, and which are odd."""

import io
import os
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from pydantic import BaseModel

from hangtag.copies import fingerprint
from hangtag.errors import HangtagError
from hangtag.photo import FORMATS, read_photo

if TYPE_CHECKING:
    from hangtag.catalogue import Catalogue

_RATIO_STEP = 0.05
_BINS = 30
_GREY_MODES = frozenset({"1", "L", "LA", "I", "I;16", "F"})


class Count(BaseModel):
    """How often something occurs, and which share of the whole that is (0 to 1)."""

    value: str
    count: int
    share: float


class OddPhoto(BaseModel):
    """A photo unlike the others, or one that can't be used, and why; ``row`` counts from 0."""

    row: int
    photo: str
    reason: str


class PhotoSummary(BaseModel):
    """The photos' files. Lists of counts have the most frequent first.

    ``sizes`` are "width × height" in pixels, ``ratios`` width by height in steps of 0.05;
    ``byte_edges`` are the edges of the histogram ``byte_counts`` of file sizes. ``odd`` are
    photos of another shape than most, or grey where most aren't; ``unreadable`` are files that
    are there and can't be used, ``without`` the rows that have none.
    """

    readable: int
    sizes: list[Count]
    ratios: list[Count]
    modes: list[Count]
    formats: list[Count]
    byte_median: int
    byte_edges: list[float]
    byte_counts: list[int]
    odd: list[OddPhoto]
    unreadable: list[OddPhoto]
    without: list[int]


@dataclass(frozen=True)
class PhotoFile:
    """The photo of one row.

    Without a photo nothing is set, with one that can't be read only ``name`` and ``error``.
    ``size`` is width and height in pixels; ``fingerprint`` as `hangtag.copies.fingerprint` says.
    """

    name: str = ""
    size: tuple[int, int] = (0, 0)
    mode: str = ""
    format: str = ""
    file_size: int = 0
    fingerprint: tuple[bytes, np.ndarray] | None = None
    error: str | None = None

    @property
    def size_text(self) -> str:
        """Width × height."""
        return f"{self.size[0]} × {self.size[1]}"

    @property
    def ratio_text(self) -> str:
        """Width by height, rounded."""
        return f"{round(self.size[0] / self.size[1] / _RATIO_STEP) * _RATIO_STEP:.2f}"


def counts(values: Counter[str], whole: int) -> list[Count]:
    """Order counts, most frequent first; shares are of ``whole``."""
    ordered = sorted(values.items(), key=lambda pair: (-pair[1], pair[0]))
    return [Count(value=value, count=count, share=count / whole) for value, count in ordered]


def read_files(
    catalogue: "Catalogue", progress: Callable[[int, int], None] | None = None
) -> list[PhotoFile]:
    """Read the photo of each row once; what can't be read is told by ``error``.

    Args:
        catalogue: Whose photos.
        progress: Called with the numbers of rows done so far and in all.
    """

    def read(photo: str | None) -> PhotoFile:
        if photo is None:
            return PhotoFile()
        try:
            data = catalogue.photo_bytes(photo)
            pixels = read_photo(data, name=photo)
        except HangtagError as error:
            return PhotoFile(photo, error=str(error))
        # read_photo gives RGB whatever the file holds; its header tells what that was.
        with Image.open(io.BytesIO(data), formats=FORMATS) as header:
            mode, kind = header.mode, header.format or ""
        size = (pixels.shape[1], pixels.shape[0])
        return PhotoFile(photo, size, mode, kind, len(data), fingerprint(pixels))

    photos = catalogue.table["photo"].to_list()
    files: list[PhotoFile] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for file in pool.map(read, photos):
            files.append(file)
            if progress:
                progress(len(files), len(photos))
    return files


def summarise(files: Sequence[PhotoFile]) -> PhotoSummary:
    """Count what the files are, row by row as `read_files` gives them."""
    read = [(row, file) for row, file in enumerate(files) if file.fingerprint is not None]
    ratios = Counter(file.ratio_text for _, file in read)
    modes = Counter(file.mode for _, file in read)
    usual = ratios.most_common(1)[0][0] if ratios else ""
    grey_is_odd = bool(modes) and modes.most_common(1)[0][0] not in _GREY_MODES
    odd = []
    for row, file in read:
        reasons = []
        if file.ratio_text != usual:
            reasons.append(f"{file.size_text}, not {usual} wide by high like most")
        if grey_is_odd and file.mode in _GREY_MODES:
            reasons.append("grey-scale")
        if reasons:
            odd.append(OddPhoto(row=row, photo=file.name, reason="; ".join(reasons)))
    weights = np.array([file.file_size for _, file in read])
    histogram, edges = np.histogram(weights, bins=_BINS)
    whole = max(len(read), 1)
    return PhotoSummary(
        readable=len(read),
        sizes=counts(Counter(file.size_text for _, file in read), whole),
        ratios=counts(ratios, whole),
        modes=counts(modes, whole),
        formats=counts(Counter(file.format for _, file in read), whole),
        byte_median=int(np.median(weights)) if read else 0,
        byte_edges=edges.tolist(),
        byte_counts=histogram.tolist(),
        odd=odd,
        unreadable=[
            OddPhoto(row=row, photo=file.name, reason=file.error)
            for row, file in enumerate(files)
            if file.error is not None
        ],
        without=[row for row, file in enumerate(files) if not file.name],
    )
