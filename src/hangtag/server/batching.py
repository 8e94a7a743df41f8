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

    A batch starts as soon as a runner is free. It waits only while it isn't full and other items
    are known to come (their photos are being decoded), and then for at most ``max_wait`` seconds:
    a lone request is never held up.

    Args:
        run: Takes a list of items and returns as many results; called from several threads.
        runners: Batches that run side by side, each in a thread of its own.
        max_batch: Most items in a batch.
        max_wait: Longest wait for more items, in seconds.
        capacity: Most items admitted at a time: in preparation, waiting and being run.
    """

    def __init__(
        self,
        run: Callable[[list[Item]], list[Result]],
        *,
        runners: int,
        max_batch: int,
        max_wait: float,
        capacity: int,
    ) -> None:
        self._run = run
        self._runners = runners
        self._max_batch = max_batch
        self._max_wait = max_wait
        self._capacity = capacity
        self._admitted = 0
        self._coming = 0
        self._queue: asyncio.Queue[tuple[Item, asyncio.Future[Result]]] = asyncio.Queue()
        self._collecting = asyncio.Lock()
        self._threads = ThreadPoolExecutor(runners, thread_name_prefix="inference")
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to take items; call it in the event loop that will submit them."""
        self._tasks = [asyncio.create_task(self._serve()) for _ in range(self._runners)]

    async def close(self) -> None:
        """Finish what was submitted, then stop."""
        if self.running:
            await self._queue.join()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        self._threads.shutdown()

    @property
    def running(self) -> bool:
        """Whether items are taken."""
        return any(not task.done() for task in self._tasks)

    @property
    def admitted(self) -> int:
        """Items admitted whose requests have not ended."""
        return self._admitted

    @contextmanager
    def room(self, items: int) -> Iterator["Room[Item, Result]"]:
        """Reserve room for a request's items until the end of the block.

        Raises:
            QueueFullError: There is no room for all of them.
        """
        if self._admitted + items > self._capacity:
            raise QueueFullError
        room = Room(self, items)
        self._admitted += items
        self._coming += items
        try:
            yield room
        finally:
            self._admitted -= items
            self._coming -= room.coming

    async def _submit(self, item: Item) -> Result:
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait((item, future))
        return await future

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            async with self._collecting:
                batch = await self._collect()
            # Whoever gave up waiting needs no result.
            wanted = [(item, future) for item, future in batch if not future.done()]
            if wanted:
                items = [item for item, _ in wanted]
                futures = [future for _, future in wanted]
                try:
                    results = await loop.run_in_executor(self._threads, self._run, items)
                    _finish(futures, results)
                except Exception as error:  # noqa: BLE001  it belongs to the requests
                    _fail(futures, error)
            for _ in batch:
                self._queue.task_done()

    async def _collect(self) -> list[tuple[Item, asyncio.Future[Result]]]:
        batch = [await self._queue.get()]
        try:
            async with asyncio.timeout(self._max_wait):
                while len(batch) < self._max_batch and (self._coming or not self._queue.empty()):
                    batch.append(await self._queue.get())
        except TimeoutError:
            pass
        return batch


class Room(Generic[Item, Result]):
    """The places of one request's items; each is either submitted or dropped."""

    def __init__(self, batcher: Batcher[Item, Result], items: int) -> None:
        self.coming = items
        self._batcher = batcher

    async def submit(self, item: Item) -> Result:
        """Run an item in the next batch that has a place; raises what the run raised."""
        self.drop()
        return await self._batcher._submit(item)

    def drop(self) -> None:
        """Tell that one item less is to come, so that no batch waits for it."""
        self.coming -= 1
        self._batcher._coming -= 1


def _finish(futures: list[asyncio.Future[Result]], results: list[Result]) -> None:
    for future, result in zip(futures, results, strict=True):
        if not future.done():
            future.set_result(result)


def _fail(futures: list[asyncio.Future[Result]], error: Exception) -> None:
    for future in futures:
        if not future.done():
            future.set_exception(error)
