"""Photos in, tags out, in order: reading, decoding, the network and the caller's writing overlap.

Two pools of threads work side by side. One reads, decodes and shrinks single photos (files of any
size become inputs of some 30 kB right there), the other runs the network on batches, one core per
batch: that uses all cores without their waiting for each other, as splitting the work inside one
batch would make them. Pillow and ONNX Runtime release the GIL. The number of batches under way is
bounded, so memory doesn't grow with the number of photos.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from threading import Event

import numpy as np
import onnxruntime

from hangtag.bulk.inputs import Item
from hangtag.cores import available_cores
from hangtag.photo import PhotoError, printable, read_photo, to_input
from hangtag.tagger import Tagger
from hangtag.tags import PhotoTags

REMOTE_READERS = 16
"""Photos fetched at a time: they wait for the network and not for a core."""


GPU_BATCH = 128


@dataclass(frozen=True)
class Plan:
    """How many threads read photos and run the network, and how many photos a batch holds."""

    readers: int
    runners: int
    batch: int = 16

    @property
    def batches_under_way(self) -> int:
        """Enough that no thread waits for the slowest batch, few enough to need little memory."""
        return self.runners + max(2, self.readers // self.batch + 1)


def plan_for(*, remote: bool = False) -> Plan:
    """Choose threads by the cores that this process may use, and by whether there is a GPU."""
    cores = available_cores()
    readers = max(cores, REMOTE_READERS) if remote else cores
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        # One batch is copied to the GPU while the other is computed.
        return Plan(readers, runners=2, batch=GPU_BATCH)
    return Plan(readers, runners=cores)


def tag_in_order(tagger: Tagger, items: Iterable[Item], plan: Plan) -> Iterator[list[PhotoTags]]:
    """Tag any number of photos.

    Args:
        tagger: Made with ``threads=1``, as each batch is to keep to one core.
        items: What to tag; drawn only as fast as results are.
        plan: Threads and batch size.

    Yields:
        The tags of one batch after the other, in the order of ``items``. A photo that can't be
        read has an error instead of tags.
    """
    remaining = iter(items)
    under_way: deque[Future[list[PhotoTags]]] = deque()
    readers = ThreadPoolExecutor(plan.readers, "read")
    runners = ThreadPoolExecutor(plan.runners, "run")
    stop = Event()
    try:
        while batch := list(islice(remaining, plan.batch)):
            inputs = [readers.submit(_prepare, item, tagger.input_size, stop) for item in batch]
            under_way.append(runners.submit(_tag, tagger, batch, inputs))
            if len(under_way) >= plan.batches_under_way:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        # On an error or Ctrl-C nobody wants what has not been started, nor what is still coming
        # from a slow server: Python waits for these threads when it exits.
        stop.set()
        readers.shutdown(wait=False, cancel_futures=True)
        runners.shutdown(wait=False, cancel_futures=True)


def _prepare(item: Item, size: tuple[int, int], stop: Event) -> np.ndarray | PhotoError:
    try:
        photo = read_photo(item.source(stop), smallest=size, name=item.photo)
        return to_input(photo, size)
    except PhotoError as error:
        return error
    except Exception as error:  # noqa: BLE001  no photo of a million may stop the others
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        return PhotoError(f"{printable(item.photo)}: can't be read ({reason}); leave it out")


def _tag(
    tagger: Tagger, batch: Sequence[Item], prepared: Sequence[Future[np.ndarray | PhotoError]]
) -> list[PhotoTags]:
    inputs = [future.result() for future in prepared]
    arrays = [made for made in inputs if isinstance(made, np.ndarray)]
    names = [
        item.photo
        for item, made in zip(batch, inputs, strict=True)
        if not isinstance(made, PhotoError)
    ]
    tagged = iter(tagger.tags_from(tagger.probabilities(np.stack(arrays)), names) if arrays else ())
    return [
        tagger.failed(item.photo, made) if isinstance(made, PhotoError) else next(tagged)
        for item, made in zip(batch, inputs, strict=True)
    ]
