"""Read the photos of a catalogue for a model, and run it over them: probabilities by row."""

import io
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
from PIL import Image

from hangtag.errors import HangtagError
from hangtag.photo_reader import PhotoReader
from hangtag.progress import Progress
from hangtag.tagger import Tagger

_BATCH = 64

_Input = tuple[np.ndarray, tuple[int, int]]


@dataclass
class Predictions:
    """What a model says of the photos that could be read, and why the others couldn't.

    Attributes:
        rows: Rows of the catalogue whose photos could be read.
        sizes: Width and height of their photos, in pixels.
        known_product: As `hangtag.tags.PhotoTags.known_product`; True where the model can't tell.
        turned: As `hangtag.tags.PhotoTags.turned`.
        values: float32 (rows, values) by attribute: calibrated probabilities.
        unreadable: Names of the other photos, and what is wrong with each.
    """

    rows: list[int] = field(default_factory=list)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    known_product: list[bool] = field(default_factory=list)
    turned: list[int] = field(default_factory=list)
    values: dict[str, np.ndarray] = field(default_factory=dict)
    unreadable: list[tuple[str, str]] = field(default_factory=list)


def predict(
    tagger: Tagger, reader: PhotoReader, wanted: list[int], progress: Progress | None
) -> Predictions:
    """Run a model over the photos of a catalogue's products; decoding and network overlap.

    Args:
        tagger: The model.
        reader: Finds the photos.
        wanted: Rows to look at; each has a photo.
        progress: Told about the photos tagged.
    """
    said = Predictions()
    values: dict[str, list[np.ndarray]] = {one.name: [] for one in tagger.attributes}
    for batch in read_inputs(tagger, reader, wanted, "tagging photos", progress):
        said.unreadable += batch.unreadable
        if not batch.rows:
            continue
        said.rows += batch.rows
        said.sizes += batch.sizes
        found = tagger.probabilities(np.stack(batch.inputs))
        for name, collected in values.items():
            collected.append(found.values[name])
        said.turned += found.turned.tolist()
        said.known_product += _known_products(tagger, found.in_domain, len(batch.rows))
    said.values = {name: np.concatenate(parts) for name, parts in values.items() if parts}
    return said


@dataclass
class InputBatch:
    """Some photos of a catalogue, read; their attributes are those of `Predictions`.

    Attributes:
        rows: Rows of the catalogue whose photos could be read.
        sizes: Of these photos as they came.
        inputs: uint8 (h, w, 3) each.
        unreadable: The others.
    """

    rows: list[int] = field(default_factory=list)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    inputs: list[np.ndarray] = field(default_factory=list)
    unreadable: list[tuple[str, str]] = field(default_factory=list)


def read_inputs(
    tagger: Tagger, reader: PhotoReader, wanted: list[int], doing: str, progress: Progress | None
) -> Iterator[InputBatch]:
    """Read photos of a catalogue's products; the next ones are decoded while these are used.

    Args:
        tagger: The model that they're for.
        reader: Finds the photos.
        wanted: Rows to look at; each has a photo.
        doing: What the progress is called.
        progress: Told about the photos used.
    """

    def decode(row: int) -> _Input:
        data = reader.read(row)
        pixels = tagger.prepare(data)
        with Image.open(io.BytesIO(data)) as header:
            return pixels, header.size

    done = 0
    for decoded in _decoded(decode, wanted):
        batch = InputBatch()
        for row, future in decoded:
            try:
                pixels, size = future.result()
            except HangtagError as error:
                # The reader got bytes, so it called each of them just "photo".
                message = str(error).removeprefix("photo: ")
                batch.unreadable.append((reader.name(row), message))
                continue
            batch.inputs.append(pixels)
            batch.rows.append(row)
            batch.sizes.append(size)
        yield batch
        done += len(decoded)
        if progress:
            progress(doing, done, len(wanted))


def _known_products(tagger: Tagger, in_domain: np.ndarray, count: int) -> list[bool]:
    if tagger.info.domain is None:
        return [True] * count
    return (in_domain >= tagger.info.domain.threshold).tolist()


def _decoded(
    decode: Callable[[int], _Input], wanted: list[int]
) -> Iterator[list[tuple[int, Future[_Input]]]]:
    """Batches of photos; the next one is decoded while the network looks at this one."""
    source = iter(wanted)
    with ThreadPoolExecutor() as pool:

        def start() -> list[tuple[int, Future[_Input]]]:
            return [(row, pool.submit(decode, row)) for row in islice(source, _BATCH)]

        batch = start()
        while batch:
            following = start()
            yield batch
            batch = following
