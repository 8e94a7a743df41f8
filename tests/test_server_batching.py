import asyncio
import threading

import pytest

from hangtag.server.batching import Batcher, QueueFullError

OPTIONS = {"runners": 1, "max_batch": 8, "capacity": 64}


def batcher(run, **options):
    return Batcher(lambda items, _: run(items), **{**OPTIONS, **options})


def test_concurrent_items_share_a_run_and_get_their_own_results():
    sizes = []

    def double(items):
        sizes.append(len(items))
        return [2 * item for item in items]

    async def scene():
        batches = batcher(double)
        batches.start()
        results = await batches.submit(range(20))
        await batches.close()
        return results

    assert asyncio.run(scene()) == [2 * item for item in range(20)]
    assert sizes == [8, 8, 4]


def test_what_comes_while_the_runner_is_busy_shares_the_next_run():
    sizes = []
    busy, go_on = threading.Event(), threading.Event()

    def note(items):
        sizes.append(len(items))
        busy.set()
        go_on.wait(10)
        return items

    async def scene():
        batches = batcher(note)
        batches.start()
        first = asyncio.create_task(batches.submit(["first"]))
        await asyncio.to_thread(busy.wait, 10)
        others = [asyncio.create_task(batches.submit([item])) for item in range(5)]
        await asyncio.sleep(0)
        go_on.set()
        await asyncio.gather(first, *others)
        await batches.close()

    asyncio.run(scene())
    assert sizes == [1, 5]


def test_runners_work_side_by_side():
    together = threading.Barrier(2)

    def meet(items):
        together.wait(10)
        return items

    async def scene():
        batches = batcher(meet, runners=2)
        batches.start()
        results = await batches.submit(["a", "b"])
        await batches.close()
        return results

    assert asyncio.run(scene()) == ["a", "b"]


def test_items_beyond_the_capacity_are_refused_and_their_room_is_free_again():
    async def scene():
        batches = batcher(list, capacity=3)
        early = asyncio.create_task(batches.submit([1, 2]))
        await asyncio.sleep(0)
        with pytest.raises(QueueFullError):
            await batches.submit([3, 4])
        assert batches.admitted == 2
        batches.start()
        assert await early == [1, 2]
        assert batches.admitted == 0
        assert await batches.submit([1, 2, 3]) == [1, 2, 3]
        await batches.close()

    asyncio.run(scene())


def test_a_failing_run_fails_its_items_only():
    def picky(items):
        if "bad" in items:
            raise ValueError("no")
        return items

    async def scene():
        batches = batcher(picky, max_batch=1)
        batches.start()
        results = await asyncio.gather(
            *(batches.submit([item]) for item in ("a", "bad", "b")), return_exceptions=True
        )
        await batches.close()
        return results

    first, failed, last = asyncio.run(scene())
    assert (first, last) == (["a"], ["b"])
    assert isinstance(failed, ValueError)


def test_what_nobody_waits_for_any_more_is_not_run():
    seen = []

    def note(items):
        seen.extend(items)
        return items

    async def scene():
        batches = batcher(note)
        impatient = asyncio.create_task(batches.submit(["impatient", "too"]))
        patient = asyncio.create_task(batches.submit(["patient"]))
        await asyncio.sleep(0)
        impatient.cancel()
        await asyncio.gather(impatient, return_exceptions=True)
        assert batches.admitted == 1
        batches.start()
        assert await patient == ["patient"]
        await batches.close()

    asyncio.run(scene())
    assert seen == ["patient"]


def test_closing_finishes_what_was_submitted():
    async def scene():
        batches = batcher(list, max_batch=2)
        batches.start()
        results = asyncio.create_task(batches.submit(range(7)))
        await asyncio.sleep(0)
        await batches.close()
        assert not batches.running
        return await results

    assert asyncio.run(scene()) == list(range(7))


class _LongRun:
    """Items that take until they are let go on, and what became of them."""

    def __init__(self):
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.done = []

    def __call__(self, items, wanted):
        self.begun.set()
        self.go_on.wait(10)
        self.done += [item for position, item in enumerate(items) if wanted(position)]
        return [item if item in self.done else None for item in items]


def test_a_run_is_told_what_nobody_waits_for_any_more_and_it_counts_until_its_end():
    run = _LongRun()

    async def scene():
        batches = Batcher(run, **OPTIONS)
        impatient = asyncio.create_task(batches.submit(["impatient", "too"]))
        patient = asyncio.create_task(batches.submit(["patient"]))
        await asyncio.sleep(0)
        batches.start()
        await asyncio.to_thread(run.begun.wait, 10)
        impatient.cancel()
        await asyncio.gather(impatient, return_exceptions=True)
        assert batches.admitted == 3
        run.go_on.set()
        assert await patient == ["patient"]
        assert batches.admitted == 0
        await batches.close()

    asyncio.run(scene())
    assert run.done == ["patient"]


def test_closing_does_not_wait_for_what_was_given_up():
    run = _LongRun()

    async def scene():
        batches = Batcher(run, **OPTIONS)
        batches.start()
        impatient = asyncio.create_task(batches.submit(["impatient"]))
        await asyncio.to_thread(run.begun.wait, 10)
        impatient.cancel()
        await asyncio.gather(impatient, return_exceptions=True)
        await asyncio.wait_for(batches.close(), 5)
        assert not run.go_on.is_set()
        run.go_on.set()

    asyncio.run(scene())
    assert run.done == []
