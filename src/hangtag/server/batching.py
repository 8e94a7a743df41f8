"""Collect what concurrent requests bring into batches, within bounds."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class QueueFullError(Exception):
    """There is no room for what a request brings; it may come again later."""


class Batcher(Generic[Item, Result]):
    """Runs a function over batches of items that arrive one by one.

    A batch starts as soon as the one before has ended. It waits only when it isn't full and other
    items have been admitted but not yet submitted (their photos are being decoded), and then for
    at most ``max_wait`` seconds: a lone request is never held up.

    Args:
        run: Takes a list of items and returns as many results; called in one thread of its own.
        max_batch: Most items in a batch.
        max_wait: Longest wait for more items, in seconds.
        capacity: Most items admitted at a time: in preparation, waiting and being run.
    """

    def __init__(
        self,
        run: Callable[[list[Item]], list[Result]],
        *,
        max_batch: int,
        max_wait: float,
        capacity: int,
    ) -> None:
        self._run = run
        self._max_batch = max_batch
        self._max_wait = max_wait
        self._capacity = capacity
        self._admitted = 0
        self._queue: asyncio.Queue[tuple[Item, asyncio.Future[Result]]] = asyncio.Queue()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="inference")
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to take items; call it in the event loop that will submit them."""
        self._task = asyncio.create_task(self._serve())

    async def close(self) -> None:
        """Finish what was submitted, then stop."""
        if self._task is None:
            return
        await self._queue.join()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._task = None
        self._thread.shutdown()

    @property
    def running(self) -> bool:
        """Whether items are taken."""
        return self._task is not None and not self._task.done()

    @property
    def admitted(self) -> int:
        """Items admitted and not yet finished."""
        return self._admitted

    @contextmanager
    def room(self, items: int) -> Iterator[Callable[[], None]]:
        """Reserve room for some items; all of it is free again at the end.

        Yields:
            A function to call when one item has ended early, so that nobody waits for it.

        Raises:
            QueueFullError: There is no room for all of them.
        """
        if self._admitted + items > self._capacity:
            raise QueueFullError
        left = items
        self._admitted += items

        def leave() -> None:
            nonlocal left
            left -= 1
            self._admitted -= 1

        try:
            yield leave
        finally:
            self._admitted -= left

    async def submit(self, item: Item) -> Result:
        """Run an item in the next batch that has a place; raises what the run raised."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait((item, future))
        return await future

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            batch = await self._collect()
            # Whoever gave up waiting needs no result.
            wanted = [(item, future) for item, future in batch if not future.done()]
            if wanted:
                items = [item for item, _ in wanted]
                futures = [future for _, future in wanted]
                try:
                    results = await loop.run_in_executor(self._thread, self._run, items)
                    _finish(futures, results)
                except Exception as error:  # noqa: BLE001  it belongs to the requests
                    _fail(futures, error)
            for _ in batch:
                self._queue.task_done()

    async def _collect(self) -> list[tuple[Item, asyncio.Future[Result]]]:
        batch = [await self._queue.get()]
        try:
            async with asyncio.timeout(self._max_wait):
                while len(batch) < self._max_batch and (
                    not self._queue.empty() or self._admitted > len(batch)
                ):
                    batch.append(await self._queue.get())
        except TimeoutError:
            pass
        return batch


def _finish(futures: list[asyncio.Future[Result]], results: list[Result]) -> None:
    for future, result in zip(futures, results, strict=True):
        if not future.done():
            future.set_result(result)


def _fail(futures: list[asyncio.Future[Result]], error: Exception) -> None:
    for future in futures:
        if not future.done():
            future.set_exception(error)
