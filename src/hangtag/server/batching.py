"""Collect what concurrent requests bring into batches, within bounds."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

Wanted = Callable[[int], bool]
"""Whether a request still waits for the item at a position of a batch."""


class QueueFullError(Exception):
    """There is no room for what a request brings; it may come again later."""


class Batcher(Generic[Item, Result]):
    """Runs a function over batches of items that arrive one by one.

    A free runner takes what waits at that moment, and never waits for more: a lone item starts at
    once, and the busier the runners are, the more items have gathered when one of them is free.

    Args:
        run: Takes a list of items and returns as many results; called from several threads. Before
            each costly step it is to ask whether an item is still wanted; the result of one that
            isn't may be None.
        runners: Batches that run side by side, each in a thread of its own.
        max_batch: Most items in a batch.
        capacity: Most items admitted at a time: waiting and being run.
    """

    def __init__(
        self,
        run: Callable[[list[Item], Wanted], Sequence[Result | None]],
        *,
        runners: int,
        max_batch: int,
        capacity: int,
    ) -> None:
        self._run = run
        self._runners = runners
        self._max_batch = max_batch
        self._capacity = capacity
        self._asked: set[asyncio.Future[Result]] = set()
        self._being_run: set[asyncio.Future[Result]] = set()
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._threads = ThreadPoolExecutor(runners, thread_name_prefix="tagging")
        self._batches: set[asyncio.Task[None]] = set()
        self._running = False

    def start(self) -> None:
        """Begin to run items; call it in the event loop that submits them."""
        self._running = True
        self._occupy_runners()

    async def close(self) -> None:
        """Finish what was submitted, then stop; what requests gave up on is not waited for."""
        while self._batches and self._asked:
            await asyncio.wait(self._batches, return_when=asyncio.FIRST_COMPLETED)
        self._running = False
        self._threads.shutdown(wait=False, cancel_futures=True)

    @property
    def running(self) -> bool:
        """Whether items are run."""
        return self._running

    @property
    def admitted(self) -> int:
        """Items whose requests have not ended, and those that are still run without one."""
        return len(self._asked | self._being_run)

    async def submit(self, items: Sequence[Item]) -> list[Result]:
        """Run a request's items, in whatever batches; raises what a run raised.

        Raises:
            QueueFullError: There is no room for all of them.
        """
        if self.admitted + len(items) > self._capacity:
            raise QueueFullError
        loop = asyncio.get_running_loop()
        futures: list[asyncio.Future[Result]] = [loop.create_future() for _ in items]
        self._asked.update(futures)
        self._waiting.extend(zip(items, futures, strict=True))
        self._occupy_runners()
        try:
            return await asyncio.gather(*futures)
        finally:
            self._asked.difference_update(futures)
            if not all(future.done() and not future.cancelled() for future in futures):
                self._forget(futures)

    def _forget(self, futures: Sequence[asyncio.Future[Result]]) -> None:
        # Whoever gave up needs no result; and items may be large.
        for future in futures:
            future.cancel()
        self._waiting = deque(pair for pair in self._waiting if not pair[1].done())

    def _occupy_runners(self) -> None:
        while self._running and self._waiting and len(self._batches) < self._runners:
            # An equal share for each runner: one that took all would leave the others idle.
            share = -(-len(self._waiting) // self._runners)
            batch = [self._waiting.popleft() for _ in range(min(share, self._max_batch))]
            self._being_run.update(future for _, future in batch)
            task = asyncio.create_task(self._serve(batch))
            self._batches.add(task)
            task.add_done_callback(self._free_runner)

    def _free_runner(self, task: asyncio.Task[None]) -> None:
        self._batches.remove(task)
        self._occupy_runners()

    async def _serve(self, batch: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        items = [item for item, _ in batch]
        futures = [future for _, future in batch]
        try:
            loop = asyncio.get_running_loop()
            results = await loop.run_in_executor(
                self._threads, self._run, items, lambda position: not futures[position].done()
            )
            _finish(futures, results)
        except Exception as error:  # noqa: BLE001  it belongs to the requests
            _fail(futures, error)
        finally:
            self._being_run.difference_update(futures)


def _finish(futures: list[asyncio.Future[Result]], results: Sequence[Result | None]) -> None:
    for future, result in zip(futures, results, strict=True):
        if not future.done():
            assert result is not None  # what is wanted has a result
            future.set_result(result)


def _fail(futures: list[asyncio.Future[Result]], error: Exception) -> None:
    for future in futures:
        if not future.done():
            future.set_exception(error)
