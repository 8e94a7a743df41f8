import asyncio
import threading

import pytest

from hangtag.server.batching import Batcher, QueueFullError


def batcher(run, **options):
    return Batcher(
        run, **{"runners": 1, "max_batch": 8, "max_wait": 0.5, "capacity": 64, **options}
    )


async def submit_all(batches, items):
    with batches.room(len(items)) as room:
        return await asyncio.gather(*map(room.submit, items), return_exceptions=True)


def test_concurrent_items_share_a_run_and_get_their_own_results():
    sizes = []

    def double(items):
        sizes.append(len(items))
        return [2 * item for item in items]

    async def scene():
        batches = batcher(double)
        batches.start()
        results = await submit_all(batches, list(range(20)))
        await batches.close()
        return results

    assert asyncio.run(scene()) == [2 * item for item in range(20)]
    assert sizes == [8, 8, 4]


def test_a_batch_waits_for_items_that_are_known_to_come():
    sizes = []

    def note(items):
        sizes.append(len(items))
        return items

    async def scene():
        batches = batcher(note, max_wait=5)
        batches.start()
        with batches.room(3) as room:
            early = asyncio.create_task(room.submit("early"))
            await asyncio.sleep(0.05)
            assert not early.done()
            room.drop()
            await asyncio.gather(early, room.submit("late"))
        await batches.close()

    asyncio.run(scene())
    assert sizes == [2]


def test_runners_work_side_by_side():
    together = threading.Barrier(2)

    def meet(items):
        together.wait(10)
        return items

    async def scene():
        batches = batcher(meet, runners=2, max_batch=1)
        batches.start()
        results = await submit_all(batches, ["a", "b"])
        await batches.close()
        return results

    assert asyncio.run(scene()) == ["a", "b"]


def test_items_beyond_the_capacity_are_refused_and_their_room_is_free_again():
    async def scene():
        batches = batcher(list, capacity=3)
        batches.start()
        with batches.room(2), pytest.raises(QueueFullError), batches.room(2):
            pass
        assert batches.admitted == 0
        assert await submit_all(batches, [1, 2, 3]) == [1, 2, 3]
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
        results = await submit_all(batches, ["a", "bad", "b"])
        await batches.close()
        return results

    first, failed, last = asyncio.run(scene())
    assert (first, last) == ("a", "b")
    assert isinstance(failed, ValueError)


def test_whoever_gives_up_waiting_holds_up_nobody_in_the_same_batch():
    seen = []

    def note(items):
        seen.extend(items)
        return items

    async def scene():
        batches = batcher(note)
        with batches.room(2) as room:
            impatient = asyncio.create_task(room.submit("impatient"))
            patient = asyncio.create_task(room.submit("patient"))
            await asyncio.sleep(0)
            impatient.cancel()
            batches.start()
            assert await patient == "patient"
        await batches.close()

    asyncio.run(scene())
    assert seen == ["patient"]


def test_closing_finishes_what_was_submitted():
    async def scene():
        batches = batcher(list, max_batch=2)
        batches.start()
        with batches.room(7) as room:
            results = [asyncio.create_task(room.submit(item)) for item in range(7)]
            await asyncio.sleep(0)
            await batches.close()
            assert not batches.running
            return await asyncio.gather(*results)

    assert asyncio.run(scene()) == list(range(7))
