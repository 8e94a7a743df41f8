"""From uploaded bytes to tags, in batches, for many requests at once."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from hangtag.cores import available_cores
from hangtag.heat_map import heat_picture
from hangtag.photo import Limits, PhotoError, read_photo, to_input
from hangtag.server.batching import Batcher, QueueFullError, Wanted
from hangtag.server.limits import RETRY_SOON
from hangtag.server.metrics import Metrics
from hangtag.server.problems import BUSY, TIMED_OUT, Problem
from hangtag.server.settings import Settings
from hangtag.tagger import Tagger
from hangtag.tags import PhotoTags
from hangtag.turning import turned_input


@dataclass(frozen=True)
class Upload:
    """A photo as a client sent it."""

    name: str
    data: bytes


@dataclass(frozen=True)
class Tagged:
    """A photo's tags, and for each explained attribute a PNG of where the network looked."""

    tags: PhotoTags
    pictures: dict[str, bytes]


@dataclass(frozen=True)
class _Job:
    upload: Upload
    explained: tuple[str, ...]


class TaggingService:
    """One model, shared by all requests of a worker.

    Raises:
        HangtagError: The model can't be read.
    """

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        threads = settings.threads or max(1, available_cores() // settings.workers)
        self.tagger = Tagger(
            settings.model,
            precision=settings.precision,
            details=True,
            alternatives=settings.alternatives,
            # A core per batch, from the first photo's decoding to the last one's tags, keeps more
            # cores busy than sharing a batch among them.
            threads=1,
        )
        self._metrics = metrics
        self._timeout = settings.timeout
        self._limits = Limits(settings.max_photo_bytes, settings.max_pixels)
        self._batcher: Batcher[_Job, Tagged] = Batcher(
            self._run,
            runners=threads,
            max_batch=settings.max_batch,
            capacity=settings.queue,
        )

    def start(self) -> None:
        """Begin to take photos."""
        self._batcher.start()

    async def close(self) -> None:
        """Finish what was taken, then stop."""
        await self._batcher.close()

    @property
    def ready(self) -> bool:
        """Whether photos are taken."""
        return self._batcher.running

    @property
    def waiting(self) -> int:
        """Photos taken and not yet answered, and those still worked on whose requests gave up."""
        return self._batcher.admitted

    async def tag(
        self, uploads: Sequence[Upload], attributes: Sequence[str], *, explain: bool = False
    ) -> list[Tagged]:
        """Tag photos, together with those of other requests.

        Args:
            uploads: The photos.
            attributes: Names of the attributes to tag.
            explain: Whether to draw for each of them where the network looked.

        Returns:
            One result per photo, in order; a photo that can't be read has ``tags.error`` set.

        Raises:
            Problem: The queue is full, or the answer took too long.
        """
        explained = tuple(attributes) if explain else ()
        try:
            async with asyncio.timeout(self._timeout):
                tagged = await self._batcher.submit([_Job(upload, explained) for upload in uploads])
        except QueueFullError as error:
            raise Problem(BUSY, "the queue is full", "try again in a moment", RETRY_SOON) from error
        except TimeoutError as error:
            raise Problem(
                TIMED_OUT,
                f"no tags after {self._timeout:g} seconds",
                "try again in a moment, with fewer photos at a time",
                RETRY_SOON,
            ) from error
        return [self._restricted(one, attributes) for one in tagged]

    def _run(self, jobs: list[_Job], wanted: Wanted) -> list[Tagged | None]:
        results: list[Tagged | None] = [None] * len(jobs)
        inputs: dict[int, np.ndarray] = {}
        for position, job in enumerate(jobs):
            if not wanted(position):
                continue
            try:
                inputs[position] = self._prepare(job.upload)
            except PhotoError as error:
                results[position] = Tagged(self.tagger.failed(job.upload.name, error), {})
        sound = [position for position in inputs if wanted(position)]
        if not sound:
            return results
        tags = self._infer(
            [jobs[position].upload.name for position in sound],
            [inputs[position] for position in sound],
        )
        for position, of_photo in zip(sound, tags, strict=True):
            pictures = self._explain(
                inputs[position], jobs[position].explained, of_photo, partial(wanted, position)
            )
            results[position] = Tagged(of_photo, pictures)
        return results

    def _prepare(self, upload: Upload) -> np.ndarray:
        start = time.perf_counter()
        size = self.tagger.input_size
        photo = read_photo(upload.data, smallest=size, limits=self._limits, name=upload.name)
        pixels = to_input(photo, size)
        self._metrics.decoding.observe(time.perf_counter() - start)
        return pixels

    def _infer(self, names: list[str], inputs: list[np.ndarray]) -> list[PhotoTags]:
        start = time.perf_counter()
        probabilities = self.tagger.probabilities(np.stack(inputs))
        tags = self.tagger.tags_from(probabilities, names)
        self._metrics.batches.observe(len(names))
        self._metrics.inference.observe(time.perf_counter() - start)
        return tags

    def _explain(
        self,
        pixels: np.ndarray,
        attributes: Sequence[str],
        found: PhotoTags,
        wanted: Callable[[], bool],
    ) -> dict[str, bytes]:
        if not attributes:
            return {}
        pixels = turned_input(pixels, found.turned)
        return {
            name: heat_picture(
                pixels, self.tagger.activation_map(pixels, name, found.tags[name].value)
            )
            for name in attributes
            if name in found.tags and wanted()
        }

    def _restricted(self, tagged: Tagged, attributes: Sequence[str]) -> Tagged:
        tags = {name: tag for name, tag in tagged.tags.tags.items() if name in attributes}
        self._metrics.photos.labels("error" if tagged.tags.error else "tagged").inc()
        for name, tag in tags.items():
            self._metrics.tags.labels(name, tag.decision).inc()
        return replace(tagged, tags=replace(tagged.tags, tags=tags))
